"use strict";
// Signs an approval. Nothing that the server writes beside the leaf is believed: the leaf is decoded from the bytes that
// are signed, the document must have the digest that the leaf names, and the amounts are added up from that document.

const panel = document.getElementById("approve");
const words = panel.dataset;
const statusLine = document.getElementById("approve-status");
const MILLION = 1000000n;
const APPROVAL_FIELDS = ["v", "type", "at", "by", "subject", "document", "demo", "signed_for"];
const LARGEST = 10;
// A leaf of another day would count when its author did not mean to approve.
const FRESH_MS = 10 * 60 * 1000;
const AMOUNT_NAME = /(?:^|_)micros$/;

async function fetched(path) {
  const answer = await fetch(path, { credentials: "same-origin" });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (!answer.ok) {
    const page = new DOMParser().parseFromString(decodeUtf8(bytes, "answer"), "text/html");
    throw new Error(page.querySelector("[role=alert]")?.textContent ?? `status ${answer.status}`);
  }
  return bytes;
}

function amountText(micros, currency) {
  const magnitude = micros < 0n ? -micros : micros;
  const text = `${magnitude / MILLION}.${String(magnitude % MILLION).padStart(6, "0")} ${currency}`;
  return micros < 0n ? `-${text}` : text;
}

function readMicros(text, what) {
  if (typeof text !== "string" || !/^(?:0|-?[1-9][0-9]{0,98})$/.test(text)) refuse(`${what}: not an amount`);
  return BigInt(text);
}

function addFact(list, name, text) {
  put(list, "dt", name);
  put(list, "dd", text);
}

// A run: its document names the table of accounts, whose rows are added up here.
async function showRun(list, leaf, bytes) {
  if ((await digestOf(bytes)) !== leaf.document) refuse("the run's document is not the one that the leaf names");
  const payload = decodeCanonicalObject(parseBase64(decodeCanonicalObject(bytes, "document").payload, "payload"), "document");
  if (payload.run !== leaf.subject) refuse("the document is of another run");
  const { period, pool, currency } = payload.inputs.terms;
  const table = await fetched(`${location.pathname}/accounts`);
  if ((await digestOf(table)) !== payload.tables.accounts.sha256) refuse("the accounts are not those of the document");
  const rows = decodeUtf8(table, "accounts").split("\n").filter(Boolean);
  const paid = rows.map((row) => decodeCanonicalObject(utf8.encode(row), "account"))
    .map((row) => ({ party: row.party, micros: readMicros(row.payable, "payable") }))
    .filter(({ micros }) => micros !== 0n);
  addFact(list, words.month, `${period}, ${pool}`);
  addFact(list, words.rule, payload.inputs.rule.name);
  addFact(list, words.payable, amountText(paid.reduce((sum, { micros }) => sum + micros, 0n), currency));
  addFact(list, words.parties, String(paid.length));
  paid.sort((one, other) => (one.micros < other.micros ? 1 : one.micros > other.micros ? -1 : 0));
  for (const { party, micros } of paid.slice(0, LARGEST)) addFact(list, party, amountText(micros, currency));
}

// Every field by its name; amounts as money, however deep they stand. Returns whether there was an amount.
function showFields(list, prefix, fields, currency) {
  let amounts = false;
  for (const [name, value] of Object.entries(fields)) {
    const label = prefix ? `${prefix}.${name}` : name;
    if (isObject(value)) amounts = showFields(list, label, value, currency) || amounts;
    else if (AMOUNT_NAME.test(name) && value !== null) {
      addFact(list, label, amountText(readMicros(value, label), currency));
      amounts = true;
    } else addFact(list, label, typeof value === "string" ? value : canonicalText(value));
  }
  return amounts;
}

// Any other proposal is a leaf of the log: its hash is what the approval names, and its fields are what it says.
async function showProposal(list, leaf, bytes) {
  if (formatHex(await sha256(LEAF_PREFIX, bytes)) !== leaf.document) refuse("the proposal is not the one that the leaf names");
  const proposal = decodeCanonicalObject(bytes, "proposal");
  const shown = Object.entries(proposal).filter(([field]) => !["v", "key", "sig", "signed_for"].includes(field));
  const currency = proposal.currency ?? proposal.terms?.currency ?? "";
  if (!showFields(list, "", Object.fromEntries(shown), currency)) put(panel, "p", words.unproven).className = "warn";
}

async function prepare(key) {
  const id = (await publicKey(key.raw)).id;
  const bytes = await fetched(`${location.pathname}/leaf?key=${id}`);
  const leaf = decodeCanonicalObject(bytes, "leaf");
  if (!hasFields(leaf, ...APPROVAL_FIELDS) || leaf.type !== "approve" || leaf.v !== 1 || leaf.demo !== false) {
    refuse("the server sent something else than an approval to sign");
  }
  if (leaf.by !== words.party) refuse(`the approval is in the name of ${leaf.by}`);
  if (leaf.subject !== decodeURIComponent(location.pathname.split("/").at(-1))) refuse("the approval is of another proposal than this page's");
  const age = Math.abs(Date.now() - Date.parse(leaf.at));
  if (!(age <= FRESH_MS)) refuse(`the approval is dated ${leaf.at}, more than ten minutes from this machine's clock`);
  const document_ = await fetched(`${location.pathname}/document`);
  const list = put(panel, "dl", "");
  addFact(list, words.signer, `${leaf.by}, ${words.key} ${id.slice(0, 16)}`);
  addFact(list, words.log, leaf.signed_for);
  addFact(list, words.subject, leaf.subject);
  if (hasFields(decodeCanonicalObject(document_, "document"), "payload", "payloadType", "signatures")) {
    await showRun(list, leaf, document_);
  } else await showProposal(list, leaf, document_);
  const details = put(panel, "details", "");
  put(details, "summary", words.bytes);
  put(details, "pre", decodeUtf8(bytes, "leaf"));
  return { id, leaf, bytes };
}

async function sign(key, prepared) {
  const message = preAuthEncoding(LEAF_PAYLOAD_TYPE, prepared.bytes);
  const signature = new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, key.pair.privateKey, message));
  const signed = { ...prepared.leaf, key: prepared.id, sig: formatBase64(signature) };
  const form = document.getElementById("approve-form");
  form.elements.leaf.value = canonicalText(signed);
  form.submit();
}

async function begin() {
  try {
    const key = await browserKey();
    if (!key) {
      statusLine.textContent = words.none;
      return;
    }
    const prepared = await prepare(key);
    statusLine.textContent = words.ready;
    const button = put(panel, "button", words.button);
    button.addEventListener("click", () => {
      button.disabled = true;
      sign(key, prepared).catch((problem) => { statusLine.textContent = `${words.failed} ${problem.message}`; });
    });
  } catch (problem) {
    statusLine.textContent = `${words.failed} ${problem.message}`;
  }
}

begin();
