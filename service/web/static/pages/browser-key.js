"use strict";
// The approver's key of this browser: Ed25519, made by WebCrypto as non-extractable, so no script can read it out.

function keyStore(mode, act) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("settle", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const request = act(opening.result.transaction("keys", mode).objectStore("keys"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    };
  });
}

function browserKey() {
  return keyStore("readonly", (keys) => keys.get("approver"));
}

// A key that is there stays: nobody could approve with it any more if another took its place.
async function makeBrowserKey() {
  const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  await keyStore("readwrite", (keys) => keys.add({ pair, raw }, "approver"));
  return browserKey();
}

function put(parent, tag, text) {
  const created = document.createElement(tag);
  created.textContent = text;
  parent.append(created);
  return created;
}
