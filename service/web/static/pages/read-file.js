"use strict";
// Puts the text of a chosen file into the form, so that it can be seen before it is sent.

const chosen = document.getElementById("file");
if (chosen) {
  chosen.addEventListener("change", async () => {
    if (chosen.files.length) document.getElementById("rows").value = await chosen.files[0].text();
  });
}
