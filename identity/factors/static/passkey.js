// Passkeys: asks the server what to ask the browser, asks the browser, and sends its answer as an ordinary form.
// A form with `data-passkey` names the ceremony (`create` or `get`); what people read stands in the page.
"use strict";

(() => {
  // A challenge lives five minutes; autofill may wait longer than that.
  const RENEW_MS = 4 * 60 * 1000;
  let running = null;

  const toBytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");

  const known = (list) => list.map((item) => ({ ...item, id: toBytes(item.id) }));

  function readOptions(ceremony, options) {
    const name = ceremony === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
    if (PublicKeyCredential[name]) {
      return PublicKeyCredential[name](options);
    }
    const read = { ...options, challenge: toBytes(options.challenge) };
    if (ceremony === "get") {
      return { ...read, allowCredentials: known(options.allowCredentials) };
    }
    const user = { ...options.user, id: toBytes(options.user.id) };
    return { ...read, user, excludeCredentials: known(options.excludeCredentials) };
  }

  function showCredential(credential) {
    try {
      return JSON.stringify(credential.toJSON());
    } catch {
      // Older browsers have no toJSON, and some extensions hand out objects on which it fails.
    }
    const given = credential.response;
    const response = { clientDataJSON: toText(given.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (given[name]) {
        response[name] = toText(given[name]);
      }
    }
    if (given.getTransports) {
      response.transports = given.getTransports();
    }
    return JSON.stringify({ id: credential.id, rawId: toText(credential.rawId), type: credential.type, response });
  }

  async function fetchOptions(form, signal) {
    const body = new URLSearchParams({ form_token: form.elements.form_token.value });
    const answer = await fetch(form.dataset.options, { method: "POST", body, signal, redirect: "error" });
    if (!answer.ok) {
      throw new Error(`options: ${answer.status}`);
    }
    return answer.json();
  }

  function say(form, which) {
    for (const text of form.querySelectorAll("[data-passkey-says]")) {
      text.hidden = text.dataset.passkeySays !== which;
    }
  }

  const REASONS = { NotAllowedError: "cancelled", AbortError: "cancelled", InvalidStateError: "known" };

  function send(form, credential) {
    form.elements.credential.value = showCredential(credential);
    const keep = document.querySelector("input[type=checkbox][name=keep]");
    if (keep && form.elements.keep) {
      form.elements.keep.value = keep.checked ? "yes" : "";
    }
    form.submit();
  }

  // One ceremony at a time: a browser refuses a second one while the first waits.
  async function ask(form, mediation) {
    running?.abort();
    const own = new AbortController();
    running = own;
    const publicKey = readOptions(form.dataset.passkey, await fetchOptions(form, own.signal));
    const credential = await navigator.credentials[form.dataset.passkey]({ publicKey, mediation, signal: own.signal });
    send(form, credential);
  }

  async function askAloud(form, button) {
    button.disabled = true;
    say(form, null);
    try {
      await ask(form, undefined);
    } catch (error) {
      say(form, REASONS[error.name] ?? "failed");
      button.disabled = false;
      // Out of the disabled button's reach the focus would be lost.
      button.focus();
      autofill(form);
    }
  }

  async function autofill(form) {
    if (!("autofill" in form.dataset) || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) {
      return;
    }
    const renew = setTimeout(autofill, RENEW_MS, form);
    try {
      await ask(form, "conditional");
    } catch {
      // Nobody asked for it aloud: the button and the password are still there.
      clearTimeout(renew);
    }
  }

  if (!window.PublicKeyCredential || !navigator.credentials) {
    return;
  }
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const button = form.querySelector("button");
    // Enter in a field must not send the form without a passkey.
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      askAloud(form, button);
    });
    form.hidden = false;
    autofill(form);
  }
  for (const text of document.querySelectorAll("[data-passkey-without]")) {
    text.hidden = true;
  }
})();
