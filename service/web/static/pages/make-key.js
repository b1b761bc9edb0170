"use strict";
// The page /browser-key: shows the public half of this browser's key, and makes one if there is none.

const result = document.getElementById("key");
const button = document.getElementById("make");

async function showKey() {
  const key = await browserKey();
  button.hidden = Boolean(key);
  if (key) {
    result.textContent = formatHex(key.raw);
    put(result, "p", `${result.dataset.id} ${(await publicKey(key.raw)).id}`).className = "id";
  } else result.textContent = result.dataset.none;
}

button.addEventListener("click", async () => {
  try {
    await makeBrowserKey();
    await showKey();
  } catch (problem) {
    result.textContent = `${result.dataset.failed} ${problem.message}`;
  }
});
showKey();
