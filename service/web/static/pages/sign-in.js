"use strict";
// Puts the code of a sign-in link into the form. It stands after the #, so no server saw it before the form is sent.

const field = document.getElementById("code");
if (location.hash.length > 1) {
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname); // the browser's history keeps no code
  document.getElementById("sign-in").focus();
}
