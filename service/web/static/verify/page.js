"use strict";
// The page: files in, a verdict in words out. It asks for nothing over the network and keeps nothing.

const input = document.getElementById("files");
const verdict = document.getElementById("verdict");
const results = document.getElementById("results");

function element(tag, text, parent) {
  const created = document.createElement(tag);
  created.textContent = text;
  parent.append(created);
  return created;
}

function tell(text, state = "") {
  verdict.textContent = text;
  verdict.className = state;
}

// A browser without Ed25519 must not call an honest bundle false.
async function canCheck() {
  try {
    await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    return true;
  } catch {
    return false;
  }
}

// trust.json says what it is; every other file is taken for a bundle.
function isTrustFile(file, bytes) {
  return /\.json$/i.test(file.name) && /^\s*\{[^]*"type"\s*:\s*"trust"/.test(new TextDecoder().decode(bytes.subarray(0, 4096)));
}

async function check() {
  results.replaceChildren();
  if (!input.files.length) return;
  if (!(await canCheck())) {
    tell("Cannot check: this browser has no Ed25519 signatures. Use a current browser, or `settle verify`.");
    return;
  }
  tell("Checking ...");
  let trustFile = null;
  const bundles = [];
  for (const file of input.files) {
    if (file.size > BUNDLE_SIZE_MAX) {
      tell(`FAILED ${file.name}: ${file.size} bytes, at most ${BUNDLE_SIZE_MAX}`, "failed");
      return;
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (isTrustFile(file, bytes)) trustFile = { name: file.name, bytes };
    else bundles.push({ name: file.name, bytes });
  }
  if (!trustFile || !bundles.length) {
    tell("Add both: the bundle, and the trust.json that the log's operator publishes. Get trust.json apart from the bundle.");
    return;
  }
  let trust;
  try {
    trust = await parseTrust(trustFile.bytes);
  } catch (problem) {
    tell(`Cannot check: ${problem.message}`);
    return;
  }
  element("p", `Trust file ${trustFile.name}, SHA-256 ${await digestOf(trustFile.bytes)}: compare it with the digest that the operator publishes.`, results);
  const reports = [];
  for (const bundle of bundles) reports.push(await checkBundle(bundle, trust));
  const failed = reports.find((report) => report.state === "failed");
  const unknown = reports.find((report) => report.state === "unknown");
  const worst = failed ?? unknown ?? reports[0];
  tell(bundles.length === 1 || worst !== reports[0] ? worst.text : `OK ${bundles.length} bundles: all steps hold`, worst.state);
}

// On whose word an event stands.
function sayPlatform(platform) {
  if (platform === null) return [];
  if (platform !== "unsigned") return [`the event is ${platform}`];
  return ["the operator logged this event as it was reported; its platform did not sign it, which is optional"];
}

async function checkBundle({ name, bytes }, trust) {
  const report = await verifyBundle(bytes, trust);
  const broken = report.steps.find((step) => !step.ok);
  const beyond = broken?.n === 1 ? needsCommandLine(bytes) : null;
  const state = report.ok ? "ok" : beyond ? "unknown" : "failed";
  const text = {
    ok: [`OK ${name}: all ${report.steps.length} steps hold`, ...report.cautions].join("; "),
    failed: `FAILED ${name}: at step ${broken?.n}, ${broken?.name}: ${broken?.detail}`,
    unknown: `Cannot check ${name} here: ${beyond}; use the command line, settle verify`,
  }[state];
  const section = element("section", "", results);
  element("h2", text, section);
  if (state === "unknown") return { state, text };
  [...report.proved, ...sayPlatform(report.platform)].forEach((said) => element("p", said, section).className = "proved");
  const list = element("ol", "", section);
  for (const step of report.steps) {
    const item = element("li", `${step.ok ? "ok" : "FAIL"}  ${step.name}${step.detail ? `: ${step.detail}` : ""}`, list);
    item.className = step.ok ? "ok" : "failed";
  }
  element("h3", "Not checked", section);
  const unchecked = element("ul", "", section);
  report.unchecked.forEach((remark) => element("li", remark, unchecked));
  return { state, text };
}

input.addEventListener("change", check);
