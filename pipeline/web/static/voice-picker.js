// The dialog in which a voice is chosen: radio buttons in groups, each with a button to hear it.

import { element, make } from "./dom.js";
import { groupsOf, isFound } from "./voice-groups.js";
import { kindOf } from "./voices.js";

const SEARCHED_FROM = 10; // voices: fewer are seen at a glance

/** @typedef {import("./voices.js").Voice} Voice */

/**
 * @typedef {object} PickerHandlers
 * @property {(name: string) => void} chosen by a person
 * @property {(voice: Voice) => void} preview
 * @property {(voice: Voice) => void} remove
 * @property {() => void} closed
 */

export class VoicePicker {
  #voices;
  #handlers;
  #dialog = /** @type {HTMLDialogElement} */ (element("voice-dialog"));
  #search = /** @type {HTMLInputElement} */ (element("voice-search"));
  #list = element("voice-list");
  /** @type {{voice: Voice, item: HTMLElement}[]} */
  #items = [];

  /** @param {import("./voices.js").Voices} voices @param {PickerHandlers} handlers */
  constructor(voices, handlers) {
    this.#voices = voices;
    this.#handlers = handlers;
    this.#search.oninput = () => this.#filter();
    this.#search.onkeydown = (event) => {
      if (event.key !== "ArrowDown" && event.key !== "Enter") return;
      event.preventDefault();
      const { item } = this.#items.find((one) => !one.item.hidden) ?? {};
      item?.querySelector("input")?.focus();
    };
    this.#list.onkeydown = ({ key, target }) => {
      if (key === "Enter" && target instanceof HTMLInputElement) {
        this.#handlers.chosen(target.value);
        this.#dialog.close();
      }
    };
    element("voice-close").onclick = () => this.#dialog.close();
    this.#dialog.onclick = ({ target }) => {
      if (target === this.#dialog) this.#dialog.close(); // beside it
    };
    this.#dialog.onclose = () => this.#handlers.closed();
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /** Show it. @param {string} chosen the voice that speaks now */
  open(chosen) {
    this.#search.value = "";
    this.fill(chosen);
    this.#dialog.showModal();
    const radio = /** @type {HTMLElement | null} */ (this.#list.querySelector("input:checked"));
    radio?.closest(".voice-item")?.scrollIntoView({ block: "nearest" });
    // A phone would show its keyboard over the list.
    const isPhone = matchMedia("(hover: none) and (pointer: coarse)").matches;
    const isTyped = !this.#search.hidden && !isPhone;
    if (isTyped) this.#search.focus();
    else radio?.focus({ preventScroll: true });
  }

  /** Show the voices that there are now. @param {string} chosen */
  fill(chosen) {
    const { all } = this.#voices;
    const hadFocus = this.#list.contains(document.activeElement);
    this.#search.hidden = all.length < SEARCHED_FROM;
    this.#search.placeholder = `Search ${all.length} voices by name, language or kind`;
    this.#items = [];
    this.#list.replaceChildren(
      ...groupsOf(all).map(({ label, voices }) => {
        const group = make("fieldset", "voice-group");
        group.append(make("legend", "", label));
        for (const voice of voices) {
          const item = this.#item(voice, voice.name === chosen);
          this.#items.push({ voice, item });
          group.append(item);
        }
        return group;
      }),
    );
    this.#filter();
    const radio = /** @type {HTMLElement | null} */ (this.#list.querySelector("input:checked"));
    if (hadFocus) radio?.focus();
  }

  /** Mark the voice that is being tried. @param {string | null} name @param {boolean} isHeard */
  previewed(name, isHeard) {
    for (const { voice, item } of this.#items) {
      const button = /** @type {HTMLElement} */ (item.querySelector(".hear"));
      markPreview(button, voice.name, voice.name === name, isHeard);
    }
  }

  #filter() {
    const search = this.#search.value;
    for (const { voice, item } of this.#items) item.hidden = !isFound(voice, search);
    for (const group of this.#list.querySelectorAll("fieldset")) {
      group.hidden = group.querySelector(".voice-item:not([hidden])") === null;
    }
    const n = this.#items.filter(({ item }) => !item.hidden).length;
    const words = n === 0 ? "No voice has all of these words." : `${n} ${n === 1 ? "voice" : "voices"}`;
    element("voice-count").textContent = search === "" ? "" : words;
  }

  /** @param {Voice} voice @param {boolean} isChosen */
  #item(voice, isChosen) {
    const { name, type, description, removable } = voice;
    const item = make("div", "voice-item");
    const label = make("label");
    const radio = make("input");
    Object.assign(radio, { type: "radio", name: "voice-choice", value: name, checked: isChosen });
    radio.onchange = () => this.#handlers.chosen(name);
    const about = make("span", "about");
    about.append(make("b", "", name), isKnown(voice) ? termsBadge(voice) : "");
    // What a built-in voice says of itself has its language, and its group says what it is.
    const kind = type === "built-in" && description !== "" ? "" : kindOf(voice);
    about.append(make("small", "", [kind, description].filter(Boolean).join(" · ")));
    label.append(radio, about);
    label.onclick = ({ detail }) => {
      if (detail === 0) return; // by an arrow key: the next one may be meant
      this.#handlers.chosen(name);
      this.#dialog.close();
    };
    const hear = make("button", "quiet icon hear");
    hear.type = "button";
    hear.onclick = () => this.#handlers.preview(voice);
    markPreview(hear, name, false, false);
    item.append(label, hear);
    if (removable) item.append(this.#removeButton(voice));
    return item;
  }

  /** One that has to be pressed twice. @param {Voice} voice */
  #removeButton(voice) {
    const button = make("button", "quiet remove", "Remove");
    button.type = "button";
    button.setAttribute("aria-label", `Remove ${voice.name}`);
    let isSure = false;
    const ask = (/** @type {boolean} */ asked) => {
      isSure = asked;
      button.textContent = asked ? "Really remove?" : "Remove";
      button.setAttribute("aria-label", `${button.textContent} ${voice.name}`);
    };
    button.onclick = () => (isSure ? this.#handlers.remove(voice) : ask(true));
    button.onblur = () => ask(false);
    return button;
  }
}

/** Whether somebody has said whose voice this is, and on what terms. @param {Voice} voice */
export function isKnown({ licence }) {
  return licence !== undefined && licence !== "unknown";
}

/** Whether everybody may use a voice for everything. @param {Voice} voice */
export function termsBadge(voice) {
  const { is_free: isFree, licence } = voice;
  const words = isFree ? "free to use" : isKnown(voice) ? "terms apply" : "terms unknown";
  const badge = make("span", "badge", words);
  badge.dataset.free = String(isFree ?? false);
  if (licence !== undefined) badge.title = licence;
  return badge;
}

/**
 * @param {HTMLElement} button @param {string} name
 * @param {boolean} isTried @param {boolean} isHeard
 */
export function markPreview(button, name, isTried, isHeard) {
  const state = isTried ? (isHeard ? "heard" : "waiting") : "";
  if (button.dataset.preview === state && button.ariaLabel?.endsWith(name)) return;
  button.dataset.preview = state;
  button.textContent = isTried ? "■" : "▶";
  button.ariaLabel = `${isTried ? "Stop" : "Hear"} ${name}`;
  button.title = isTried ? "Stop" : "Hear this voice";
}
