"use strict";
// What a run was given: the pool's terms, its rule, holds and clauses agreed (payouts: terms, document, accounts/clauses).

const RUN_VERSIONS = [1, 2];
const DESTINATIONS = ["return", "training", "carry"];
const TERMS_CHOICES = { weight: ["units", "gross"], unattributed: DESTINATIONS, fallback: ["suspense", "training"], suspense_to: DESTINATIONS };
const TERMS_RANGES = { reserve_ppm: [0, MILLION], error_max_ppm: [0, MILLION], suspense_months: [1, 1200] };
const TERMS_LISTS = ["sources", "products", "territories"];
const TERMS_FIELDS = ["period", "currency", "micros", "price_micros", "pool", "aspects",
  ...TERMS_LISTS, ...Object.keys(TERMS_CHOICES), ...Object.keys(TERMS_RANGES)];
const INPUT_FIELDS = ["period_root", "registry_size", "sequence", "terms", "rule", "holds", "follows", "entries",
  "minimum_micros", "carried_micros", "fx"];
const HOLD_FIELDS = ["id", "reason", "party", "subject", "track", "source"];
// A hold as a run names it; one on listeners names their list as well, and what two people decided about its streams.
function isHold(hold) {
  const { listeners = "", rejected = "", ...fields } = isObject(hold) ? hold : {};
  return hasFields(fields, ...HOLD_FIELDS) && isText(listeners) && isText(rejected) &&
    Object.values(fields).every((value) => value === null || isText(value));
}
const PARTS_OF_MILLION = (value) => isSize(value) && value >= 1 && value <= MILLION;
const isText = (value) => typeof value === "string";
const isFrom = (low) => (value) => isSize(value) && value >= low;
const isOneOf = (...choices) => (value) => choices.includes(value);

// The rules installed with Settle, all of version 1, and what their parameters may be.
const RULES = {
  "artist-centric": { boost: (value) => isFrom(1)(value) && value <= 100, min_streams: isSize, min_listeners: isSize, listener_max: isFrom(1) },
  "pro-rata": {},
  "shapley-capped": { tau: PARTS_OF_MILLION, kappa: PARTS_OF_MILLION },
  thresholded: { min_streams: isSize, min_influence: (value) => isSize(value) && value <= MILLION, below: isOneOf("unattributed", "redistribute") },
  training: { model: isText, model_version: isText },
  "user-centric": { anonymous: isOneOf("refuse", "together") },
};

function isPeriod(text) {
  return typeof text === "string" && /^[0-9]{4}-(?:0[1-9]|1[0-2])$/.test(text) && !text.startsWith("0000");
}

function laterPeriod(period, months) {
  const month = Number(period.slice(0, 4)) * 12 + Number(period.slice(5)) - 1 + months;
  return `${String(Math.floor(month / 12)).padStart(4, "0")}-${String((month % 12) + 1).padStart(2, "0")}`;
}

// Whether these are texts, in the order of their code points, each once.
function isAscending(texts) {
  return Array.isArray(texts) && texts.every(isText) && texts.every((text, n) => n === 0 || compareText(texts[n - 1], text) < 0);
}

function checkTerms(terms) {
  if (!hasFields(terms, ...TERMS_FIELDS)) refuse("the pool's terms: a field is missing or unknown");
  if (!isPeriod(terms.period)) refuse(`period ${terms.period}: expected YYYY-MM`);
  minorUnit(terms.currency);
  if (!isText(terms.pool) || !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(terms.pool)) refuse(`pool name ${terms.pool}`);
  const amounts = [terms.micros, terms.price_micros].filter((amount) => amount !== null);
  if (amounts.length !== 1 || !isText(amounts[0]) || !/^[1-9][0-9]*$/.test(amounts[0])) {
    refuse("the pool has an amount or a price per unit, one of them, and more than zero");
  }
  for (const name of TERMS_LISTS) if (!isAscending(terms[name])) refuse(`${name}: expected texts in order, each once`);
  if (!terms.territories.every((territory) => /^[A-Z]{2}$/.test(territory))) refuse("territories: expected ISO 3166 alpha-2 codes");
  for (const [name, choices] of Object.entries(TERMS_CHOICES)) if (!choices.includes(terms[name])) refuse(`${name} ${terms[name]}`);
  for (const [name, [low, high]] of Object.entries(TERMS_RANGES)) {
    if (!isSize(terms[name]) || terms[name] < low || terms[name] > high) refuse(`${name} ${terms[name]}: expected ${low} to ${high}`);
  }
  const aspects = isObject(terms.aspects) ? Object.entries(terms.aspects) : refuse("aspects: expected an object");
  if (!aspects.every(([name, ppm]) => ASPECTS.includes(name) && PARTS_OF_MILLION(ppm)) ||
      aspects.reduce((total, [, ppm]) => total + ppm, 0) !== MILLION) {
    refuse("aspects: expected known ones, summing to 1,000,000 ppm");
  }
}

// The most of the pool that one group may get, in ppm, or null; `undefined` for a rule that is not known here.
function readRuleCap(rule) {
  if (!hasFields(rule, "name", "version", "params") || (typeof rule.name === "object" && rule.name !== null)) {
    refuse("rule: expected name, version and params");
  }
  const known = Object.hasOwn(RULES, rule.name) && rule.version === "1";
  if (!known) return undefined;
  const checks = RULES[rule.name];
  if (!hasFields(rule.params, ...Object.keys(checks)) || !Object.entries(checks).every(([name, check]) => check(rule.params[name]))) {
    refuse(`rule ${rule.name}: a parameter is missing, unknown or out of range`);
  }
  return rule.name === "shapley-capped" && rule.params.kappa < MILLION ? rule.params.kappa : null;
}

// --- what is agreed with a party, or about a currency ---

const isNamed = (value) => isText(value) && value !== "";
const isCurrency = (value) => CURRENCIES.has(value);
const CLAUSES = {
  advance: { party: isNamed, pool: isText, currency: isCurrency, micros: (value) => isText(value) && /^[1-9][0-9]{0,99}$/.test(value), ppm: PARTS_OF_MILLION },
  reserve: { party: isNamed, ppm: PARTS_OF_MILLION, months: (value) => isFrom(1)(value) && value <= 120 },
  withhold: { party: isNamed, ppm: PARTS_OF_MILLION, territory: (value) => isText(value) && /^[A-Z]{2}$/.test(value) },
  currency: { party: isNamed, currency: isCurrency },
  rate: { currency: isCurrency, to: isCurrency, rate: (value) => isText(value) && parseRate(value) !== null, date: isDay },
};

function isDay(text) {
  if (!isText(text) || !/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) || text.startsWith("0000")) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

// A decimal or a fraction as [numerator, denominator], or null where it is none that is positive.
function parseRate(text) {
  const match = /^([0-9]{1,12})(?:\.([0-9]{1,12})|\/([0-9]{1,12}))?$/.exec(text);
  if (!match) return null;
  const [, integer, decimals = "", denominator = ""] = match;
  const rate = denominator ? [BigInt(integer), BigInt(denominator)] : [BigInt(integer + decimals), 10n ** BigInt(decimals.length)];
  return rate[0] > 0n && rate[1] > 0n ? rate : null;
}

// Terms whose id is the digest of what they say.
async function checkAgreed(agreed) {
  if (!hasFields(agreed, "id", "period", "note", "clause") || !isPeriod(agreed.period) || !isObject(agreed.clause)) {
    refuse("terms agreed: expected id, period, note and clause");
  }
  const { kind, ...fields } = agreed.clause;
  const checks = Object.hasOwn(CLAUSES, kind) ? CLAUSES[kind] : refuse(`terms of kind ${kind}`);
  if (!hasFields(fields, ...Object.keys(checks)) || !Object.entries(checks).every(([name, check]) => check(fields[name])) ||
      (kind === "rate" && fields.currency === fields.to)) {
    refuse(`${kind} terms: a field is missing, unknown or out of range`);
  }
  const { period, note, clause } = agreed;
  const id = `terms-${(await digestOf(encodeCanonical({ period, note, clause }))).slice(0, 20)}`;
  return id === agreed.id ? agreed : refuse(`terms ${agreed.id}: their content makes ${id}`);
}

// What only one of can count at a time.
function slotOf({ id, clause }) {
  const names = { advance: [id], withhold: [clause.party, clause.territory], rate: [clause.to] }[clause.kind] ?? [clause.party];
  return [clause.kind, ...names].join("\0");
}

function bearsOn({ period, clause }, terms) {
  if (clause.kind === "advance" && (clause.pool !== terms.pool || clause.currency !== terms.currency)) return false;
  return clause.kind === "rate" ? clause.currency === terms.currency && period === terms.period : period <= terms.period;
}

// Whether all of them count for the run, one of each kind.
function areInForce(agreed, terms) {
  return agreed.every((term) => bearsOn(term, terms)) && new Set(agreed.map(slotOf)).size === agreed.length;
}

// --- the inputs of a run, whose digest is its key ---

async function checkInputs(inputs, v) {
  if (!RUN_VERSIONS.includes(v)) refuse(`the run is of version ${v}`);
  const { agreed = null, ...fields } = isObject(inputs) ? inputs : {};
  if (!hasFields(fields, ...INPUT_FIELDS)) refuse("the run's inputs: a field is missing or unknown");
  parseHex(inputs.period_root, "period_root", 32);
  if (!isSize(inputs.registry_size) || !isFrom(1)(inputs.sequence)) refuse("the run's registry_size or sequence is no such number");
  checkTerms(inputs.terms);
  const { holds, entries, follows, fx } = inputs;
  if (!Array.isArray(holds) || !holds.every(isHold) || !isAscending(holds.map((hold) => hold.id))) {
    refuse("the run's holds are not written as a run writes them");
  }
  if (!isAscending(entries) || (Object.hasOwn(inputs, "agreed") && !(isAscending(agreed) && agreed.length))) {
    refuse("the run's entries or terms are not in order, each once");
  }
  if (follows !== null) parseHex(follows, "follows", 32);
  const carried = parseAmount(inputs.carried_micros, "carried_micros");
  if (follows === null && carried) refuse(`the run follows none, and ${carried} micros are carried into it`);
  if (fx !== null && !(Array.isArray(fx) && fx.length)) refuse("the run's fx are null or a list");
  const rates = await Promise.all((fx ?? []).map(checkAgreed));
  if (!rates.every((rate) => rate.clause.kind === "rate") || !areInForce(rates, inputs.terms)) {
    refuse("the run's fx are not one rate a currency, from the pool's and of its month");
  }
  return {
    v,
    terms: inputs.terms,
    ruleCap: readRuleCap(inputs.rule),
    salt: parseHex(inputs.period_root, "period_root", 32),
    minimum: parseAmount(inputs.minimum_micros, "minimum_micros"),
    carried,
    follows,
    holds,
    entries: new Set(entries),
    agreed: new Set(agreed ?? []),
    rates,
    key: await digestOf(encodeCanonical({ inputs, settle: "run", v })),
  };
}

// The cap in ppm; what a rule that is not known here caps at cannot be told.
function capOf(given, result) {
  if (given.ruleCap !== undefined) return given.ruleCap;
  return result.level.cap === null ? null : refuse("the run caps by a rule that this page does not know: use `settle verify`");
}
