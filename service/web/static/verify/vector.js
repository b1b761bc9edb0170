"use strict";
// Influence vectors: the rules that a signed one keeps (ledger/proofs/vector.py).

const MILLION = 1_000_000;
const ASPECTS = ["recording", "composition", "style"];
const USES = ["train", "condition", "style", "voice", "sample"];
const VECTOR_FIELDS = ["v", "type", "track", ...ASPECTS, "method", "version"];
const VECTOR_OPTIONAL = ["params_sha256", "catalogue_root", "catalogue_size", "model", "model_version", "error", "decisions"];

function parseVector(payload) {
  const vector = decodeCanonicalObject(payload, "influence vector");
  const optional = VECTOR_OPTIONAL.filter((name) => Object.hasOwn(vector, name));
  if (!hasFields(vector, ...VECTOR_FIELDS, ...optional) || vector.v !== 1 || vector.type !== "influence-vector") {
    refuse("influence vector: a field is missing or unknown");
  }
  const { params_sha256, catalogue_root, catalogue_size, model, model_version, error, decisions } = vector;
  for (const id of [vector.track, vector.method, vector.version, model, model_version]) {
    if (id !== undefined) checkId(id);
  }
  if (decisions !== undefined && !(Array.isArray(decisions) && decisions.length)) refuse("influence vector: decisions is a list of digests");
  for (const digest of [params_sha256, catalogue_root, ...(decisions ?? [])]) {
    if (digest !== undefined) parseHex(digest, "influence vector: digest", 32);
  }
  if (catalogue_size !== undefined && !isSize(catalogue_size)) refuse("influence vector: catalogue size");
  if (error !== undefined) {
    if (!hasFields(error, "benchmark", "metric", "value_ppm", "n") || !isSize(error.value_ppm) || !isSize(error.n)) refuse("influence vector: measured error");
    checkId(error.benchmark);
    checkId(error.metric);
  }
  ASPECTS.forEach((aspect) => checkAspect(aspect, vector[aspect]));
  return vector;
}

function checkAspect(name, aspect) {
  if (!hasFields(aspect, "sources", "unattributed") || !Array.isArray(aspect.sources) || aspect.sources.length > 10_000) {
    refuse(`influence vector, ${name}: expected sources and unattributed`);
  }
  let total = checkPpm(aspect.unattributed);
  let previous = null;
  for (const source of aspect.sources) {
    const { use, ...fields } = isObject(source) ? source : {};
    if (!hasFields(fields, "id", "ppm", "basis", "low", "high") || !["declared", "estimated"].includes(fields.basis) ||
        !("use" in source ? USES.includes(use) : true)) {
      refuse(`influence vector, ${name}: a source has a field that is missing, unknown or out of range`);
    }
    checkId(source.id);
    if (source.id.startsWith("style:") !== (name === "style")) refuse(`influence vector, ${name}: "style:" begins the ids of the style aspect alone`);
    if (!(checkPpm(source.low) <= checkPpm(source.ppm) && source.ppm <= checkPpm(source.high))) refuse(`influence vector, ${name}: a share lies outside its interval`);
    if (previous !== null && compareSources(previous, source) >= 0) refuse(`influence vector, ${name}: sources out of order, or one twice`);
    previous = source;
    total += source.ppm;
  }
  if (total !== MILLION) refuse(`influence vector, ${name}: sources and unattributed sum to ${total} ppm, expected ${MILLION}`);
}

function compareSources(left, right) {
  return compareText(left.id, right.id) || compareText(left.use ?? "", right.use ?? "");
}

// By code point, as Python sorts; `<` on strings compares UTF-16 units.
function compareText(left, right) {
  if (left === right) return 0;
  for (let n = 0; n < Math.min(left.length, right.length); n++) {
    const [a, b] = [left.charCodeAt(n), right.charCodeAt(n)];
    if (a === b) continue;
    // Halves of a surrogate pair stand for code points above all others.
    return Number((a & 0xf800) === 0xd800) - Number((b & 0xf800) === 0xd800) || a - b;
  }
  return left.length - right.length;
}

function checkId(value) {
  if (typeof value !== "string" || !value || [...value].length > 256 || !/^(?:[^\p{C}\p{Z}]| )*$/u.test(value)) {
    refuse("influence vector: an id has 1 to 256 printable characters");
  }
}

function checkPpm(value) {
  return isSize(value) && value <= MILLION ? value : refuse("influence vector: a share is not from 0 to 1,000,000 ppm");
}
