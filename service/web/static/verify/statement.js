"use strict";
// One party's lines, account and payment against what a run and its publication committed to (payouts/bundles.py).

async function checkStatementBundle(examination, document) {
  await examination.step("the bundle has the fields of its kind", () => {
    checkFields(document, [...BINDING_FIELDS, "party", "groups", "lines", "account", "intent"]);
    checkLists(document, "groups", "lines", "account", "intent");
    if (!isText(document.party)) refuse("party: expected a text");
  });
  const { given, calculation, publication } = await checkBinding(examination, document);
  const { result, tables } = calculation;
  const { party } = document;
  let level, cutoff, groups, own;
  await examination.step("the pool's level follows from the run's terms and rule", async () => {
    ({ level, cutoff } = await checkLevel(given, result));
    return `${result.pool} micros over weight ${result.weight}`;
  });
  await examination.step("each owner group's amount follows from its weight", async () => {
    groups = readGroups(await shownRows(document.groups, tables.groups, "groups"), given.v);
    for (const { group, weight, micros } of groups) {
      const computed = await rounded(owed(level, weight), level, cutoff, given.salt, group);
      if (micros !== computed) refuse(`group ${group}: weight ${weight} is owed ${computed} micros, the run gave ${micros}`);
    }
    const amounts = groups.map(({ group, micros }) => `${group} ${micros}`).join(", ") || "none";
    return `${amounts} micros of ${result.pool}; weight of all ${result.weight}`;
  });
  await examination.step("the party's lines follow from the group's amount", async () => {
    const lines = readLines(given.v === 1 ? await shownRows(document.lines, tables.lines, "lines") : document.lines);
    checkLineStates(lines, given.holds);
    const byGroup = gather(lines, (line) => line.group);
    if (byGroup.size !== groups.length || !groups.every(({ group }) => byGroup.has(group))) {
      refuse("the lines and the groups in the bundle do not belong together");
    }
    const check = given.v === 1 ? checkAllLines : checkOwnLines;
    for (const group of groups) await check(group, byGroup.get(group.group), given.salt);
    own = lines.filter((line) => line.party === party);
    if (given.v > 1 && own.length !== lines.length) refuse(`lines are shown that are not ${party}'s`);
    return `${counted(own.length, "line")} of ${party} in the bundle, ${totalOf(own, "micros")} micros`;
  });
  const hasAccount = document.account.length > 0;
  let account = null;
  await examination.step(hasAccount ? "the account adds up" : "no account is in the bundle", async () => {
    const rows = await shownRows(document.account, tables.accounts, "accounts");
    const intents = await shownRows(document.intent, publication.intents, "intents");
    if ([...rows, ...intents].some((row) => row.party !== party) || rows.length > 1 || intents.length > 1) {
      refuse(`an account or a payment is not ${party}'s, or there are two`);
    }
    const earned = totalOf(own.filter((line) => line.state === "allocated"), "micros");
    if (!hasAccount) {
      if (earned || intents.length || (own.length && given.v > 1)) refuse(`${party} has money, lines or a payment, and the account is not in the bundle`);
      return `nothing is shown of what ${party} is paid`;
    }
    account = await checkOwnAccount(given, party, rows, intents, earned, document.lines);
    const steps = account.deductions.entries.map(({ kind, micros }) => `${kind} ${micros}, `).join("");
    return `opening ${account.opening}, earned ${account.earned}, ${steps}payable ${account.payable}, carried ${account.carried} micros`;
  });
  examination.unchecked.push(sayLeftOut(party, hasAccount, given.v));
  examination.proved.push(...sayParty(given.terms, party, own, account));
  noteUnchecked(examination, given, document.account.map(({ row }) => row));
}

// Rows proven to be in a table, in the order and at the places the table has them.
async function shownRows(items, table, name) {
  const rows = [];
  let last = -1;
  for (const item of items) {
    if (!hasFields(item, "index", "row", "path") || !isSize(item.index) || !Array.isArray(item.path)) refuse(`${name}: a row has index, row and path`);
    const path = item.path.map((hash) => parseHex(hash, `${name}: path`, 32));
    if (!isSize(table.rows)) refuse(`${name}: the table has no number of rows`);
    await checkInclusion(item.index, table.rows, await leafHash(encodeCanonical(item.row)), path, parseHex(table.root, `${name}: root`, 32));
    rows.push(item.row);
    if (item.index <= last) refuse(`${name}: rows are shown twice or out of order`);
    last = item.index;
  }
  return rows;
}

function readGroups(rows, v) {
  checkRowOrder("groups", rows);
  return rows.map((row) => {
    const { group } = row;
    const total = { group, weight: parseAmount(row.weight, "a group's weight", 1n), micros: parseAmount(row.micros, "a group's micros"), cutoff: parseCutoff(row.cutoff) };
    const salt = v === 1 ? {} : { salt: formatHex(parseHex(row.salt, "groups: salt", 16)) };
    return isSame(row, { ...writeGroup(total, v), ...salt }) ? total : refuse(`groups: ${canonicalText(row).slice(0, 200)} is not written as a run writes it`);
  });
}

// floor(owed / denominator), and one more where the cut-off admits the remainder.
async function rounded(numerator, level, cutoff, salt, name) {
  const admitted = await admits(cutoff, numerator % level.denominator, salt, name);
  return numerator / level.denominator + BigInt(admitted);
}

// The level, as far as one party can see it without the other weights: wholly, unless a cap is in force.
async function checkLevel(given, result) {
  const names = ["pool", ...PARTS, "units", "weight", "weight_unattributed"];
  const sums = Object.fromEntries(names.map((name) => [name, parseAmount(result[name], name)]));
  const stated = result.level;
  const level = { cap: stated.cap === null ? null : parseAmount(stated.cap, "cap") };
  for (const name of ["numerator", "denominator", "unattributed", "reserve"]) level[name] = parseAmount(stated[name], name);
  const cutoff = parseCutoff(result.cutoff);
  if (!isSame(writeResult({ ...sums, level, cutoff }), result)) refuse("the result is not written as a run writes it: fields, spelling");
  const pool = poolOf(given, sums.units);
  if (pool !== sums.pool) refuse(`the pool is ${sums.pool} micros, its terms, ${sums.units} units and what is carried come to ${pool}`);
  if (sum(PARTS.map((name) => sums[name])) !== pool) refuse(`the parts do not sum to the pool of ${pool} micros`);
  const kept = (pool * BigInt(given.terms.reserve_ppm)) / PPM;
  checkFilled(level, pool - kept, sums.weight, sums.weight_unattributed, capOf(given, result));
  const unattributed = await rounded(level.unattributed, level, cutoff, given.salt, UNATTRIBUTED);
  const left = await rounded(level.reserve, level, cutoff, given.salt, RESERVE);
  if (unattributed !== sums.unattributed || kept + left !== sums.reserve) refuse("unattributed and reserve are not what the level leaves");
  return { level, cutoff };
}

// The level is one that the weight of all and of nobody allow.
function checkFilled(level, pool, total, nobody, capPpm) {
  const cap = capPpm === null ? null : (pool * BigInt(capPpm)) / PPM;
  if (level.cap !== cap || nobody > total) refuse(`the run caps a group at ${level.cap} micros, its rule says ${cap}`);
  const { numerator, denominator, unattributed, reserve } = level;
  let fits = false;
  if (total === 0n) fits = numerator === 0n && denominator === 1n && unattributed === pool && reserve === 0n;
  else if (denominator === total && reserve === 0n && numerator === pool) fits = unattributed === pool * nobody;
  else if (cap !== null) fits = fitsCap(level, cap, pool, total, nobody);
  if (!fits) refuse("the level does not follow from the pool and the weight of all");
}

// Whether some groups, a whole number of them, stand at the cap.
function fitsCap({ numerator, denominator, unattributed, reserve }, cap, pool, total, nobody) {
  const named = pool * (total - nobody);
  if (denominator === total) {
    const isOver = numerator === cap * total && unattributed === pool * nobody;
    return isOver && (cap === 0n || (named - reserve) % (cap * total) === 0n);
  }
  const below = denominator / total;
  const capped = named - numerator;
  const isWhole = capped >= 0n && (cap === 0n ? capped === 0n : capped % (cap * total) === 0n);
  return denominator % total === 0n && below > 0n && below <= total - nobody && reserve === 0n && isWhole &&
    unattributed === pool * nobody * below;
}

// In version 1 a statement shows every line of the party's groups: each group's integer divided once more.
async function checkAllLines({ group, weight, micros }, lines, salt) {
  if (totalOf(lines, "weight") !== weight) refuse(`group ${group}: its lines do not weigh what the group weighs`);
  const { amounts } = await divideGroup(lines, micros, salt);
  for (const [line, computed] of amounts) {
    if (line.micros !== computed) refuse(`${line.party || group}: a line of ${line.micros} micros, computed ${computed}`);
  }
}

// A party's part of a group's integer, by its weight and where the group's division ended; then its own lines'.
async function checkOwnLines({ group, weight, micros, cutoff }, lines, salt) {
  const [{ party }] = lines;
  if (lines.some((line) => line.party !== party)) refuse(`group ${group}: lines of two parties are shown`);
  const own = totalOf(lines, "weight");
  if (own > weight || (cutoff !== null && cutoff.remainder >= weight)) refuse(`group ${group}: ${party}'s lines weigh more than the group, or its cut-off does`);
  const numerator = micros * own;
  const amount = numerator / weight + BigInt(await admits(cutoff, numerator % weight, salt, party));
  for (const [line, computed] of await divideAmongLines(lines, amount, salt)) {
    if (line.micros !== computed) refuse(`${party}: a line of ${line.micros} micros, computed ${computed}`);
  }
}

async function checkOwnAccount(given, party, rows, intents, earned, lines) {
  const income = new Map(earned ? [[party, earned]] : []);
  const accounts = await settleAccounts(given, rows, income, new Set([party]), { isAlone: true });
  const [stated] = rows;
  const committed = given.v === 1 ? {} : { lines: stated.lines, salt: formatHex(parseHex(stated.salt, "accounts: salt", 16)) };
  checkRows("accounts", rows, accounts.map((account) => ({ ...writeAccount(account, given.v), ...committed })));
  checkIntents(accounts, intents, () => committed.salt);
  if (given.v > 1 && !isSame(stated.lines, await commitmentTo(lines))) {
    refuse(`${party}: the account commits ${stated.lines.rows} lines, and the bundle shows others: it must show all of them`);
  }
  return accounts[0];
}

function sayLeftOut(party, hasAccount, v) {
  if (!hasAccount) {
    return `whether ${party} has an account, lines or a payment in this run beyond what is shown: this bundle brings no ` +
      "account; the run's bundle holds every row";
  }
  return v === 1
    ? `whether ${party} has money held in an owner group that this bundle leaves out: what is allocated would show ` +
        "in the account, what is held only in the run's bundle"
    : `whether the run has a second account of ${party}: the run's bundle holds every row, and is refused if it has`;
}

function sayParty(terms, party, own, account) {
  const run = `in the published run of ${terms.period}, pool ${terms.pool}`;
  if (account === null) return [`${party}: this bundle shows no money ${run}`];
  const say = (micros) => formatMoney(micros, terms.currency);
  const waiting = totalOf(own.filter((line) => line.state !== "allocated"), "micros");
  const said = `${run}, ${party} earned ${say(account.earned)}, is paid ${say(account.payable)} and carries ${say(account.carried)}`;
  return [waiting ? `${said}; ${say(waiting)} of it waits` : said, PLATFORMS_UNCHECKED];
}

function checkStatement(examination, document) {
  return refusingWrongTypes(checkStatementBundle, examination, document);
}
