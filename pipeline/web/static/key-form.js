// Asks for a key when the server wants one.

import { element } from "./dom.js";
import { useKey } from "./server.js";

export class KeyForm {
  #form = element("key-form");
  #input = /** @type {HTMLInputElement} */ (element("key"));

  /** @param {() => void} given there is a key to try */
  constructor(given) {
    this.#form.onsubmit = (submit) => {
      submit.preventDefault();
      useKey(this.#input.value);
      given();
    };
  }

  /** @param {boolean} isWrong there was one */
  ask(isWrong) {
    this.#form.hidden = false;
    this.#form.dataset.wrong = String(isWrong);
    element("key-title").textContent = isWrong ? "That key is wrong" : "Key needed";
    element("key-help").textContent = isWrong
      ? "The server does not know it. Try another one."
      : "This server speaks to who has one of its keys. It is forgotten when this tab is closed.";
    this.#input.setAttribute("aria-invalid", String(isWrong));
    this.#input.focus();
    this.#input.select();
  }

  hide() {
    this.#form.hidden = true;
    this.#input.value = "";
  }
}
