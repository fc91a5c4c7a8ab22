// Passkeys for forms with data-passkey: get options from the server and a credential from the browser, then submit the form
// with it. Everything else on the pages works without this file.
"use strict";

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

// For browsers without PublicKeyCredential.parse...OptionsFromJSON and toJSON.
const parse = (options) => {
  const parsed = { ...options, challenge: toBytes(options.challenge) };
  if (options.user) parsed.user = { ...options.user, id: toBytes(options.user.id) };
  for (const list of ["allowCredentials", "excludeCredentials"]) {
    if (options[list]) parsed[list] = options[list].map((entry) => ({ ...entry, id: toBytes(entry.id) }));
  }
  return parsed;
};

const plain = (credential) => {
  const { response } = credential;
  const answer = { id: credential.id, rawId: credential.id, type: credential.type, clientExtensionResults: {} };
  answer.response = { clientDataJSON: toText(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) answer.response[name] = toText(response[name]);
  }
  if (response.getTransports) answer.response.transports = response.getTransports();
  return answer;
};

// In the language of the page, by the name of the browser's error or the code of the server's.
const WORDS = document.getElementById("passkey-words")?.dataset ?? {};

const run = async (form, also = {}) => {
  const token = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
  const reply = await fetch(form.dataset.options, { method: "POST", body: token, credentials: "same-origin" });
  const options = await reply.json();
  if (!reply.ok) throw new Error(WORDS[options.code] || WORDS.failed);
  if (form.dataset.passkey === "create") {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? parse(options);
    return navigator.credentials.create({ publicKey });
  }
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON?.(options) ?? parse(options);
  if (also.mediation) stale = Date.now() + 0.8 * options.timeout;
  return navigator.credentials.get({ publicKey, ...also });
};

const send = (form, credential) => {
  form.elements.answer.value = JSON.stringify(credential.toJSON?.() ?? plain(credential));
  form.submit();
};

// The browser offers passkeys in the field for the email address, without a button. A browser has one such request at a
// time: the button's ends it.
let offer = null;
let stale = 0;

const autofill = async (form) => {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  offer?.abort();
  offer = new AbortController();
  try {
    send(form, await run(form, { mediation: "conditional", signal: offer.signal }));
  } catch {
    // Nobody asked for it, so nobody is told.
  }
};

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const button = form.querySelector("button[type=submit]");
    const status = form.querySelector("[role=status]");
    const field = document.getElementById(form.dataset.autofill);
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      offer?.abort();
      button.disabled = true;
      status.textContent = WORDS.waiting;
      try {
        send(form, await run(form));
      } catch (error) {
        const words = error instanceof DOMException ? WORDS[error.name.toLowerCase()] : error.message;
        status.textContent = words || WORDS.failed;
        button.disabled = false;
        button.focus();
        if (field) autofill(form);
      }
    });
    if (field) {
      autofill(form);
      field.addEventListener("focus", () => stale && Date.now() > stale && autofill(form));
    }
  }
}
