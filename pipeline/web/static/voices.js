// The voices there are, in the selects that offer them.

import { element, make } from "./dom.js";
import { ask, useKey } from "./server.js";

/**
 * @typedef {object} Voice
 * @property {string} name
 * @property {string} type built-in, or rvc for one that another's speech is converted into
 * @property {string} engine
 * @property {string | null} language
 * @property {string} description
 */

export class Voices {
  #selects;
  /** @type {Map<string, Voice>} */
  #byName = new Map();

  /** @param {HTMLSelectElement[]} selects */
  constructor(selects) {
    this.#selects = selects;
  }

  /** Ask the server again: it may have been started anew, with others. Asks for a key if needed. */
  async load() {
    const answer = await ask("/api/voices").catch(() => null); // the connection tells of that
    if (answer === null) return;
    element("key-form").hidden = answer.status !== 401;
    if (!answer.ok) return;
    const { default: preset, voices } = await answer.json();
    this.#byName = new Map(voices.map((/** @type {Voice} */ voice) => [voice.name, voice]));
    for (const select of this.#selects) {
      const chosen = this.#byName.has(select.value) ? select.value : preset;
      select.replaceChildren(...groups(voices));
      select.value = chosen;
      select.dispatchEvent(new Event("change"));
    }
  }

  /** @param {string} name */
  describe(name) {
    const voice = this.#byName.get(name);
    return [voice?.description, voice?.language].filter(Boolean).join(" · ");
  }
}

/** Ask for a key when the server wants one. @param {() => void} given */
export function startKeyForm(given) {
  element("key-form").onsubmit = (submit) => {
    submit.preventDefault();
    useKey(/** @type {HTMLInputElement} */ (element("key")).value);
    given();
  };
}

const LANGUAGES = new Intl.DisplayNames(navigator.languages, { type: "language" });

/** A language's name; of one that the browser does not know, its tag. @param {string} tag */
function languageName(tag) {
  try {
    return LANGUAGES.of(tag) ?? tag;
  } catch {
    return tag; // private use, as in en-gb-x-rp
  }
}

/**
 * RVC's voices, and a group for each engine; if that has several languages, one for each that has
 * several voices, and one for all others, by their names.
 * @param {Voice[]} voices
 */
function groups(voices) {
  /** @param {Voice} voice @param {boolean} isSame of the same language, or of another */
  const others = (voice, isSame) =>
    voices.filter((one) => one.engine === voice.engine && one !== voice)
      .some((one) => (one.language === voice.language) === isSame);
  /** @type {Map<string, HTMLOptionElement[]>} */
  const made = new Map();
  for (const voice of voices) {
    const { name, type, engine, language } = voice;
    const isLanguage = type !== "rvc" && language !== null && others(voice, false);
    const isAlone = isLanguage && !others(voice, true);
    const own = isAlone ? "other languages" : languageName(language ?? "");
    const label = type === "rvc" ? "RVC" : isLanguage ? `${engine} · ${own}` : engine;
    const text = isAlone ? `${languageName(language)} (${name})` : name;
    made.set(label, [...(made.get(label) ?? []), new Option(text, name)]);
  }
  return [...made].map(([label, options]) => {
    const group = make("optgroup");
    group.setAttribute("label", label);
    if (options.some((option) => option.text !== option.value)) {
      options.sort((a, b) => a.text.localeCompare(b.text));
    }
    group.append(...options);
    return group;
  });
}
