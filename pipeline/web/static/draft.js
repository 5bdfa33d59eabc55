// The text, the voice and the settings as they were left, until the next visit.

import { lasting } from "./storage.js";

const ITEM = "speak";
const SAVE_AFTER_MS = 300; // of rest: not at every key

/** @typedef {Record<string, any>} Draft */

/** What was left; empty: nothing, or nothing that can be read. @returns {Draft} */
export function readDraft() {
  try {
    const draft = JSON.parse(lasting.get(ITEM) ?? "{}");
    return typeof draft === "object" && draft !== null ? draft : {};
  } catch {
    return {}; // another page's of this host, say
  }
}

export class DraftKeeper {
  #draft;
  #timer = 0;

  /** @param {() => Draft} draft as it is now */
  constructor(draft) {
    this.#draft = draft;
    addEventListener("pagehide", () => this.#timer && this.#save());
  }

  /** Something has changed. */
  touch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), SAVE_AFTER_MS);
  }

  #save() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    lasting.set(ITEM, JSON.stringify(this.#draft()));
  }
}
