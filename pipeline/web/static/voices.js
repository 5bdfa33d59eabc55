// The voices that the server has.

import { ask } from "./server.js";

/**
 * @typedef {object} Voice
 * @property {string} name
 * @property {"built-in" | "neural" | "rvc"} type what makes it: rules, a network, or a conversion
 * @property {string} engine
 * @property {string | null} language a BCP 47 tag
 * @property {string | null} gender
 * @property {string} description
 * @property {string | null} speaks_with the voice that an RVC voice is converted from
 * @property {string} [licence] whose voice it is, and on what terms
 * @property {boolean} [is_free] everybody may use it for everything
 * @property {boolean} [removable] it was uploaded, and may be removed
 *
 * @typedef {object} Uploads what may be uploaded, in bytes
 * @property {number} max_bytes
 * @property {number} quota_bytes
 * @property {number} used_bytes
 */

export class Voices {
  /** @type {Voice[]} */
  all = [];
  /** The one that speaks where none is chosen. */
  preset = "";
  /** Null: voices cannot be uploaded from here. @type {Uploads | null} */
  uploads = null;
  /** @type {(() => void)[]} */
  #onloads = [];

  /** @param {() => void} onload called after each time that they were read */
  watch(onload) {
    this.#onloads.push(onload);
  }

  /** Ask the server again: it may have been started anew, with others. */
  async load() {
    const answer = await ask("/api/voices").catch(() => null);
    if (answer === null || !answer.ok) return; // the connection tells of that
    const { default: preset, voices, uploads } = await answer.json();
    this.all = voices;
    this.preset = preset;
    this.uploads = uploads ?? null;
    this.#onloads.forEach((onload) => onload());
  }

  /** @param {string} name */
  get(name) {
    return this.all.find((voice) => voice.name === name);
  }
}

const LANGUAGES = new Intl.DisplayNames(navigator.languages, { type: "language" });

/** A language's name; of one that the browser does not know, its tag. @param {string} tag */
export function languageName(tag) {
  try {
    return LANGUAGES.of(tag) ?? tag;
  } catch {
    return tag; // private use, as in en-gb-x-rp
  }
}

const KINDS = { rvc: "RVC", neural: "neural", "built-in": "built-in" };

/** What a voice is, in a few words. @param {Voice} voice */
export function kindOf({ type, engine, language, speaks_with }) {
  const kind = KINDS[type] ?? type;
  const how = type === "rvc" ? `over ${speaks_with}` : engine;
  return [language === null ? "" : languageName(language), kind, how].filter(Boolean).join(" · ");
}
