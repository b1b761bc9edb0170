"use strict";
// The numbered steps of a check, in the order and the words of `settle verify` (ledger/proofs/verify.py).

const VECTOR_PAYLOAD_TYPE = "application/vnd.settle.influence-vector+json";
const BATCH_PAYLOAD_TYPE = "application/vnd.settle.batch+json";
const SIGNS_VECTORS = ["attribution", "platform", "operator"];
const EVENT_BODY = ["source", "event_id", "track", "occurred_at", "territory", "units", "product", "gross_micros", "currency"];
const ONLY_ON_THE_COMMAND_LINE = ["claim"];
const SMALL_BUNDLE = 65_536;  // brackets, commas or keys that any bundle may have
const BUNDLE_VERSIONS = { run: [1, 2], statement: [1, 2] };  // of all other kinds version 1 alone

class Examination {
  steps = [];
  unchecked = [];
  cautions = [];  // what the verdict's own line must say beside OK
  proved = [];
  platform = null;

  // Records one step. A failure inside it ends the examination: later steps would rest on it.
  async step(name, check) {
    const step = { n: this.steps.length + 1, name, ok: false, detail: "" };
    this.steps.push(step);
    try {
      step.detail = (await check()) ?? "";
    } catch (problem) {
      step.detail = problem.message;
      throw problem;
    }
    step.ok = true;
  }

  async included({ index, body, hashes, leaf }) {
    await checkInclusion(index, this.checkpoint.size, await leafHash(body), hashes, this.checkpoint.root);
    return leaf;
  }

  // The payload of a statement with this digest, and the key of these roles that signed it and counts at this size.
  async statement(document, digest, payloadType, size, roles) {
    if (!isObject(document)) refuse("the statement is missing from the bundle");
    const actual = await digestOf(encodeCanonical(document));
    if (actual !== digest) refuse(`the statement has digest ${actual}; the leaf names ${digest}`);
    const envelope = parseEnvelope(document);
    const signers = await statementSigners(envelope, this.ring.filter((key) => roles.includes(key.role)));
    if (payloadType !== null && envelope.payloadType !== payloadType) refuse(`the statement is a ${envelope.payloadType}`);
    // A platform's signature must stand to this day; others count if nobody could know of their end then.
    const counts = (key) => (key.role === "platform" ? countsAt(key, size) : countsForLeaf(key, size - 1));
    const key = this.ring.find((candidate) => signers.includes(candidate) && counts(candidate));
    return key ? { envelope, key } : refuse(`the statement is not signed by a ${roles.join(" or ")} key that counts at ${size}`);
  }

  async author(leaf, index, role) {
    const key = findKey(this.ring, leaf.key);
    if (!key || key.role !== role || !countsForLeaf(key, index)) refuse(`not signed by a key of role ${role} that counts at ${index + 1}`);
    await checkLeafSignature(leaf, key.public);
    checkForm(this.line, index, leaf);
    return key;
  }
}

// Never throws for anything that the bundle or the trust file holds.
async function verifyBundle(bytes, trust) {
  const examination = new Examination();
  let document = {};
  try {
    await examination.step("the bundle is one canonical document of a known kind", async () => {
      document = parseBundle(bytes);
      if (!Object.hasOwn(KINDS, document.kind)) refuse(`kind ${document.kind} is not known here`);
      return `${document.kind}, ${bytes.length} bytes, SHA-256 ${await digestOf(bytes)}`;
    });
    await checkCommon(examination, document, trust);
    await KINDS[document.kind](examination, document);
  } catch (problem) {
    if (!(problem instanceof VerificationFailure)) throw problem;
    examination.unchecked.push("everything after the step that failed");
  }
  const { steps, unchecked, cautions, proved, platform } = examination;
  const common = { kind: document.kind ?? null, steps, unchecked };
  const ok = steps.every((step) => step.ok);
  return ok ? { ok, ...common, cautions, proved, platform } : { ok, ...common, cautions: [], proved: [], platform: null };
}

function versionsOf(kind) {
  return Object.hasOwn(BUNDLE_VERSIONS, kind) ? BUNDLE_VERSIONS[kind] : [1];
}

// Every value costs time and memory for a few bytes, and all are read before any signature can be checked.
function checkDensity(bytes) {
  let [brackets, commas, keys] = [0, 0, 0];
  for (let n = 0; n < bytes.length; n++) {
    if (bytes[n] === 0x7b || bytes[n] === 0x5b) brackets++;
    else if (bytes[n] === 0x2c) commas++;
    else if (bytes[n] === 0x22 && bytes[n + 1] === 0x3a) keys++;
  }
  if (brackets > SMALL_BUNDLE + Math.floor(bytes.length / 16) || commas > SMALL_BUNDLE + Math.floor(bytes.length / 8) || keys > SMALL_BUNDLE + 64 * brackets) {
    refuse(`bundle: more values than ${bytes.length} bytes of a bundle have`);
  }
}

function parseDocument(bytes) {
  if (bytes.length > BUNDLE_SIZE_MAX) refuse(`bundle: ${bytes.length} bytes, at most ${BUNDLE_SIZE_MAX}`);
  checkDensity(bytes);
  const header = utf8.encode(RECEIPT_HEADER);
  if (sameBytes(bytes.subarray(0, header.length), header)) return parseReceipt(decodeUtf8(bytes, "receipt"));
  return decodeCanonicalObject(bytes, "bundle");
}

function parseBundle(bytes) {
  const document = parseDocument(bytes);
  if (!versionsOf(document.kind).includes(document.v) || typeof document.kind !== "string" || typeof document.checkpoint !== "string" || !Array.isArray(document.keys)) {
    refuse("bundle: expected kind, checkpoint and keys, and v 1 (of a run or a statement 1 or 2)");
  }
  return document;
}

// Why this page cannot check a bundle that `settle verify` may: its kind or its version; null for any other.
function needsCommandLine(bytes) {
  try {
    const { kind, v } = parseDocument(bytes);
    if (ONLY_ON_THE_COMMAND_LINE.includes(kind)) return `a bundle of kind ${kind}`;
    return Object.hasOwn(KINDS, kind) && !versionsOf(kind).includes(v) ? `a bundle of kind ${kind}, version ${v}` : null;
  } catch {
    return null;
  }
}

function checkFields(document, required, optional = []) {
  const present = optional.filter((name) => Object.hasOwn(document, name));
  if (!hasFields(document, "v", "kind", "checkpoint", "keys", ...required, ...present)) refuse(`bundle of kind ${document.kind}: a field is missing or does not belong`);
}

async function checkCommon(examination, document, trust) {
  let note, trusted, leaves;
  await examination.step("the checkpoint is of a trusted log", () => {
    note = parseNote(document.checkpoint);
    examination.checkpoint = parseCheckpoint(note.text);
    const { origin, size } = examination.checkpoint;
    const log = trust.logs.find((other) => other.origin === origin) ?? refuse(`the checkpoint is of log ${origin}, which you do not trust`);
    trusted = log.keys;
    examination.trusted = { ring: log.keys, line: { origin, index: log.form } };
    return `log ${origin}, size ${size}`;
  });
  const { origin, size } = examination.checkpoint;
  await examination.step("later keys follow from the trusted keys", async () => {
    leaves = document.keys.map((item, n) => parsePlaced(item, `key leaf ${n}`));
    examination.keyLeaves = leaves;
    Object.assign(examination, await keysAfter(trusted, examination.trusted.line, leaves));
    return `${counted(trusted.length, "trusted key")}, ${counted(leaves.length, "key leaf", "key leaves")}`;
  });
  await examination.step("the checkpoint is signed by a log key that counts at its size", async () => {
    const logKeys = examination.ring.filter((key) => key.role === "log");
    const signers = await noteSigners(note, origin, logKeys);
    const counting = logKeys.filter((candidate) => signers.includes(candidate) && countsAt(candidate, size));
    if (!counting.length) refuse(`the checkpoint has size ${size} and no log key that counts there signed it`);
    const current = counting.find((candidate) => !hasRetired(candidate, examination.ring, trusted));
    if (current) return describeKey(current);
    // A signature bears no date: a retired key is believed for the tree with which it ended (finding V6).
    const [key] = counting;
    if (key.root === null || BigInt(key.until) !== size) {
      refuse("retired log key: only `settle verify --log` with a newer export of the log can check this (finding V6)");
    }
    return sameBytes(key.root, examination.checkpoint.root) ? describeKey(key) : refuse("retired log key: it ended with another tree (finding V6)");
  });
  await examination.step("enough witnesses cosigned the checkpoint", async () => {
    const times = await cosignatures(note, trust.policy.witnesses);
    const { quorum } = trust.policy;
    if (!isQuorumReached(trust.policy, times)) refuse(`quorum '${quorum}' is not reached; cosigned by ${[...times.keys()].join(", ") || "nobody"}`);
    const named = trust.policy.witnesses.filter(({ name }) => times.has(name)).map(({ name }) => `${name} at ${formatPosix(times.get(name))}`);
    if (quorum !== "none") return `quorum '${quorum}' reached by ${named.join(", ")}`;
    examination.unchecked.push("whether others see the same log: trust.json asks for no witnesses");
    return "none asked for";
  });
  await examination.step("the key leaves are in the tree", async () => {
    for (const leaf of leaves) await examination.included(leaf);
    return `${counted(leaves.length, "key leaf", "key leaves")} under root ${formatHex(examination.checkpoint.root)}`;
  });
  if (examination.line.index === null) {
    examination.unchecked.push("for which log its signed leaves were signed: trust.json names no line from which on each must say so");
  }
  examination.unchecked.push(
    "whether a key was retired by a leaf that this bundle leaves out: compare trust.json with the newest published",
    "whether what was recorded is true: the log proves what was recorded, in which order and by whom it was signed",
  );
}

async function checkEvent(examination, document) {
  let index, event;
  await examination.step("the event is in the tree", async () => {
    checkFields(document, ["event", "vector", "evidence", "assign"], ["signed"]);
    const placed = parsePlaced(document.event, "event");
    index = placed.index;
    event = await examination.included(placed);
    if (event.type !== "event" || !("vector" in event) || typeof event.track !== "string") refuse(`leaf ${index} is not an event`);
    const brings = document.vector !== null || document.evidence !== null;
    if (event.vector === null && document.assign === null && brings) refuse("the event has no vector, and the bundle brings one");
    examination.proved.push(
      `${counted(event.units, "unit")} of track ${event.track}, reported by ${event.source} for ${event.occurred_at} ` +
        `as ${event.event_id}, ${event.units === 1 ? "is" : "are"} in the log`,
    );
    return `leaf ${index}: event ${event.event_id} of ${event.source}, track ${event.track}`;
  });
  examination.platform = "unsigned";
  if (document.signed != null) await checkPlatform(examination, event, document.signed);
  else examination.unchecked.push("whether the platform reported this event: nothing here is signed by it");
  let digest = event.vector;
  let size = index + 1;
  if (document.assign !== null) {
    [digest, size] = await checkAssignment(examination, document.assign, event.track, event.vector, index);
  } else if (digest !== null) {
    examination.unchecked.push("who assigned the vector: the event names it, and no assignment is in the bundle");
  } else {
    examination.unchecked.push("which vector the event pays by: it has none here");
    return;
  }
  await checkVector(examination, document.vector, document.evidence, event.track, digest, size);
}

async function checkPlatform(examination, event, signed) {
  let batch, signer;
  await examination.step("the platform signed the event", async () => {
    if (!hasFields(signed, "batch", "statement", "source", "place", "proof") || !Number.isSafeInteger(signed.place) ||
        !Array.isArray(signed.proof) || signed.proof.length > HASHES_MAX) {
      refuse("signed: expected an object of batch, statement, source, place and proof");
    }
    const hashes = signed.proof.map((hash) => parseHex(hash, "signed: proof", 32));
    const placed = parsePlaced(signed.batch, "batch");
    const sourcePlaced = parsePlaced(signed.source, "source");
    const leaf = await examination.included(placed);
    const { v, type, at, party, signer: signerId, statement, bodies, ...said } = leaf;
    if (type !== "batch") refuse(`a ${type} leaf takes no batch into the log`);
    const { envelope, key } = await examination.statement(signed.statement, statement, BATCH_PAYLOAD_TYPE, placed.index + 1, ["platform"]);
    const { v: version, type: kind, ...stated } = decodeCanonicalObject(envelope.payload, "batch");
    [batch, signer] = [stated, key];
    checkBatch(batch);
    if (version !== 1 || kind !== "batch" || canonicalText(batch) !== canonicalText(said) || key.party !== party || key.public.id !== signerId) {
      refuse(`batch leaf ${placed.index} says otherwise than the statement that it names`);
    }
    if (batch.source !== event.source) refuse(`batch leaf ${placed.index} is of source ${batch.source}, not ${event.source}`);
    if (batch.log !== undefined && batch.log !== examination.checkpoint.origin) refuse(`the batch was signed for log ${batch.log}`);
    checkForm(examination.line, placed.index, batch.log === undefined ? {} : { signed_for: batch.log });
    const body = Object.fromEntries(EVENT_BODY.filter((name) => event[name] != null).map((name) => [name, event[name]]));
    await checkInclusion(signed.place, batch.count, await leafHash(encodeCanonical(body)), hashes, parseHex(batch.root, "batch: root", 32));
    const source = await examination.included(sourcePlaced);
    if (source.type !== "source" || typeof source.signed !== "boolean" || source.source !== batch.source || source.party !== party ||
        !(source.log === undefined || typeof source.log === "string") ||
        !(source.declares === undefined || typeof source.declares === "boolean")) {
      refuse(`leaf ${sourcePlaced.index} does not let ${party} speak for source ${batch.source}`);
    }
    await examination.author(source, sourcePlaced.index, "operator");
    if (sourcePlaced.index >= placed.index) refuse(`leaf ${sourcePlaced.index} lets ${party} speak for ${batch.source} after the batch came`);
    return `event ${signed.place} of batch ${batch.number} of ${batch.source}, leaf ${placed.index}, signed by ${describeKey(key)}`;
  });
  const { party, public: { id } } = signer;
  examination.platform = `signed by ${party}`;
  if (batch.log === undefined) examination.unchecked.push(`whether ${party} signed the batch for this log alone: it names none`);
  examination.unchecked.push(
    `whether key ${id.slice(0, 16)} is ${party}'s own: the operator, or trust.json, says so; ask ${party}`,
    `whether another party spoke for ${batch.source} by then: the last leaf before the batch counts`,
    "whether the platform signed for the vector that the event pays by; for the listener it did not",
  );
}

function checkBatch(batch) {
  const { previous = null, log = null, vectors = null, ...fields } = batch;
  const isText = (value) => typeof value === "string" && value !== "";
  if (!hasFields(fields, "source", "number", "count", "root") || !isText(fields.source) || !isSize(fields.number) || fields.number < 1 ||
      !isSize(fields.count) || fields.count < 1 || fields.count > 1_000_000 || (fields.number === 1) !== (previous === null) ||
      ("log" in batch && !isText(log))) {
    refuse("batch: expected source, number, count, root, and maybe log, previous and vectors");
  }
  if ("vectors" in batch) parseHex(vectors, "batch: vectors", 32);
  if (previous !== null) parseHex(previous, "batch: previous", 32);
  parseHex(fields.root, "batch: root", 32);
}

async function checkVectorBundle(examination, document) {
  let placed;
  await examination.step("the vector's leaf is in the tree", async () => {
    checkFields(document, ["vector", "evidence", "assign"]);
    placed = parsePlaced(document.evidence, "evidence");
    const leaf = await examination.included(placed);
    if (leaf.type !== "vector" || typeof leaf.track !== "string" || typeof leaf.statement !== "string") refuse(`leaf ${placed.index} does not log a vector`);
    return `leaf ${placed.index}: track ${leaf.track}`;
  });
  const { track, statement } = placed.leaf;
  if (document.assign !== null) {
    await checkAssignment(examination, document.assign, track, statement, null);
    examination.unchecked.push("whether a later leaf assigns another vector to the track");
  } else examination.unchecked.push("whether the vector was ever assigned: until then it pays nobody");
  await checkVector(examination, document.vector, null, track, statement, placed.index + 1);
}

// The vector that this leaf assigns to the track, and the size at which it does.
async function checkAssignment(examination, assign, track, bound, event) {
  let digest, placed;
  await examination.step("the vector was assigned to the track", async () => {
    placed = parsePlaced(assign, "assign");
    const leaf = await examination.included(placed);
    digest = leaf.vector;
    if (leaf.type !== "assign" || leaf.track !== track || typeof digest !== "string") refuse(`leaf ${placed.index} does not assign a vector to track ${track}`);
    if (bound !== null && bound !== digest) refuse(`leaf ${placed.index} assigns vector ${digest}; expected ${bound}`);
    if (event !== null && placed.index < event !== (bound !== null)) refuse(`event ${event} cannot have been bound by an assignment at ${placed.index}`);
    return `leaf ${placed.index}, signed by ${describeKey(await examination.author(leaf, placed.index, "attribution"))}`;
  });
  if (bound === null) examination.unchecked.push("whether this is the first assignment after the event: the first one counts");
  return [digest, placed.index + 1];
}

async function checkVector(examination, envelope, evidence, track, digest, size) {
  let countsSize = size;
  if (evidence !== null) {
    await examination.step("the vector was logged", async () => {
      const placed = parsePlaced(evidence, "evidence");
      const leaf = await examination.included(placed);
      if (leaf.type !== "vector" || leaf.track !== track || leaf.statement !== digest) refuse(`leaf ${placed.index} does not log vector ${digest} of track ${track}`);
      countsSize = Math.min(size, placed.index + 1);
      return `leaf ${placed.index}`;
    });
  }
  await examination.step("the vector is signed and is of this track", async () => {
    const signed = await examination.statement(envelope, digest, VECTOR_PAYLOAD_TYPE, countsSize, SIGNS_VECTORS);
    const vector = parseVector(signed.envelope.payload);
    if (vector.track !== track) refuse(`the vector is of track ${vector.track}, not ${track}`);
    return `vector ${digest} by method ${vector.method} ${vector.version}, signed by ${describeKey(signed.key)}`;
  });
  examination.unchecked.push("whether the vector is right: it carries its method's measured error, not a proof");
}

// Who signed the leaf within itself, where it is of a kind that its author signs.
async function checkEntryAuthor(examination, { index, leaf }) {
  const isSigned = Object.hasOwn(leaf, "sig");
  if (!isSigned && leaf.type !== "close" && leaf.type !== "follow") {
    examination.unchecked.push(`who wrote the ${leaf.type} leaf: its author does not sign it within itself`);
    return;
  }
  await examination.step("the leaf's author signed it", async () => {
    const { ring, line } = examination;
    if (leaf.type === "log") return "";
    if (leaf.type === "form") await lineAfterLeaf(line, ring, index, leaf);
    else if (leaf.type === "key") await keysAfterLeaf(ring, line, index, leaf);
    else if (isSigned || (line.index !== null && index >= line.index)) {
      await examination.author(leaf, index, { assign: "attribution", approve: "approver" }[leaf.type] ?? "operator");
    } else return "not signed, before the line";
    return describeKey(findKey(ring, leaf.key));
  });
}

async function checkEntry(examination, document) {
  let placed;
  await examination.step("the leaf is in the tree", async () => {
    checkFields(document, ["entry", "statement"]);
    placed = parsePlaced(document.entry, "entry");
    await examination.included(placed);
    examination.proved.push(`entry ${placed.index} of log ${examination.checkpoint.origin} is this ${placed.leaf.type}`);
    return `leaf ${placed.index}: ${placed.leaf.type}`;
  });
  await checkEntryAuthor(examination, placed);
  const named = placed.leaf.statement ?? null;
  if (placed.leaf.type === "event") examination.unchecked.push("whether the platform signed this event: `settle ledger prove` bundles say so");
  if (placed.leaf.type === "expire") examination.unchecked.push(remarkOnExpiry(placed));
  if (document.statement === null) {
    if (named !== null) examination.unchecked.push(`the statement that the leaf names, ${named}: it is not here`);
    return;
  }
  await examination.step("the statement is the one that the leaf names", async () => {
    if (typeof named !== "string" || !isObject(document.statement)) refuse("the leaf names no statement, and the bundle brings one");
    const { envelope, key } = await examination.statement(document.statement, named, null, placed.index + 1, ROLES);
    return `${envelope.payloadType}, signed by ${describeKey(key)}`;
  });
}

// What a reader of this leaf alone must be told that it does not prove.
function remarkOnExpiry({ index, leaf }) {
  return (leaf.checkpoint ?? null) === null
    ? `when the hold's end came: leaf ${index} says ${leaf.at} by its operator's clock, and no witness does`
    : `whether the hold's witnesses cosigned the checkpoint that leaf ${index} shows: compute the period again`;
}

// A cosignature's time; what no calendar holds is shown as the number it is.
function formatPosix(time) {
  return time < 253_402_300_800n ? `${new Date(Number(time) * 1000).toISOString().slice(0, 19)}Z` : String(time);
}

const KINDS = {
  entry: checkEntry, event: checkEvent, membership: checkMembership, run: checkRun, statement: checkStatement, vector: checkVectorBundle,
};
