"use strict";
// What makes a run binding: the close, the run, another person's approval, the publication (payouts/life/binding.py).

const RUN_PAYLOAD_TYPE = "application/vnd.settle.run+json";
const PUBLICATION_PAYLOAD_TYPE = "application/vnd.settle.publication+json";
const BINDING_FIELDS = ["close", "run", "document", "approvals", "publish", "publication"];
const INTRODUCED_ALONE = "approver introduced by the operator alone";
const WORKSPACE_APPROVER = "approver";

// The keys and the line as the leaves below each size made them: an act is judged by what stood before it.
async function keysOverTime(examination) {
  let now = examination.trusted;
  const states = [{ size: 0, ...now }];
  for (const { index, leaf } of examination.keyLeaves) {
    now = await keysAfter(now.ring, now.line, [{ index, leaf }]);
    states.push({ size: index + 1, ...now });
  }
  return (index) => states.findLast(({ size }) => size <= index);
}

async function includedLeaf(examination, document, type) {
  const placed = parsePlaced(document, type);
  await examination.included(placed);
  if (placed.leaf.type !== type) refuse(`leaf ${placed.index} is a ${placed.leaf.type} leaf, expected ${type}`);
  return placed;
}

function checkLeafOrder(earlier, later) {
  if (earlier.index >= later.index) {
    refuse(`the ${later.leaf.type} is leaf ${later.index} of the log, and the ${earlier.leaf.type} it rests on is leaf ${earlier.index}`);
  }
}

// A leaf signed within itself has exactly these fields beside the signature's, all texts but those named.
function checkSignedLeaf(leaf, texts, others) {
  const named = Object.hasOwn(leaf, "signed_for") ? ["signed_for"] : [];
  const signed = ["at", "by", "key", "sig", ...texts];
  if (!hasFields(leaf, "v", "type", ...signed, ...others, ...named) || !signed.every((name) => isText(leaf[name]))) {
    refuse(`${leaf.type} leaf: fields are missing, unknown or no texts`);
  }
}

// The key of this role that signed the leaf, in the name of the party whose key it is (a demo approval: of anybody).
async function authorOf({ ring, line }, { index, leaf }, role) {
  const key = findKey(ring, leaf.key);
  if (!key || key.role !== role || !countsForLeaf(key, index)) refuse(`the ${leaf.type} leaf is not signed by a key of role ${role} that counts there`);
  await checkLeafSignature(leaf, key.public);
  checkForm(line, index, leaf);
  const isDemo = role === "approver" && leaf.demo === true;
  return key.party === leaf.by || isDemo ? key : refuse(`the ${leaf.type} leaf is said to be by ${leaf.by}, and is signed by ${describeKey(key)}`);
}

function checkClose({ index, leaf }, origin) {
  const signature = Object.hasOwn(leaf, "sig") ? ["key", "sig", ...(Object.hasOwn(leaf, "signed_for") ? ["signed_for"] : [])] : [];
  const { at, period, logs, registry_size: registrySize } = leaf;
  if (!hasFields(leaf, "v", "type", "at", "period", "logs", "registry_size", ...signature) || !isText(at) || !isPeriod(period) ||
      !Array.isArray(logs) || !isSize(registrySize) ||
      !logs.every((log) => isObject(log) && isText(log.origin) && isSize(log.size) && isText(log.root))) {
    refuse(`leaf ${index} is not a close as one is written`);
  }
  const sizes = new Map(logs.map((log) => [log.origin, log.size]));
  if (sizes.size !== logs.length || !(sizes.get(origin) <= index) || registrySize > index) {
    refuse(`the close is leaf ${index} of log ${origin}, and does not list it up to there, or lists a log twice`);
  }
}

// The run's document and its publication, from the log: closed, calculated, approved by another, published.
async function checkBinding(examination, document) {
  const stateAt = await keysOverTime(examination);
  const judgeAt = (index) => Object.assign(examination, { ring: stateAt(index).ring, line: stateAt(index).line });
  let close, root, run, given, calculation, publication;
  await examination.step("the period was closed", async () => {
    close = await includedLeaf(examination, document.close, "close");
    checkClose(close, examination.checkpoint.origin);
    judgeAt(close.index);
    const isOfForm2 = examination.line.index !== null && close.index >= examination.line.index;
    if (Object.hasOwn(close.leaf, "sig") || isOfForm2) await examination.author(close.leaf, close.index, "operator");
    root = formatHex(await leafHash(close.body));
    return `period ${close.leaf.period} at ${close.leaf.at}, period root ${root}`;
  });
  await examination.step("the run is in the log, with a document signed by the operator", async () => {
    run = await includedLeaf(examination, document.run, "run");
    checkLeafOrder(close, run);
    judgeAt(run.index);
    const { envelope, key } = await examination.statement(document.document, run.leaf.statement, RUN_PAYLOAD_TYPE, run.index + 1, ["operator"]);
    calculation = decodeCanonicalObject(envelope.payload, "run document");
    given = await checkCalculation(calculation, run.leaf, close.leaf, root, document.v);
    await authorOf(stateAt(run.index), run, "operator");
    return `run ${run.leaf.run} by ${run.leaf.by}, ${describeKey(key)}`;
  });
  await examination.step("another person approved it, with another key", () => checkApprovals(examination, stateAt, document.approvals, run));
  await examination.step("it was published", async () => {
    const publish = await includedLeaf(examination, document.publish, "publish");
    for (const approval of document.approvals) checkLeafOrder(approval, publish);
    await authorOf(stateAt(publish.index), publish, "operator");
    judgeAt(publish.index);
    const { envelope } = await examination.statement(document.publication, publish.leaf.statement, PUBLICATION_PAYLOAD_TYPE, publish.index + 1, ["operator"]);
    publication = decodeCanonicalObject(envelope.payload, "publication");
    if (!hasFields(publication, "v", "run", "document", "intents") || publication.v !== given.v) {
      refuse(`a publication has another field or another version than the run's, ${given.v}`);
    }
    if (publish.leaf.run !== run.leaf.run || publication.run !== run.leaf.run || publication.document !== run.leaf.statement) {
      refuse("the publication is of another run");
    }
    return isText(publish.leaf.at) ? `at ${publish.leaf.at}` : refuse("the publication has no time");
  });
  const { period, pool, sequence } = run.leaf;
  examination.unchecked.push(
    "whether the run was reversed later: ask for the newest checkpoint",
    `whether another run of ${period}, pool ${pool}, sequence ${sequence}, was published before this one, and this one has no ` +
      "effect: compute the period again from settle period export",
    `whether ${period} was closed before by another entry, and this run is over a close without effect: settle period show ` +
      "lists it, settle period recompute refuses it",
  );
  return { given, calculation, publication };
}

// What the run was given; the log's words about it are the document's own.
async function checkCalculation(calculation, leaf, close, root, v) {
  checkSignedLeaf(leaf, ["run", "period", "pool", "engine", "statement"], ["sequence"]);
  if (!isSize(leaf.sequence)) refuse("the run leaf's sequence is no whole number");
  if (!hasFields(calculation, "v", "run", "inputs", "result", "tables") || calculation.v !== v) {
    refuse(`a run's document has another field or another version than the bundle's, ${v}`);
  }
  const given = await checkInputs(calculation.inputs, v);
  if (calculation.run !== leaf.run || leaf.run !== given.key) refuse(`the document's inputs make run ${given.key}; the log says ${leaf.run}`);
  const { period_root: periodRoot, registry_size: registrySize, sequence, terms } = calculation.inputs;
  if (periodRoot !== root || terms.period !== close.period || terms.period !== leaf.period) {
    refuse(`the run is over period root ${periodRoot}, the close has ${root}`);
  }
  if (registrySize !== close.registry_size) refuse(`the run saw a registry of ${registrySize} entries, not the close's`);
  if (terms.pool !== leaf.pool || sequence !== leaf.sequence) refuse(`the document is of pool ${terms.pool}, sequence ${sequence}`);
  return given;
}

async function checkApprovals(examination, stateAt, approvals, run) {
  if (!Array.isArray(approvals) || !approvals.length) refuse("nobody's approval is in the bundle");
  const names = [];
  const signers = new Set();
  const introduced = [];
  for (const document of approvals) {
    const approval = await includedLeaf(examination, document, "approve");
    const { index, leaf } = approval;
    checkSignedLeaf(leaf, ["subject", "document"], ["demo"]);
    if (typeof leaf.demo !== "boolean") refuse("the approval's demo is neither true nor false");
    checkLeafOrder(run, approval);
    const key = await authorOf(stateAt(index), approval, "approver");
    if (leaf.subject !== run.leaf.run || leaf.document !== run.leaf.statement) refuse("the approval is of something else");
    if ([leaf.by, key.party].includes(run.leaf.by) || key.public.id === run.leaf.key) refuse(`${leaf.by} made the run and approved it`);
    const own = [leaf.by, key.party, key.public.id];
    if (own.some((name) => signers.has(name))) refuse(`${leaf.by} is shown to approve twice`);
    own.forEach((name) => signers.add(name));
    if (leaf.demo) {
      examination.unchecked.push(`who ${leaf.by} is: approved with the workspace's own approver key (one person may hold both: demo)`);
    } else introduced.push(isIntroducedAlone(stateAt(index).ring, key));
    names.push(`${leaf.by} with ${describeKey(key)}`);
  }
  if (introduced.length && introduced.every(Boolean)) examination.cautions.push(INTRODUCED_ALONE);
  return names.join(", ");
}

// Whether an approver's key goes back to the workspace's own, which the operator holds, and to no person's.
function isIntroducedAlone(ring, key) {
  let first = key;
  while (first && first.by !== null) first = findKey(ring, first.by);
  return !first || first.party === WORKSPACE_APPROVER;
}
