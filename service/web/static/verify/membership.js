"use strict";
// Whether a recording is in the training list that a model's operator committed to (ledger/registry: membership, sparse, manifest).

const SPARSE_DEPTH = 256;
const EMPTY_SUBTREE = new Uint8Array(32);
const ORDER_UNCHECKED =
  "the order of the list was not checked: its root is of release 0.1, where absence rests on the operator having " +
  "sorted it (V4)";
const REGISTERED_UNCHECKED = "whether the id is a registered recording was not checked: the bundle is of release 0.1";

async function checkMembership(examination, document) {
  const isOfRelease01 = Object.hasOwn(document, "proof");
  let manifest, name;
  await examination.step("the model is in the tree", async () => {
    checkFields(document, isOfRelease01 ? ["model", "proof"] : ["model", "asked", "recordings"]);
    const placed = parsePlaced(document.model, "model");
    const model = await examination.included(placed);
    manifest = await readManifest(placed);
    name = `${model.id}@${model.version}`;
    return `leaf ${placed.index}: model ${name}, ${manifest.size} recordings, root ${manifest.root}`;
  });
  const proofs = isOfRelease01 ? [document.proof] : await checkRecordings(examination, document);
  const shown = new Map();
  await examination.step("the manifest proof leads to the model's training root", async () => {
    for (const proof of proofs) shown.set(proof?.recording, await (manifest.v === 1 ? isInSortedList : isInSparseTree)(proof, manifest));
    const said = [...shown].map(([recording, member]) => `${recording} is ${member ? "" : "not "}in the list that the operator committed for ${name}`);
    examination.proved.push(said.join("; "));
    return said.join("; ");
  });
  if (manifest.v === 1 && [...shown.values()].includes(false)) examination.cautions.push(ORDER_UNCHECKED);
  if (isOfRelease01) examination.cautions.push(REGISTERED_UNCHECKED);
  else if (!shown.has(document.asked)) examination.unchecked.push(`whether other recordings bear ISRC ${document.asked}: the bundle shows ${shown.size}`);
  examination.unchecked.push(
    "whether the operator trained on what was registered: the proof is about the registered list",
    `whether another leaf registers ${name} too: the first one counts, and \`settle registry audit\` names others`,
    "who signed the leaves of the model and the recordings: `settle registry audit` checks it",
  );
}

async function readManifest({ index, leaf }) {
  if (leaf.type !== "model" || !isObject(leaf.manifest)) refuse(`leaf ${index} is not a model with a training manifest`);
  const { v = 1, root, size } = leaf.manifest;
  if (![1, 2].includes(v)) refuse(`leaf ${index}: a manifest of version ${v}; this page reads 1 and 2`);
  if (!isText(root) || !isSize(size)) refuse(`leaf ${index}: its manifest has no root or no size`);
  const empty = formatHex(v === 1 ? await sha256() : EMPTY_SUBTREE);
  return size === 0 && root !== empty ? refuse(`leaf ${index}: an empty manifest with another root than the empty tree's`) : { v, root, size };
}

// The proofs, once each is shown to be about a registered recording that bears the id or the ISRC asked for.
async function checkRecordings(examination, { asked, recordings }) {
  const places = new Map();
  await examination.step("what was asked for is a registered recording", async () => {
    if (!isText(asked) || !Array.isArray(recordings) || !recordings.length) refuse("asked is a text, recordings a list of at least one");
    for (const [n, recording] of recordings.entries()) {
      if (!hasFields(recording, "leaf", "proof") || !isObject(recording.proof)) refuse(`recording ${n}: expected an object of leaf and proof`);
      const placed = parsePlaced(recording.leaf, `recording ${n}`);
      const { type, id, isrc } = await examination.included(placed);
      if (type !== "recording" || !isText(id)) refuse(`leaf ${placed.index} registers no recording`);
      if (asked !== id && asked !== isrc) refuse(`leaf ${placed.index} registers ${id}, and ${asked} is not its id nor its ISRC`);
      if (recording.proof.recording !== id || places.has(id)) refuse(`leaf ${placed.index} registers ${id}; its proof is about another recording`);
      places.set(id, placed.index);
    }
    return [...places].map(([id, index]) => `${id} at leaf ${index}`).join(", ");
  });
  return recordings.map(({ proof }) => proof);
}

// Whether the id is in the set with this root; the bits of its SHA-256 lead to its place, the highest first.
async function isInSparseTree(proof, { root }) {
  const { recording, member, path, end } = proof ?? {};
  if (!hasFields(proof, "recording", "member", "path", "end") || !isText(recording) || typeof member !== "boolean" ||
      !Array.isArray(path) || path.length > SPARSE_DEPTH) {
    refuse("manifest proof: expected recording, member, path and end");
  }
  const place = await sha256(utf8.encode(recording));
  const terminal = end === null ? null : parseHex(end, "manifest proof end", 32);
  const bit = (bytes, depth) => (bytes[depth >> 3] >> (7 - (depth & 7))) & 1;
  if ((terminal !== null && sameBytes(terminal, place)) !== member) refuse(`manifest proof: it does not show whether ${recording} is in the list`);
  if (terminal !== null && path.some((_, depth) => bit(terminal, depth) !== bit(place, depth))) {
    refuse(`manifest proof: it ends at another place than that of ${recording}`);
  }
  let hash = terminal === null ? EMPTY_SUBTREE : await leafHash(terminal);
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const sibling = parseHex(path[depth], "manifest proof path", 32);
    hash = await (bit(place, depth) ? sha256(NODE_PREFIX, sibling, hash) : sha256(NODE_PREFIX, hash, sibling));
  }
  return sameBytes(hash, parseHex(root, "manifest root", 32)) ? member : refuse("manifest proof: its path does not lead to the training root");
}

// The same under a root of release 0.1: its own leaf, or the two neighbours between which the id would stand.
async function isInSortedList(proof, { root, size }) {
  const { recording, member, leaves } = proof ?? {};
  if (!isObject(proof) || !isText(recording) || typeof member !== "boolean" || !Array.isArray(leaves)) {
    refuse("manifest proof: expected recording, member and leaves");
  }
  for (const leaf of leaves) {
    if (!hasFields(leaf, "index", "id", "path") || !Number.isSafeInteger(leaf.index) || !isText(leaf.id) || !Array.isArray(leaf.path)) {
      refuse("manifest proof: a leaf has index, id and path");
    }
    const path = leaf.path.map((hash) => parseHex(hash, "manifest proof path", 32));
    await checkInclusion(leaf.index, size, await leafHash(utf8.encode(leaf.id)), path, parseHex(root, "manifest root", 32));
  }
  const smaller = leaves.filter(({ id }) => compareText(id, recording) < 0);
  const larger = leaves.filter(({ id }) => compareText(id, recording) > 0);
  if (member) return leaves.length === 1 && leaves[0].id === recording ? true : refuse(`manifest proof: it does not show ${recording}`);
  if (smaller.length + larger.length !== leaves.length || smaller.length > 1 || larger.length > 1) {
    refuse(`manifest proof: its leaves do not enclose ${recording}`);
  }
  const [left, right] = [smaller[0]?.index ?? -1, larger[0]?.index ?? size];
  return right === left + 1 ? false : refuse(`manifest proof: leaves ${left} and ${right} are not neighbours`);
}
