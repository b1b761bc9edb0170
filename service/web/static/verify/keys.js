"use strict";
// What the visitor trusts, and which key counts at which size (ledger/proofs: trust, policy, keyring, leaf).

const ROLES = ["log", "attribution", "platform", "operator", "approver", "holder"];
const ADDED_BY_OPERATOR = ["attribution", "platform", "holder"];
const LEAF_SIZE_MAX = 65_535;
const LEAF_PAYLOAD_TYPE = "application/vnd.settle.leaf+json";
const KEY_LEAF_FIELDS = ["v", "type", "at", "action", "key", "sig"];
const KEY_ACTIONS = {
  rotate: [...KEY_LEAF_FIELDS, "role", "party", "public", "until"],
  add: [...KEY_LEAF_FIELDS, "role", "party", "public"],
  revoke: [...KEY_LEAF_FIELDS, "revokes", "until"],
};
const PIN_FIELDS = ["size", "root"];  // of the leaf that ends a log key; leaves of release 0.1 lack them

function isSize(value) {
  return Number.isSafeInteger(value) && value >= 0;
}

// --- trust.json ---

async function parseTrust(bytes) {
  const document = parseEditedJson(bytes, "trust file");
  if (!hasFields(document, "v", "type", "logs", "policy") || ![1, 2].includes(document.v) || document.type !== "trust" ||
      !Array.isArray(document.logs) || !Array.isArray(document.policy)) {
    refuse('trust file: expected {"v": 2, "type": "trust", "logs": [...], "policy": [...]}');
  }
  const logs = await Promise.all(document.logs.map(parseTrustedLog));
  if (!logs.length || new Set(logs.map((log) => log.origin)).size !== logs.length) {
    refuse("trust file: each log stands once, and there is at least one");
  }
  return { logs, policy: await parsePolicy(document.policy) };
}

async function parseTrustedLog(document) {
  const { form = null, ...fields } = isObject(document) ? document : {};
  if (!hasFields(fields, "origin", "keys") || typeof document.origin !== "string" || !Array.isArray(document.keys) ||
      !(form === null || isSize(form))) {
    refuse("trust file: a log is an object of origin, keys and at most form");
  }
  const keys = await Promise.all(document.keys.map((key) => parseTrustedKey(checkName(document.origin), key)));
  const ids = new Set(keys.map((key) => key.public.id));
  if (!keys.some((key) => key.role === "log") || ids.size !== keys.length) {
    refuse(`trust file: log ${document.origin}: expected a key of role log, and no key twice`);
  }
  return { origin: document.origin, keys, form };
}

async function parseTrustedKey(origin, document) {
  const { role, party, from = 0, until = null, since = null, root = null, ...key } = isObject(document) ? document : {};
  const isLogKey = role === "log";
  if (!hasFields(key, isLogKey ? "vkey" : "public") || !ROLES.includes(role) || typeof party !== "string" || !party ||
      !isSize(from) || !(until === null || isSize(until)) || !(since === null || (isSize(since) && until !== null)) ||
      !(root === null || (isLogKey && until !== null))) {
    refuse("trust file: a key is an object of role, party, public or vkey, and at most from, until, since and root");
  }
  const counts = { start: from, until, since, root: root === null ? null : parseHex(root, "trust file: root", 32), by: null };
  if (!isLogKey) return { role, party, public: await publicKey(parseHex(key.public, "public key", 32)), ...counts };
  const vkey = typeof key.vkey === "string" ? await parseVkey(key.vkey, ED25519) : refuse("trust file: vkey is a text");
  if (vkey.name !== origin) refuse(`trust file: log ${origin} has a key of ${vkey.name}`);
  return { role, party, public: vkey.key, ...counts };
}

// --- the witness policy (c2sp.org/tlog-policy) ---

async function parsePolicy(lines) {
  const policy = { witnesses: [], groups: [], quorum: null };
  const names = new Set();
  const members = new Set();
  const define = (name) => (name === "none" || names.has(name) ? refuse(`policy: the name ${name} is taken`) : names.add(name));
  if (lines.length > 999) refuse("policy: more than 1,000 lines");
  for (const line of lines) {
    if (typeof line !== "string" || /[\x00-\x08\x0a-\x1f\x7f]/.test(line)) refuse("policy: is a list of lines");
    const words = line.split(/[ \t]+/).filter(Boolean);
    if (!words.length || words[0].startsWith("#")) continue;
    const [kind, name, argument, ...others] = words;
    if (kind === "witness" && argument && others.length <= 1) {
      const vkey = await parseVkey(argument, COSIGNATURE);
      if (policy.witnesses.some((other) => other.vkey.key.id === vkey.key.id)) refuse("policy: two witnesses have one key");
      define(name);
      policy.witnesses.push({ name, vkey });
    } else if (kind === "group" && others.length) {
      for (const member of others) {
        if (!names.has(member) || members.has(member)) refuse(`policy: ${member} is not defined above, or is a member already`);
        members.add(member);
      }
      const number = /^[1-9][0-9]{0,3}$/.test(argument) ? Number(argument) : 0;
      const threshold = { any: 1, all: others.length }[argument] ?? number;
      if (threshold < 1 || threshold > others.length) refuse(`policy: group ${name}: threshold ${argument}`);
      define(name);
      policy.groups.push({ name, threshold, members: others });
    } else if (kind === "quorum" && words.length === 2 && policy.quorum === null) {
      if (name !== "none" && !names.has(name)) refuse(`policy: quorum ${name} is not defined above`);
      policy.quorum = name;
    } else refuse(`policy: ${line.slice(0, 80)} is not a line of a policy, or one too many`);
  }
  return policy.quorum === null ? refuse("policy: no quorum line") : policy;
}

function isQuorumReached(policy, cosigned) {
  const met = new Map(policy.witnesses.map(({ name }) => [name, cosigned.has(name)]));
  for (const group of policy.groups) {
    met.set(group.name, group.members.filter((member) => met.get(member)).length >= group.threshold);
  }
  return policy.quorum === "none" || met.get(policy.quorum);
}

// --- leaves ---

function checkLeaf(leaf, size) {
  if (!isObject(leaf) || leaf.v !== 1 || typeof leaf.type !== "string" || !/^[a-z][a-z0-9-]{0,31}$/.test(leaf.type)) {
    refuse("leaf: expected version 1 and a type in lowercase");
  }
  return size <= LEAF_SIZE_MAX ? leaf : refuse(`leaf: ${size} bytes, at most ${LEAF_SIZE_MAX}`);
}

function decodeLeaf(body) {
  return checkLeaf(decodeCanonicalObject(body.subarray(0, LEAF_SIZE_MAX + 1), "leaf"), body.length);
}

// A leaf with its place in the tree, as bundles show it. Nothing of it is proven yet.
function parsePlaced(document, what) {
  if (!hasFields(document, "index", "leaf", "proof") || !isSize(document.index) || !isObject(document.leaf) ||
      !Array.isArray(document.proof) || document.proof.length > HASHES_MAX) {
    refuse(`${what}: expected an object of index, leaf and proof`);
  }
  const body = encodeCanonical(document.leaf);
  checkLeaf(document.leaf, body.length);
  return { index: document.index, leaf: document.leaf, body, hashes: document.proof.map((hash) => parseHex(hash, `${what}: proof`, 32)) };
}

async function checkLeafSignature(leaf, key) {
  // Rest properties keep a `__proto__` field of parsed JSON; assignment to a new object would not.
  const { key: keyId, sig, ...unsigned } = leaf;
  if (keyId !== key.id || typeof sig !== "string") refuse(`${leaf.type} leaf names another key than ${key.id.slice(0, 16)}`);
  const message = preAuthEncoding(LEAF_PAYLOAD_TYPE, encodeCanonical(unsigned));
  await checkSignature(key, parseBase64(sig, "leaf signature"), message);
}

// --- which key counts at which size ---

function countsAt(key, size) {
  return key.start <= size && (key.until === null || size <= key.until);
}

function countsForLeaf(key, index) {
  return countsAt(key, index + 1) || (key.start <= index + 1 && key.since !== null && index < key.since);
}

// Whether a key has an end, or was brought in by one of which the trust file says so.
function hasRetired(key, ring, trusted) {
  let first = key;
  while (first && first.by !== null) first = findKey(ring, first.by);
  return key.until !== null || !first || trusted.some((other) => other.until !== null && other.public.id === first.public.id);
}

function describeKey(key) {
  const start = key.start ? ` from size ${key.start}` : "";
  const until = key.until === null ? "" : ` up to size ${key.until}`;
  return `${key.role} key ${key.public.id.slice(0, 16)} of ${key.party}${start || until ? `, which counts${start}${until}` : ""}`;
}

function findKey(ring, id) {
  return ring.find((key) => key.public.id === id) ?? null;
}

// --- the line from which on signed leaves name their log (form 2) ---

const FORM_FIELDS = ["v", "type", "at", "form", "size", "root", "signed_for", "key", "sig"];

// Refuses a leaf that was signed for another log, or for none although it stands after the line.
function checkForm(line, index, leaf) {
  const named = leaf.signed_for ?? null;
  if (named !== null && named !== line.origin) refuse(`it was signed for log ${named}, not for ${line.origin}`);
  if (named === null && line.index !== null && index >= line.index) refuse("it does not say for which log it was signed");
}

async function lineAfterLeaf(line, ring, index, leaf) {
  const signer = findKey(ring, leaf.key);
  if (!signer || signer.role !== "operator" || !countsForLeaf(signer, index)) refuse(`form leaf ${index}: not signed by the operator`);
  await checkLeafSignature(leaf, signer.public);
  checkForm(line, index, leaf);
  if (!hasFields(leaf, ...FORM_FIELDS) || leaf.form !== 2 || leaf.size !== index) refuse(`form leaf ${index}: not a leaf that draws the line`);
  if (line.index !== null && line.index !== index) refuse(`the line is drawn at entry ${line.index} already`);
  return { ...line, index };
}

// The keys, and the line, after these leaves, each of which must be signed by a key entitled to it.
async function keysAfter(trusted, line, leaves) {
  let ring = trusted;
  let last = -1;
  for (const { index, leaf } of leaves) {
    if (index <= last) refuse(`key leaf ${index} does not come after key leaf ${last}`);
    if (leaf.type === "form") line = await lineAfterLeaf(line, ring, index, leaf);
    else ring = await keysAfterLeaf(ring, line, index, leaf);
    last = index;
  }
  return { ring, line };
}

async function keysAfterLeaf(ring, line, index, leaf) {
  const where = `key leaf ${index}`;
  const pin = leaf.action !== "add" && PIN_FIELDS.every((name) => Object.hasOwn(leaf, name)) ? PIN_FIELDS : [];
  const forLog = Object.hasOwn(leaf, "signed_for") ? ["signed_for"] : [];
  const fields = Object.hasOwn(KEY_ACTIONS, leaf.action) ? [...KEY_ACTIONS[leaf.action], ...pin, ...forLog] : [];
  if (leaf.type !== "key" || !hasFields(leaf, ...fields)) refuse(`${where}: not a leaf that adds, rotates or revokes a key`);
  const signer = findKey(ring, leaf.key);
  if (!signer || index + 1 < signer.start) refuse(`${where}: its signer is not known or does not count at ${index + 1}`);
  await checkLeafSignature(leaf, signer.public);
  checkForm(line, index, leaf);
  const after = leaf.action === "revoke" ? ringAfterRevocation(ring, where, index, signer, leaf) : await ringAfterKey(ring, where, index, signer, leaf);
  const changed = after.length !== ring.length || after.some((key, n) => key.until !== ring[n].until);
  return changed && !countsForLeaf(signer, index) ? refuse(`${where}: its signer does not count at ${index + 1}`) : after;
}

async function ringAfterKey(ring, where, index, signer, leaf) {
  const { role, party, action, until } = leaf;
  if (!ROLES.includes(role) || typeof party !== "string" || !party) refuse(`${where}: role ${role} of party ${party}`);
  const key = { role, party, public: await publicKey(parseHex(leaf.public, `${where}: public`, 32)), start: index + 1, until: null, since: null, root: null, by: signer.public.id };
  const existing = findKey(ring, key.public.id);
  if (existing && (existing.role !== role || existing.party !== party)) refuse(`${where}: the key has another role or party already`);
  const added = existing ? [] : [key];
  if (action === "add") {
    checkEntitled(where, signer, role);
    return [...ring, ...added];
  }
  if (signer.role !== role || signer.party !== party) refuse(`${where}: rotates a key to another role or party`);
  const root = pinnedRoot(where, index, signer, leaf);
  if (!isSize(until) || (until < index + 1 && !(root !== null && until === index))) {
    refuse(`${where}: the old key retires before the size of its last act`);
  }
  return [...retire(ring, signer, until, index, root), ...added];
}

function ringAfterRevocation(ring, where, index, signer, leaf) {
  const key = findKey(ring, leaf.revokes) ?? refuse(`${where}: revokes a key that is not known`);
  checkEntitled(where, signer, key.role);
  const root = pinnedRoot(where, index, key, leaf);
  return isSize(leaf.until) ? retire(ring, key, leaf.until, index, root) : refuse(`${where}: until is not a size`);
}

// The root that the leaf states of the tree before it, with which a log key ends.
function pinnedRoot(where, index, ended, leaf) {
  if (!Object.hasOwn(leaf, "root")) return null;
  const root = parseHex(leaf.root, `${where}: root`, 32);
  if (ended.role !== "log") refuse(`${where}: only the end of a log key states size and root`);
  if (leaf.size !== index || !isSize(leaf.until) || leaf.until > index) refuse(`${where}: a log key ends at ${index} at the latest`);
  return root;
}

function checkEntitled(where, signer, role) {
  if (signer.role !== role && !(signer.role === "operator" && ADDED_BY_OPERATOR.includes(role))) {
    refuse(`${where}: a ${signer.role} key may not speak for the role ${role}`);
  }
}

// Never later than the key was to retire anyway. `root` is that of the tree before the leaf.
function retire(ring, key, until, index, root) {
  if (key.until !== null && key.until <= until) return ring;
  const given = key.until === null ? index : key.until;
  const since = key.since === null ? given : Math.min(given, key.since);
  return ring.map((other) => (other === key ? { ...key, until, since, root: until === index ? root : null } : other));
}
