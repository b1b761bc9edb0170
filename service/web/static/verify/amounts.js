"use strict";
// Money and weights, BigInt always, and the one rounding (payouts: money, allocate, division/waterfill).

const PPM = 1_000_000n;
const AMOUNT_DIGITS = 100;
const CURRENCIES = new Map([
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"],
  [2, "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK " +
      "DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD " +
      "KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP " +
      "PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH " +
      "USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"],
  [3, "BHD IQD JOD KWD LYD OMR TND"],
].flatMap(([decimals, codes]) => codes.split(" ").map((code) => [code, decimals])));

// The micro-units in the smallest unit of the currency that a bank pays.
function minorUnit(currency) {
  const decimals = CURRENCIES.get(currency) ?? refuse(`currency ${currency}: not an active ISO 4217 code with a minor unit`);
  return 10n ** BigInt(6 - decimals);
}

function roundDownToMinorUnit(micros, currency) {
  return micros - (micros % minorUnit(currency));
}

// An amount or a weight as tables spell it: a decimal string, one way only.
function parseAmount(text, what, low = 0n) {
  if (typeof text !== "string" || text.length > AMOUNT_DIGITS || !/^(?:0|-?[1-9][0-9]*)$/.test(text)) {
    refuse(`${what} is ${text}: expected a whole number as a decimal string`);
  }
  const value = BigInt(text);
  return low === null || value >= low ? value : refuse(`${what} is ${text}: expected ${low} or more`);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0n);
}

function smaller(left, right) {
  return left < right ? left : right;
}

function compareNumbers(left, right) {
  return left < right ? -1 : Number(left > right);
}

// --- largest remainder ---

// The place of a name among equal remainders, in hex.
async function tieBreak(salt, name) {
  return formatHex(await sha256(salt, utf8.encode(name)));
}

// Whether a share with this remainder stands at or before the last that got a leftover unit.
async function admits(cutoff, remainder, salt, name) {
  if (cutoff === null || remainder === 0n) return false;
  return remainder === cutoff.remainder ? (await tieBreak(salt, name)) <= cutoff.tie : remainder > cutoff.remainder;
}

// Integers for numerators over one denominator, which sum to an integer; and where the leftover units ended.
async function roundShares(names, numerators, denominator, salt) {
  const amounts = numerators.map((numerator) => numerator / denominator);
  const remainders = numerators.map((numerator) => numerator % denominator);
  const total = sum(remainders);
  if (total % denominator !== 0n) refuse("shares do not sum to a whole number");
  let left = Number(total / denominator);
  if (left === 0) return { amounts, cutoff: null };
  const threshold = [...remainders].sort((a, b) => compareNumbers(b, a))[left - 1];
  const tied = [];
  for (const [n, remainder] of remainders.entries()) {
    if (remainder > threshold) {
      amounts[n] += 1n;
      left -= 1;
    } else if (remainder === threshold) tied.push({ n, tie: await tieBreak(salt, names[n]) });
  }
  tied.sort((a, b) => compareNumbers(a.tie, b.tie) || compareText(names[a.n], names[b.n]));
  for (const { n } of tied.slice(0, left)) amounts[n] += 1n;
  return { amounts, cutoff: { remainder: threshold, tie: tied[left - 1].tie } };
}

// The total divided in proportion to weights by name (a Map); a sole name has it all.
async function divide(total, weights, salt) {
  const names = [...weights.keys()];
  if (names.length === 1) return { parts: new Map([[names[0], total]]), cutoff: null };
  const numerators = names.map((name) => total * weights.get(name));
  const { amounts, cutoff } = await roundShares(names, numerators, sum([...weights.values()]), salt);
  return { parts: new Map(names.map((name, n) => [name, amounts[n]])), cutoff };
}

function parseCutoff(stated) {
  if (stated === null || stated === undefined) return null;
  if (!hasFields(stated, "remainder", "tie")) refuse("a cut-off has a remainder and a tie");
  return { remainder: parseAmount(stated.remainder, "the cut-off", 1n), tie: formatHex(parseHex(stated.tie, "the cut-off", 32)) };
}

function writeCutoff(cutoff) {
  return cutoff && { remainder: String(cutoff.remainder), tie: cutoff.tie };
}

// --- the level: how any weight becomes an amount ---

// The numerator of what a weight is owed.
function owed(level, weight) {
  const exact = weight * level.numerator;
  return level.cap === null ? exact : smaller(exact, level.cap * level.denominator);
}

// The level at which the weights, the weight of nobody and the reserve use up the pool exactly.
function fillPool(weights, nobody, pool, cap) {
  const ordered = [...weights].sort((a, b) => compareNumbers(b, a));
  const named = sum(ordered);
  const total = named + nobody;
  if (total === 0n) return { cap, numerator: 0n, denominator: 1n, unattributed: pool, reserve: 0n };
  if (cap === null || pool * (ordered[0] ?? 0n) <= cap * total) {
    return { cap, numerator: pool, denominator: total, unattributed: pool * nobody, reserve: 0n };
  }
  let left = pool * named;
  let below = named;
  for (const weight of ordered) {
    if (left * weight <= cap * total * below) {
      return { cap, numerator: left, denominator: total * below, unattributed: pool * nobody * below, reserve: 0n };
    }
    left -= cap * total;
    below -= weight;
  }
  return { cap, numerator: cap * total, denominator: total, unattributed: pool * nobody, reserve: left };
}

// --- how figures are shown (ledger/shown.py) ---

function formatCount(count) {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

function counted(count, noun, plural = `${noun}s`) {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

function formatMoney(micros, currency) {
  const magnitude = micros < 0n ? -micros : micros;
  return `${micros < 0n ? "-" : ""}${formatCount(magnitude / PPM)}.${String(magnitude % PPM).padStart(6, "0")} ${currency}`;
}
