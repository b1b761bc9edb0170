"use strict";
// Signed notes, checkpoints, cosignatures, inclusion proofs and signed statements (ledger/proofs: note, checkpoint, cosign,
// policy, tree, proof, dsse).

const HASHES_MAX = 63;
const RECEIPT_HEADER = "c2sp.org/tlog-proof@v1";
const ED25519 = 1;
const COSIGNATURE = 4;
const SIGNATURE_LINE = "— ";
const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);
const SPKI_PREFIX = parseHex("302a300506032b6570032100", "SubjectPublicKeyInfo", 12);

// --- keys and signatures ---

async function publicKey(raw) {
  if (raw.length !== 32) refuse(`public key: ${raw.length} bytes, expected 32`);
  return { raw, id: await digestOf(joinBytes(SPKI_PREFIX, raw)) };
}

async function isSignedBy(key, signature, message) {
  try {
    const imported = await crypto.subtle.importKey("raw", key.raw, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
  } catch {
    return false; // 32 bytes that are no point of the curve, or a signature of another length
  }
}

async function checkSignature(key, signature, message) {
  if (!(await isSignedBy(key, signature, message))) refuse(`signature is not by key ${key.id.slice(0, 16)}`);
}

// --- notes (c2sp.org/signed-note) ---

function checkName(name) {
  if (!name || name.includes("+") || /[\s\x00-\x1f\x85]/u.test(name)) refuse(`key name ${name}: expected a name without spaces`);
  return name;
}

async function parseVkey(text, kind) {
  const [, name, id, encoded] = /^([^+]*)\+([^+]*)\+(.*)$/s.exec(text) ?? refuse("verifier key: expected name+id+key");
  const blob = parseBase64(encoded, "verifier key");
  if (blob[0] !== kind) refuse("verifier key: its type is not for this use");
  const key = await publicKey(blob.subarray(1));
  const vkey = { name: checkName(name), kind, key, id: await keyId(name, kind, key.raw) };
  return vkey.id === id ? vkey : refuse(`verifier key: its id is ${vkey.id}`);
}

async function keyId(name, kind, raw) {
  return formatHex((await sha256(utf8.encode(`${name}\n`), Uint8Array.of(kind), raw)).subarray(0, 4));
}

function parseNote(text) {
  if (utf8.encode(text).length > 1_000_000) refuse("note: longer than 1,000,000 bytes");
  if (/[\x00-\x09\x0b-\x1f]/.test(text)) refuse("note: contains a control character");
  const end = text.lastIndexOf("\n\n");
  if (end < 0 || !text.endsWith("\n") || end + 2 >= text.length) refuse("note: expected text, a blank line and signature lines");
  const lines = text.slice(end + 2, -1).split("\n");
  if (lines.length > 100) refuse(`note: ${lines.length} signatures, at most 100`);
  return { text: text.slice(0, end + 1), signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line) {
  const space = line.indexOf(" ", SIGNATURE_LINE.length);
  if (!line.startsWith(SIGNATURE_LINE) || space < 0) refuse("note: a line is not a signature line");
  const blob = parseBase64(line.slice(space + 1), "note signature");
  if (blob.length < 5) refuse("note: a signature is too short");
  const name = checkName(line.slice(SIGNATURE_LINE.length, space));
  return { name, id: formatHex(blob.subarray(0, 4)), value: blob.subarray(4) };
}

function parseCheckpoint(text) {
  const [origin, size, root, ...extensions] = text.slice(0, -1).split("\n");
  if (!origin || !size || !root || extensions.includes("")) refuse("checkpoint: expected origin, size and root, no line empty");
  return { origin, size: parseDecimal(size, "checkpoint size"), root: parseBase64(root, "checkpoint root", 32) };
}

// The log keys that signed the note. A line that names one of them and is not by it refuses the whole note.
async function noteSigners(note, origin, keys) {
  const signers = [];
  for (const line of note.signatures) {
    for (const key of keys) {
      if (line.name !== origin || line.id !== (await keyId(origin, ED25519, key.public.raw))) continue;
      await checkSignature(key.public, line.value, utf8.encode(note.text));
      if (!signers.includes(key)) signers.push(key);
    }
  }
  return signers;
}

// When each witness cosigned (c2sp.org/tlog-cosignature), by its name in the policy.
async function cosignatures(note, witnesses) {
  const times = new Map();
  for (const line of note.signatures) {
    const witness = witnesses.find(({ vkey }) => vkey.name === line.name && vkey.id === line.id);
    if (!witness) continue;
    if (line.value.length !== 72) refuse(`cosignature by ${line.name}: ${line.value.length} bytes, expected 72`);
    const time = new DataView(line.value.slice().buffer).getBigUint64(0);
    const message = utf8.encode(`cosignature/v1\ntime ${time}\n${note.text}`);
    if (time > UINT63_MAX || !(await isSignedBy(witness.vkey.key, line.value.subarray(8), message))) {
      refuse(`cosignature by ${line.name} is not on this checkpoint`);
    }
    times.set(witness.name, time);
  }
  return times;
}

// --- trees (RFC 9162 section 2.1.3.2) ---

async function leafHash(body) {
  return sha256(LEAF_PREFIX, body);
}

// Indexes are BigInt: `&` and `>>` on numbers are 32 bits wide.
async function checkInclusion(index, size, hash, hashes, root) {
  let node = BigInt(index);
  let last = BigInt(size) - 1n;
  if (node < 0n || node > last) refuse(`leaf ${index} is not in a tree of ${size}`);
  let result = hash;
  for (const sibling of hashes) {
    if (last === 0n) refuse(`leaf ${index} of ${size}: the proof has more hashes than the path`);
    if (node & 1n || node === last) {
      result = await sha256(NODE_PREFIX, sibling, result);
      while (node && !(node & 1n)) {
        node >>= 1n;
        last >>= 1n;
      }
    } else result = await sha256(NODE_PREFIX, result, sibling);
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) refuse(`leaf ${index} of ${size}: the proof has fewer hashes than the path`);
  if (!sameBytes(result, root)) refuse(`leaf ${index} of ${size}: its proof leads to another root`);
}

// --- receipts (c2sp.org/tlog-proof) that carry their leaf ---

function parseReceipt(text) {
  const end = text.indexOf("\n\n");
  if (end < 0 || !/^[\x00-\x7f]*$/.test(text.slice(0, end))) refuse("proof: expected lines, a blank line and a checkpoint");
  const [header, extra, index, ...hashes] = text.slice(0, end).split("\n");
  if (header !== RECEIPT_HEADER) refuse(`proof: expected ${RECEIPT_HEADER}`);
  if (!extra?.startsWith("extra ")) refuse("receipt: its leaf does not stand in it as extra data");
  if (!index?.startsWith("index ") || hashes.length > HASHES_MAX) refuse("proof: no index line, or too many hashes");
  const entry = {
    index: Number(parseDecimal(index.slice(6), "proof index")),
    leaf: decodeLeaf(parseBase64(extra.slice(6), "proof extra")),
    proof: hashes.map((hash) => formatHex(parseBase64(hash, "proof hash", 32))),
  };
  return { v: 1, kind: "entry", checkpoint: text.slice(end + 2), keys: [], entry, statement: null };
}

// --- signed statements (DSSE 1.0.2) ---

// The bytes that are signed; lengths count bytes, not characters.
function preAuthEncoding(payloadType, payload) {
  const type = utf8.encode(payloadType);
  return joinBytes(utf8.encode(`DSSEv1 ${type.length} `), type, utf8.encode(` ${payload.length} `), payload);
}

function parseEnvelope(document) {
  const { payload, payloadType, signatures } = document;
  if (!hasFields(document, "payload", "payloadType", "signatures") || typeof payload !== "string" ||
      typeof payloadType !== "string" || !Array.isArray(signatures)) {
    refuse("statement: expected payload, payloadType and signatures");
  }
  return {
    payloadType,
    payload: parseBase64(payload, "statement payload"),
    signatures: signatures.map((item) => {
      if (!hasFields(item, "keyid", "sig") || typeof item.keyid !== "string" || typeof item.sig !== "string") {
        refuse("statement: a signature is an object of keyid and sig");
      }
      return { keyid: item.keyid, sig: parseBase64(item.sig, "statement signature") };
    }),
  };
}

// Which of these keys signed. One that is named but did not sign refuses the whole statement.
async function statementSigners(envelope, keys) {
  const message = preAuthEncoding(envelope.payloadType, envelope.payload);
  const signers = [];
  for (const { keyid, sig } of envelope.signatures) {
    const key = keys.find((candidate) => candidate.public.id === keyid);
    if (!key) continue;
    await checkSignature(key.public, sig, message);
    signers.push(key);
  }
  return signers;
}
