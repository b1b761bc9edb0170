// Runs the page's own scripts: one line of JSON in (trust and bundles, base64), one line of JSON out per bundle.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";

const scripts = process.argv.slice(2).map((path) => readFileSync(path, "utf8").replace('"use strict";', ""));
const { verifyBundle, parseTrust, needsCommandLine } = new Function(`"use strict";${scripts.join("\n")}\nreturn { verifyBundle, parseTrust, needsCommandLine };`)();
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));

for await (const line of createInterface({ input: process.stdin })) {
  const { trust, bundles } = JSON.parse(line);
  let trusted;
  try {
    trusted = await parseTrust(bytes(trust));
  } catch (problem) {
    console.log(JSON.stringify({ report: { trust: problem.message } }));
    continue;
  }
  for (const bundle of bundles) {
    const report = await verifyBundle(bytes(bundle), trusted);
    console.log(JSON.stringify({ report, beyond: needsCommandLine(bytes(bundle)) }));
  }
}
