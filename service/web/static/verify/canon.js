"use strict";
// The spellings that proofs are made of: canonical JSON, base64, hex and decimals (ledger/proofs/canon.py, ledger/text.py).
// Every reader here refuses what the writer would not have written, so no byte of a proof can change unnoticed.

class VerificationFailure extends Error {}

const BUNDLE_SIZE_MAX = 64 * 1024 * 1024;
const DEPTH_MAX = 24;
const UINT63_MAX = 2n ** 63n - 1n;
const utf8 = new TextEncoder();

function refuse(reason) {
  throw new VerificationFailure(reason);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// Whether the object has exactly these fields.
function hasFields(value, ...names) {
  return isObject(value) && Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name));
}

function sameBytes(left, right) {
  return left.length === right.length && left.every((byte, n) => byte === right[n]);
}

function joinBytes(...parts) {
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let start = 0;
  for (const part of parts) {
    joined.set(part, start);
    start += part.length;
  }
  return joined;
}

// `ignoreBOM` keeps a byte order mark in the text, where it is then refused.
function decodeUtf8(bytes, what) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse(`${what}: not UTF-8`);
  }
}

function canonicalText(value, depth = DEPTH_MAX) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    if (!value.isWellFormed()) refuse("canonical JSON: a string holds half of a surrogate pair");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    // JSON.parse rounds larger numbers without a word.
    if (!Number.isSafeInteger(value)) refuse(`canonical JSON: ${value} is not an integer below 2^53`);
    return String(value);
  }
  if (depth === 0) refuse(`canonical JSON: nested deeper than ${DEPTH_MAX}`);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalText(item, depth - 1)).join(",")}]`;
  // JSON.stringify(object) would list integer-like keys first, whatever their order.
  const fields = Object.keys(value).sort().map((key) => {
    if (!/^[\x00-\x7f]*$/.test(key)) refuse(`canonical JSON: key ${key} is not ASCII`);
    return `${JSON.stringify(key)}:${canonicalText(value[key], depth - 1)}`;
  });
  return `{${fields.join(",")}}`;
}

function encodeCanonical(value) {
  return utf8.encode(canonicalText(value));
}

// Counts nesting before the parser sees the bytes, so that no input decides how deep it recurses.
function checkDepth(bytes) {
  let depth = 0;
  let inString = false;
  for (let n = 0; n < bytes.length; n++) {
    const byte = bytes[n];
    if (inString) {
      if (byte === 0x5c) n++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > DEPTH_MAX) refuse(`not canonical JSON: nested deeper than ${DEPTH_MAX}`);
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
}

// The value whose canonical bytes these are. Duplicate keys, spaces, 1.0, -0 and unsorted keys all encode differently.
function decodeCanonical(bytes, what) {
  checkDepth(bytes);
  let value;
  try {
    value = JSON.parse(decodeUtf8(bytes, what));
  } catch (problem) {
    refuse(`${what}: not canonical JSON: ${problem.message}`);
  }
  if (!sameBytes(encodeCanonical(value), bytes)) refuse(`${what}: not canonical JSON`);
  return value;
}

function decodeCanonicalObject(bytes, what) {
  const value = decodeCanonical(bytes, what);
  return isObject(value) ? value : refuse(`${what}: expected a JSON object`);
}

// JSON that people edit: spacing and order are free, a repeated field and a float are not.
function parseEditedJson(bytes, what) {
  const text = decodeUtf8(bytes, what);
  checkDepth(bytes);
  try {
    const value = JSON.parse(text);
    const tokens = text.match(/"(?:[^"\\]|\\.)*"|[^\s"]+/g) ?? [];
    const compact = tokens.map((token) => (token[0] === '"' ? JSON.stringify(JSON.parse(token)) : token)).join("");
    if (compact !== JSON.stringify(value)) refuse("a field is there twice, or a number is not an integer");
    canonicalText(value);
    return value;
  } catch (problem) {
    return refuse(`${what}: ${problem.message}`);
  }
}

function formatBase64(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}

// `atob` takes blanks and missing padding, so the text is written again and compared.
function parseBase64(text, what, size = null) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    refuse(`${what}: not base64`);
  }
  if (formatBase64(bytes) !== text) refuse(`${what}: not base64 as RFC 4648 writes it`);
  if (size !== null && bytes.length !== size) refuse(`${what}: ${bytes.length} bytes, expected ${size}`);
  return bytes;
}

function formatHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function parseHex(text, what, size) {
  if (typeof text !== "string" || text.length !== 2 * size || !/^[0-9a-f]*$/.test(text)) {
    refuse(`${what}: not ${2 * size} lowercase hex digits`);
  }
  return Uint8Array.from({ length: size }, (_, n) => parseInt(text.slice(2 * n, 2 * n + 2), 16));
}

// Sizes have up to 63 bits: BigInt, never Number.
function parseDecimal(text, what) {
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) > UINT63_MAX) {
    refuse(`${what}: not a decimal below 2^63 without leading zeros`);
  }
  return BigInt(text);
}

async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joinBytes(...parts)));
}

async function digestOf(bytes) {
  return formatHex(await sha256(bytes));
}
