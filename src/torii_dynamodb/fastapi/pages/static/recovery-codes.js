// The page of recovery codes: copy and print buttons. Without this file, the codes can be selected and saved.
"use strict";

const status = document.getElementById("codes-status");
const codes = [...document.querySelectorAll("#recovery-codes code")].map((code) => code.textContent);
const copy = document.getElementById("copy-codes");
const print = document.getElementById("print-codes");

if (navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(`${codes.join("\n")}\n`);
      status.textContent = status.dataset.copied;
    } catch {
      status.textContent = status.dataset.refused;
    }
  });
}
print.hidden = false;
print.addEventListener("click", () => window.print());
