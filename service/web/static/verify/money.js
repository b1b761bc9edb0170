"use strict";
// Bundles about money: a whole run against its sums, and one party's part of it (payouts/bundles.py, payouts/derive.py).

const STATES = ["allocated", "held", "suspense"];
const PARTS = ["allocated", "unattributed", "held", "suspense", "reserve"];
const UNATTRIBUTED = "*unattributed";
const RESERVE = "*reserve";
const ROWS_UNCHECKED =
  "how the weights follow from streams and vectors, and balances, terms and open holds from the log before: compute " +
  "the period again from settle period export";
const PLATFORMS_UNCHECKED =
  "how many of the streams behind it their platforms signed is not in this bundle: settle period recompute counts them";

// A bundle of the right shape with wrong types inside is refused like any other.
async function refusingWrongTypes(check, examination, document) {
  try {
    await check(examination, document);
  } catch (problem) {
    if (problem instanceof TypeError || problem instanceof RangeError || problem instanceof SyntaxError) {
      refuse(`a field is missing or of another type: ${problem.message}`);
    }
    throw problem;
  }
}

function checkLists(document, ...names) {
  const odd = names.find((name) => !Array.isArray(document[name]));
  if (odd !== undefined) refuse(`${odd}: expected a list`);
}

// --- lines ---

function readLine(row) {
  if (!hasFields(row, ...TABLE_KEYS.lines, "weight", "micros") || !STATES.includes(row.state)) {
    refuse(`lines: ${canonicalText(row).slice(0, 200)} is not written as a run writes it`);
  }
  return { ...row, weight: parseAmount(row.weight, "a line's weight", 1n), micros: parseAmount(row.micros, "a line's micros") };
}

function readLines(rows) {
  checkRowOrder("lines", rows);
  return rows.map(readLine);
}

function headingOf(line) {
  return TABLE_KEYS.lines.map((name) => line[name]).join("\0");
}

function gather(lines, keyOf) {
  const gathered = new Map();
  for (const line of lines) {
    const key = keyOf(line);
    if (gathered.has(key)) gathered.get(key).push(line);
    else gathered.set(key, [line]);
  }
  return gathered;
}

function totalOf(lines, name) {
  return sum(lines.map((line) => line[name]));
}

// No line contradicts its state, or the holds that the run was given.
function checkLineStates(lines, holds) {
  const byId = new Map(holds.map((hold) => [hold.id, hold]));
  const blocked = new Set(holds.filter((hold) => hold.party && !(hold.subject || hold.track || hold.source)).map((hold) => hold.party));
  for (const { group, party, state, reason, ref } of lines) {
    if (state === "allocated") {
      if (!party) refuse(`group ${group}: money is allocated to nobody`);
      if (blocked.has(party)) refuse(`${party}: a line is allocated, and a hold of the run is on the party`);
      if (reason || ref) refuse(`${party}: an allocated line gives reason ${reason}`);
    } else if (!reason) refuse(`${party || group}: a line is ${state} without a reason`);
    else if (state === "held" && ref) {
      const hold = byId.get(ref);
      if (!hold || hold.reason !== reason || ![null, party].includes(hold.party)) refuse(`${party}: money is held by ${ref}, which no hold of the run allows`);
    }
  }
}

// What a party gets of one group, divided among its lines by weight: micros by line.
async function divideAmongLines(lines, micros, salt) {
  const { parts } = await divide(micros, new Map(lines.map((line) => [headingOf(line), line.weight])), salt);
  return new Map(lines.map((line) => [line, parts.get(headingOf(line))]));
}

// A group's micros divided among its parties and their lines: where that ended, and the lines that come out otherwise.
async function divideGroup(lines, micros, salt) {
  const parties = gather(lines, (line) => line.party);
  const weights = new Map([...parties].map(([party, own]) => [party, totalOf(own, "weight")]));
  const { parts, cutoff } = await divide(micros, weights, salt);
  const amounts = new Map();
  for (const [party, own] of parties) {
    for (const [line, amount] of await divideAmongLines(own, parts.get(party), salt)) amounts.set(line, amount);
  }
  return { amounts, cutoff };
}

// --- a whole run ---

async function checkTable(rows, stated, name) {
  const texts = rows.map((row) => canonicalText(row));
  const data = utf8.encode(texts.map((text) => `${text}\n`).join(""));
  let level = await Promise.all(texts.map((text) => leafHash(utf8.encode(text))));
  while (level.length > 1) {
    const pairs = Array.from({ length: Math.ceil(level.length / 2) }, (_, n) => level.slice(2 * n, 2 * n + 2));
    level = await Promise.all(pairs.map(([left, right]) => (right ? sha256(NODE_PREFIX, left, right) : left)));
  }
  const root = formatHex(level[0] ?? (await sha256()));
  const own = { rows: rows.length, root, sha256: await digestOf(data) };
  if (!isSame(own, stated)) refuse(`${name}: ${own.rows} rows with root ${root}, expected ${stated.rows}, ${stated.root}`);
  return data;
}

function poolOf(given, units) {
  const { micros, price_micros: price } = given.terms;
  return given.carried + (micros === null ? BigInt(price) * units : BigInt(micros));
}

// Everything the pool came to, from the weight under each heading, the units and the weight of nobody.
async function dividePool(given, result, lines) {
  const units = parseAmount(result.units, "units");
  const nobody = parseAmount(result.weight_unattributed, "the weight of nobody");
  const capPpm = capOf(given, result);
  const pool = poolOf(given, units);
  const kept = (pool * BigInt(given.terms.reserve_ppm)) / PPM;
  const cap = capPpm === null ? null : ((pool - kept) * BigInt(capPpm)) / PPM;
  const byGroup = gather(lines, (line) => line.group);
  const names = [...byGroup.keys()];
  const weights = names.map((name) => totalOf(byGroup.get(name), "weight"));
  const level = fillPool(weights, nobody, pool - kept, cap);
  const numerators = [...weights.map((weight) => owed(level, weight)), level.unattributed, level.reserve];
  const { amounts, cutoff } = await roundShares([...names, UNATTRIBUTED, RESERVE], numerators, level.denominator, given.salt);
  const groups = [];
  const micros = new Map();
  for (const [n, group] of names.entries()) {
    const divided = await divideGroup(byGroup.get(group), amounts[n], given.salt);
    groups.push({ group, weight: weights[n], micros: amounts[n], cutoff: divided.cutoff });
    for (const [line, amount] of divided.amounts) micros.set(line, amount);
  }
  const derived = lines.map((line) => ({ ...line, micros: micros.get(line) }));
  const inState = (state) => totalOf(derived.filter((line) => line.state === state), "micros");
  const [unattributed, left] = amounts.slice(-2);
  return {
    pool, allocated: inState("allocated"), unattributed, held: inState("held"), suspense: inState("suspense"), reserve: kept + left,
    units, weight: sum(weights) + nobody, weight_unattributed: nobody, level, cutoff, groups, lines: derived,
  };
}

function writeGroup({ group, weight, micros, cutoff }, v) {
  const row = { group, weight: String(weight), micros: String(micros) };
  return v === 1 ? row : { ...row, cutoff: writeCutoff(cutoff) };
}

function writeLine(line) {
  return { ...line, weight: String(line.weight), micros: String(line.micros) };
}

function writeResult({ groups, lines, level, cutoff, ...sums }) {
  const inText = (fields) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value === null ? null : String(value)]));
  return { ...inText(sums), level: inText(level), cutoff: writeCutoff(cutoff) };
}

async function checkRunBundle(examination, document) {
  await examination.step("the bundle has the fields of its kind", () => {
    checkFields(document, [...BINDING_FIELDS, "groups", "lines", "accounts", "intents"]);
    checkLists(document, "groups", "lines", "accounts", "intents");
  });
  const binding = await checkBinding(examination, document);
  const { given, calculation: { result, tables }, publication } = binding;
  const { groups, lines: lineRows, accounts: accountRows, intents } = document;
  let lineData, lines, outcome, accounts;
  await examination.step("the tables are the ones committed to", async () => {
    await checkTable(groups, tables.groups, "groups");
    lineData = await checkTable(lineRows, tables.lines, "lines");
    await checkTable(accountRows, tables.accounts, "accounts");
    await checkTable(intents, publication.intents, "intents");
    return ["groups", "lines", "accounts", "intents"].map((name) => counted(document[name].length, name.slice(0, -1))).join(", ");
  });
  await examination.step("the pool is divided by largest remainder", async () => {
    lines = readLines(lineRows);
    outcome = await dividePool(given, result, lines);
    if (String(outcome.pool) !== result.pool) {
      refuse(`the pool is ${result.pool} micros, its terms, ${outcome.units} units and ${given.carried} carried come to ${outcome.pool}`);
    }
    checkRows("groups", given.v > 1 ? groups.map(withoutSalt) : groups, outcome.groups.map((group) => writeGroup(group, given.v)));
    return `${outcome.pool} micros over weight ${outcome.weight}, level ${outcome.level.numerator}/${outcome.level.denominator}`;
  });
  await examination.step("every group is divided among its lines", () => {
    checkLineStates(lines, given.holds);
    checkRows("lines", lineRows, outcome.lines.map(writeLine));
    return counted(lines.length, "line");
  });
  await examination.step("the five parts sum to the pool", () => {
    const derived = writeResult(outcome);
    if (!isSame(result, derived)) {
      const field = Object.keys(derived).find((name) => !isSame(result[name] ?? null, derived[name])) ?? "a field that does not belong";
      refuse(`the run says ${field} ${canonicalText(result[field] ?? null).slice(0, 200)}, computed ${canonicalText(derived[field] ?? null)}`);
    }
    return `${PARTS.map((name) => outcome[name]).join(" + ")} = ${outcome.pool}`;
  });
  await examination.step("every account adds up, and pays what was published", async () => {
    const isEarned = (line) => line.state === "allocated" && line.micros;
    const earned = new Map([...gather(outcome.lines.filter(isEarned), (line) => line.party)].map(([party, own]) => [party, totalOf(own, "micros")]));
    const byParty = gather(lineRows, (row) => row.party);
    accounts = await settleAccounts(given, accountRows, earned, new Set(byParty.keys()), { isAlone: false });
    const rows = [];
    for (const account of accounts) {
      const row = writeAccount(account, given.v);
      rows.push(given.v > 1 ? { ...row, lines: await commitmentTo(byParty.get(account.party) ?? []) } : row);
    }
    checkRows("accounts", given.v > 1 ? accountRows.map(withoutSalt) : accountRows, rows);
    const salts = new Map(accountRows.map((row) => [row.party, row.salt]));
    checkIntents(accounts, intents, (party) => salts.get(party));
    return `${counted(accountRows.length, "account")}, ${counted(intents.length, "payment")}`;
  });
  if (given.v > 1) {
    await examination.step("every row has its salt, so that no neighbour can guess it", () => checkSalts(lineData, groups, accountRows));
  }
  examination.proved.push(...sayRun(given, outcome, accounts), PLATFORMS_UNCHECKED);
  noteUnchecked(examination, given, accountRows);
}

// Who lacks a line or an account cannot guess a neighbour's salt; who has all of them makes it again.
async function checkSalts(lineData, groups, accounts) {
  const books = accounts.map(({ party, opening, payable, carried }) => `${party}\0${opening}\0${payable}\0${carried}\n`).join("");
  const secret = await sha256(utf8.encode("settle run rows v2\0"), lineData, utf8.encode(books));
  for (const [name, rows] of [["group", groups], ["party", accounts]]) {
    for (const row of rows) {
      const salt = formatHex(await sha256(secret, utf8.encode(`${name}\0${row[name]}`))).slice(0, 32);
      if (row.salt !== salt) refuse(`${row[name]} has salt ${row.salt}, computed ${salt}`);
    }
  }
}

function sayRun({ terms }, outcome, accounts) {
  const say = (micros) => formatMoney(micros, terms.currency);
  const due = accounts.filter(({ payable }) => payable);
  const names = { allocated: "allocated", held: "held", suspense: "in suspense", unattributed: "unattributed", reserve: "in reserve" };
  const parts = Object.entries(names).map(([name, said]) => `${say(outcome[name])} ${said}`);
  return [
    `the published run of ${terms.period}, pool ${terms.pool}, divides ${say(outcome.pool)}: ${parts.join(", ")}`,
    `it pays ${counted(due.length, "party", "parties")} ${say(totalOf(due, "payable"))}`,
  ];
}

// What a bundle of money cannot show.
function noteUnchecked(examination, given, accounts) {
  for (const row of accounts) {
    if (unshownCurrency(given, row) === null) continue;
    examination.unchecked.push(
      `the terms by which ${row.party} is paid in another currency: a run of version 1 does not show them where ` +
        "a party has no others; the rate is the run's own",
    );
  }
  examination.unchecked.push(ROWS_UNCHECKED);
}

function checkRun(examination, document) {
  return refusingWrongTypes(checkRunBundle, examination, document);
}
