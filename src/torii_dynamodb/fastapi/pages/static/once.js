// A double click sends a form once. A code works once, and the browser would show the answer to the second request.
"use strict";

let form = null;
let sent = 0;
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  if (event.target === form && event.timeStamp - sent < 3000) {
    event.preventDefault();
    return;
  }
  form = event.target;
  sent = event.timeStamp;
});
