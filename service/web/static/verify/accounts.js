"use strict";
// A payee's account through one run, made again from what it opened with (payouts: derive, accounts, tables).

const CORRECTION_KINDS = ["adjustment", "release", "returned", "reversal", "instalment"];
const FRESH_CORRECTIONS = ["adjustment", "release"];  // money that no deduction was made from yet
const FIRST_CORRECTIONS = ["adjustment", "reversal", "instalment"];  // what a run that follows none may book
const CORRECTION_FIELDS = ["id", "kind", "micros", "run", "reason"];
const BALANCE_FIELDS = ["kind", "term", "micros", "due"];
const DEDUCTION_FIELDS = ["agreed", "before", "entries", "after"];
const BESIDE_THE_ACCOUNT = ["advance", "given-up"];

// --- tables: order, spelling, comparison ---

const TABLE_KEYS = { groups: ["group"], lines: ["group", "party", "state", "reason", "ref"], accounts: ["party"] };

function compareKeys(names, left, right) {
  for (const name of names) {
    const order = compareText(left[name], right[name]);
    if (order) return order;
  }
  return 0;
}

// Rows of a table, each an object whose key is made of texts, in the table's order and each key once.
function checkRowOrder(table, rows) {
  const names = TABLE_KEYS[table];
  for (const [n, row] of rows.entries()) {
    if (!isObject(row) || !names.every((name) => isText(row[name]))) refuse(`${table}: row ${n} is not a row of this table`);
    if (n && compareKeys(names, rows[n - 1], row) >= 0) refuse(`${table}: ${labelOf(row)} is out of order, or is there twice`);
  }
}

function labelOf(row) {
  return TABLE_KEYS.lines.map((name) => row[name]).filter(Boolean).join("/") || "a row";
}

function isSame(left, right) {
  return canonicalText(left) === canonicalText(right);
}

// Refuses a table that is not, row for row and in order, what it must be.
function checkRows(table, stated, derived) {
  for (const [n, row] of derived.entries()) {
    if (n >= stated.length) break;
    if (isSame(stated[n], row)) continue;
    const field = Object.keys(row).find((name) => !isSame(stated[n][name] ?? null, row[name])) ?? "a field that does not belong";
    refuse(`${table}, row ${n}: ${labelOf(row)} has ${field} ${canonicalText(stated[n][field] ?? null).slice(0, 200)}, ` +
      `computed ${canonicalText(row[field] ?? null).slice(0, 200)}`);
  }
  if (stated.length !== derived.length) refuse(`${table}: ${stated.length} rows, expected ${derived.length}`);
}

function withoutSalt({ salt, ...row }) {
  return row;
}

// How many lines these are, and the digest of them.
async function commitmentTo(lines) {
  return { rows: lines.length, sha256: await digestOf(utf8.encode(lines.map((row) => `${canonicalText(row)}\n`).join(""))) };
}

// --- what an account says that it was given ---

function parseSigned(text, what) {
  return parseAmount(text, what, null);
}

async function readAccount(given, row) {
  const { party } = row;
  const { agreed = [], before = [] } = row.deductions ?? {};
  if (row.deductions !== undefined && !hasFields(row.deductions, ...DEDUCTION_FIELDS)) refuse(`${party}: deductions lack a field`);
  const account = {
    party,
    opening: parseSigned(row.opening, "opening"),
    corrections: row.corrections.map((correction) => readCorrection(given, party, correction)),
    agreed: await Promise.all(agreed.map(checkAgreed)),
    before: before.map((balance) => readBalance(party, balance)),
    converted: row.converted ?? null,
  };
  checkBefore(given, account);
  const unshown = unshownCurrency(given, row);
  if (unshown !== null) {
    minorUnit(unshown);
    account.agreed = [{ id: "", period: given.terms.period, note: "", clause: { kind: "currency", party, currency: unshown } }];
  } else {
    const odd = account.agreed.find((term) => term.clause.party !== party || !given.agreed.has(term.id));
    if (odd) refuse(`${party}: terms ${odd.id} are not among those the run was given for it`);
    if (!areInForce(account.agreed, given.terms)) refuse(`${party}: its terms are not all in force, or two are of one kind`);
  }
  return account;
}

// The currency in which an account of version 1 must be paid by terms that it does not show.
// What is worth less than that currency's smallest coin is carried whole: then it is one to which the run has such a rate.
function unshownCurrency(given, row) {
  const { before = [], entries = [] } = row.deductions ?? {};
  const payable = parseSigned(row.payable, "payable");
  if (given.v !== 1 || before.length || entries.length || payable < 0n) return null;
  if (row.converted) return row.converted.currency;
  const amounts = [row.opening, row.earned, ...row.corrections.map(({ micros }) => micros)];
  const due = payableOf(given, sum(amounts.map((text) => parseSigned(text, "an amount"))));
  const rate = due && !payable ? given.rates.find(({ clause }) => !exchange(clause, due).paid) : undefined;
  return rate ? rate.clause.to : null;
}

function readBalance(party, balance) {
  if (!hasFields(balance, ...BALANCE_FIELDS) || !isText(balance.term) || !isText(balance.due)) refuse(`${party}: a balance from before lacks a field`);
  const { kind, term, due } = balance;
  const micros = parseSigned(balance.micros, "a balance");
  const isReserve = kind === "reserve" && isPeriod(due) && micros >= 1n;
  if (!isReserve && !(kind === "advance" && due === "" && micros >= 0n)) refuse(`${party}: a balance from before is ${kind} ${micros} due ${due}`);
  return { kind, term, micros, due };
}

// What a run took over for a party from the run it follows: nothing at first, and no advance beyond what was advanced.
function checkBefore(given, { party, opening, agreed, before }) {
  if (!party) refuse("an account is nobody's");
  if (given.follows === null && (opening || before.length)) refuse(`${party}: the run follows none, and its account opens with a balance`);
  if (new Set(before.map(({ kind, term, due }) => `${kind}\0${term}\0${due}`)).size !== before.length) {
    refuse(`${party}: a balance from before stands there twice`);
  }
  for (const { kind, term, micros } of before) {
    const advance = agreed.find(({ id, clause }) => id === term && clause.kind === "advance");
    if (kind === "advance" && advance && micros > BigInt(advance.clause.micros)) refuse(`${party}: more is owed of advance ${term} than was advanced`);
  }
}

function readCorrection(given, party, correction) {
  if (!hasFields(correction, ...CORRECTION_FIELDS)) refuse(`${party}: a correction lacks a field`);
  const { id, kind, run, reason } = correction;
  if (![id, run, reason].every(isText) || !CORRECTION_KINDS.includes(kind)) refuse(`${party}: a correction of kind ${kind}`);
  const micros = parseSigned(correction.micros, "a correction");
  const sign = { release: 1n, returned: 1n, reversal: -1n }[kind] ?? micros;
  if (!micros || micros * sign < 0n) refuse(`${party}: a ${kind} of ${micros} micros`);
  const isNamedSo = {
    adjustment: !id.includes("@"),
    release: id.endsWith(`@${run}`),
    returned: id.startsWith(`returned@${run}/${party}`),
    reversal: id.startsWith(`reversal@${run}`),
    instalment: id.startsWith(`instalment@${run}/${party}/`),
  }[kind];
  if (!isNamedSo) refuse(`${party}: correction ${id} has not the name of a ${kind}`);
  if (given.follows === null && !FIRST_CORRECTIONS.includes(kind)) refuse(`${party}: the run follows none, and books a ${kind}`);
  return { id, kind, micros, run, reason };
}

// Each correction of the run is booked, and none other; all but releases and reversals for one party alone.
function checkBooked(given, accounts, isAlone) {
  const booked = new Map();
  for (const { party, corrections } of accounts) {
    for (const { id, kind } of corrections) {
      const parties = booked.get(id) ?? new Set();
      if (parties.has(party)) refuse(`${party}: correction ${id} is booked twice`);
      booked.set(id, parties.add(party));
      if (parties.size > 1 && !["release", "reversal"].includes(kind)) refuse(`${party}: correction ${id} is booked for two parties`);
    }
  }
  const odd = [...booked.keys()].find((id) => !given.entries.has(id)) ?? (isAlone ? undefined : [...given.entries].find((id) => !booked.has(id)));
  if (odd !== undefined) refuse(`correction ${odd}: the run's entries and its accounts do not name the same`);
}

// --- the stages between what is allocated and what is paid ---

function deduct(given, { agreed, before }, { opening, fresh, settled }) {
  const line = { fresh, own: opening + fresh, balance: opening + fresh + settled };
  const entries = [];
  const most = (value, limit) => (value > limit ? limit : value);
  const atLeastZero = (value) => (value > 0n ? value : 0n);
  const base = () => atLeastZero(most(line.fresh, line.own));
  const atMost = (micros) => most(micros, atLeastZero(line.balance));
  const book = (kind, term, micros, due = "") => {
    if (!micros) return;
    entries.push({ kind, term, micros, due });
    if (!BESIDE_THE_ACCOUNT.includes(kind)) for (const name of Object.keys(line)) line[name] += micros;
  };
  const ofKind = (kind) => agreed.filter(({ clause }) => clause.kind === kind);

  const reserves = before.filter(({ kind }) => kind === "reserve");
  for (const { id, clause } of ofKind("reserve")) {
    const micros = atMost((base() * BigInt(clause.ppm)) / PPM);
    if (!micros) continue;
    const due = laterPeriod(given.terms.period, clause.months);
    book("reserve", id, -micros, due);
    reserves.push({ kind: "reserve", term: id, micros, due });
  }
  const isDue = ({ due }) => due <= given.terms.period;
  for (const { term, micros, due } of reserves.filter(isDue)) book("released", term, micros, due);
  const after = reserves.filter((reserve) => !isDue(reserve));

  const outstanding = new Map(before.filter(({ kind }) => kind === "advance").map(({ term, micros }) => [term, micros]));
  const recoupable = base();
  for (const { id, clause } of ofKind("advance")) {
    const micros = outstanding.get(id) ?? BigInt(clause.micros);
    if (!outstanding.delete(id)) book("advance", id, micros);
    const recouped = atMost(most(micros, (recoupable * BigInt(clause.ppm)) / PPM));
    book("recouped", id, -recouped);
    after.push({ kind: "advance", term: id, micros: micros - recouped, due: "" });
  }
  for (const [term, micros] of outstanding) book("given-up", term, -micros);

  const taxable = base();
  for (const { id, clause } of ofKind("withhold")) {
    book("tax", id, -roundDownToMinorUnit(atMost((taxable * BigInt(clause.ppm)) / PPM), given.terms.currency));
  }
  return { entries, after, change: line.balance - (opening + fresh + settled) };
}

// What an amount comes to at a rate: whole coins, and what is left of one.
function exchange({ rate, to }, micros) {
  const [numerator, denominator] = parseRate(rate);
  const exact = (micros * numerator) / denominator;
  const paid = roundDownToMinorUnit(exact, to);
  return { paid, rounding: exact - paid };
}

// What a bank can be told to pay of a balance: whole coins, and nothing below the minimum payout.
function payableOf(given, balance) {
  const least = given.minimum > 1n ? given.minimum : 1n;
  return balance >= least ? roundDownToMinorUnit(balance, given.terms.currency) : 0n;
}

// What is paid for so much of the pool's currency, where the party is paid in another.
function convert(given, { party, agreed }, micros) {
  const target = agreed.find(({ clause }) => clause.kind === "currency")?.clause.currency ?? given.terms.currency;
  if (target === given.terms.currency) return null;
  const rate = given.rates.find(({ clause }) => clause.to === target) ?? refuse(`${party} is paid in ${target}, and the run has no rate`);
  const { paid, rounding } = exchange(rate.clause, micros);
  return { currency: target, micros: paid, rounding, rate: rate.clause.rate, date: rate.clause.date, source: rate.note };
}

function settleAccount(given, account, earned) {
  const { party, opening } = account;
  const corrections = [...account.corrections].sort((left, right) => compareText(left.id, right.id));
  const isFresh = ({ kind }) => FRESH_CORRECTIONS.includes(kind);
  const total = (chosen) => sum(chosen.map(({ micros }) => micros));
  const fresh = earned + total(corrections.filter(isFresh));
  const isOnAccount = ({ kind }) => kind === "instalment";
  const onAccount = total(corrections.filter(isOnAccount));
  const settled = total(corrections.filter((correction) => !isFresh(correction) && !isOnAccount(correction)));
  const deductions = deduct(given, account, { opening, fresh, settled });
  let balance = opening + fresh + settled + deductions.change;
  let payable = payableOf(given, balance);
  if (onAccount) {  // instalments pay a part of what the month comes to; what they exceed it by is a debt
    const whole = (micros) => roundDownToMinorUnit(micros > 0n ? micros : 0n, given.terms.currency);
    const unpaid = whole(payable + onAccount);
    balance += onAccount;
    payable = unpaid < whole(balance) ? unpaid : whole(balance);
  }
  let converted = payable ? convert(given, account, payable) : null;
  if (converted && !converted.micros) [payable, converted] = [0n, null];
  return { ...account, corrections, earned, payable, carried: balance - payable, deductions, converted };
}

// Whether there is anything in an account: money, or a balance beside it.
function hasContent({ opening, earned, corrections, before, deductions }) {
  return opening !== 0n || earned !== 0n || corrections.length > 0 || before.length > 0 || deductions.entries.length > 0;
}

// The row of an account without what commits its lines and its salt.
function writeAccount(account, v) {
  const { party, opening, earned, corrections, payable, carried, agreed, before, deductions, converted } = account;
  const inText = (row) => ({ ...row, micros: String(row.micros) });
  const row = { party, opening: String(opening), earned: String(earned), corrections: corrections.map(inText), payable: String(payable), carried: String(carried) };
  if (before.length || deductions.entries.length || (v > 1 && agreed.length)) {
    row.deductions = { agreed, before: before.map(inText), entries: deductions.entries.map(inText), after: deductions.after.map(inText) };
  }
  if (converted) row.converted = { ...inText(converted), rounding: String(converted.rounding) };
  return row;
}

// The accounts made again. `earned` and `withLines` are of all parties; alone, one party's without the others'.
async function settleAccounts(given, rows, earned, withLines, { isAlone }) {
  checkRowOrder("accounts", rows);
  const stated = [];
  for (const row of rows) {
    if (given.v > 1 && !isSize(row.lines?.rows)) refuse("accounts: the number of a party's lines is a number");
    stated.push(await readAccount(given, row));
  }
  checkBooked(given, stated, isAlone);
  const shown = new Set(stated.flatMap(({ agreed }) => agreed.map(({ id }) => id)));
  if (given.v > 1 && !isAlone) {
    const odd = [...given.agreed].find((id) => !shown.has(id));
    if (odd !== undefined) refuse(`terms ${odd}: the run was given them, and no account shows them`);
  }
  const byParty = new Map(stated.map((account) => [account.party, account]));
  const parties = new Set([...byParty.keys(), ...earned.keys(), ...(given.v > 1 ? withLines : [])]);
  parties.delete("");
  const empty = { opening: 0n, corrections: [], agreed: [], before: [], converted: null };
  return [...parties].sort(compareText)
    .map((party) => settleAccount(given, byParty.get(party) ?? { party, ...empty }, earned.get(party) ?? 0n))
    .filter((account) => hasContent(account) || (given.v > 1 && (withLines.has(account.party) || account.agreed.length > 0)));
}

// Payments are, one for one, what the accounts come to; only the route is the publication's own.
function checkIntents(accounts, intents, saltOf) {
  const routes = new Map(intents.map(({ party, route }) => [party, route]));
  const due = accounts.filter(({ payable }) => payable);
  const names = new Set(due.map(({ party }) => party));
  const odd = [...names].find((party) => !routes.has(party)) ?? [...routes.keys()].find((party) => !names.has(party));
  if (odd !== undefined) refuse(`${odd}: a payment is published without an account that comes to it, or missing`);
  checkRows("intents", intents, due.map(({ party, payable, converted }) => {
    const route = routes.get(party);
    if (!["file", "chain"].includes(route) || (converted && route === "chain")) refuse(`${party}: route ${route}`);
    const sent = converted ? { sent: { currency: converted.currency, micros: String(converted.micros) } } : {};
    const salt = saltOf(party);
    return { party, micros: String(payable), route, ...sent, ...(salt === undefined ? {} : { salt }) };
  }));
}
