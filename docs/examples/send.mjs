// Send stream events from JavaScript (Node 18 or later, no packages): TOKEN=... node send.mjs URL SOURCE FILE.ndjson
import { readFile } from "node:fs/promises";

const AGAIN = new Set([408, 429, 502, 503, 504]);
const BATCH = 1000;
const ATTEMPTS = 8;

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** One batch of lines; the service's answer. Tried again until it is answered: sent again, an event counts once. */
export async function send(url, token, source, lines) {
  for (let attempt = 1; ; attempt += 1) {
    let wait = Math.min(60, 0.25 * 2 ** attempt);
    try {
      const answer = await fetch(`${url}/v1/sources/${encodeURIComponent(source)}/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/x-ndjson" },
        body: lines.join("\n") + "\n",
      });
      if (answer.ok) return await answer.json();
      const problem = await answer.json().catch(() => ({}));
      if (!AGAIN.has(answer.status) || attempt === ATTEMPTS) {
        throw Object.assign(new Error(`${answer.status} ${problem.cause}: ${problem.detail}`), { final: true });
      }
      wait = Math.max(wait, Number(answer.headers.get("retry-after") ?? 0));
    } catch (problem) {
      if (problem.final || attempt === ATTEMPTS) throw problem;
    }
    await pause(wait);
  }
}

const [url, source, file] = process.argv.slice(2);
if (file !== undefined) {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line.trim() !== "");
  for (let start = 0; start < lines.length; start += BATCH) {
    const taken = await send(url, process.env.TOKEN, source, lines.slice(start, start + BATCH));
    console.log(JSON.stringify(taken));
  }
}
