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

/** RVC's voices, and a group for each engine, and language if it has several. @param {Voice[]} voices */
function groups(voices) {
  /** @param {Voice} voice */
  const label = ({ type, engine, language }) => {
    if (type === "rvc") return "RVC";
    const isMixed = voices.some((one) => one.engine === engine && one.language !== language);
    return isMixed ? `${engine} · ${language}` : engine;
  };
  /** @type {Map<string, HTMLElement>} */
  const made = new Map();
  for (const voice of voices) {
    const name = label(voice);
    const group = made.get(name) ?? make("optgroup");
    group.setAttribute("label", name);
    group.append(new Option(voice.name, voice.name));
    made.set(name, group);
  }
  return made.values();
}
