// What scripts add to forms. Everything works without this file.
"use strict";

// A double click sends a form once. A code works once, and the browser would show the answer to the second request.
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

// A button shows the password. It is hidden again when the form is sent, so that browsers offer to save it.
for (const button of document.querySelectorAll("button[data-shows]")) {
  const input = document.getElementById(button.dataset.shows);
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    show(input.type === "password");
    input.focus({ preventScroll: true });
  });
  input.form.addEventListener("submit", () => show(false));
}
