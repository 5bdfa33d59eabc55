// The voice that speaks: chosen in the dialog, remembered, and told of on the page.

import { element } from "./dom.js";
import { Uploads } from "./upload.js";
import { VoicePicker, isKnown, markPreview, termsBadge } from "./voice-picker.js";
import { kindOf } from "./voices.js";

const UNKNOWN = "Nobody has said whose voice this is, and on what terms it may be used.";

/** @typedef {import("./voices.js").Voice} Voice */

/**
 * @typedef {object} ChosenVoiceHandlers
 * @property {(isByPerson: boolean) => void} changed
 * @property {(voice: Voice) => void} preview
 * @property {() => void} closed the dialog is
 */

export class ChosenVoice {
  /** The voice; empty until the voices are known. */
  name = "";
  /** What is to be remembered; null: nobody has chosen, and the server's default speaks. @type {string | null} */
  wanted = null;
  #voices;
  #handlers;
  #picker;

  /** @param {import("./voices.js").Voices} voices @param {ChosenVoiceHandlers} handlers */
  constructor(voices, handlers) {
    this.#voices = voices;
    this.#handlers = handlers;
    const uploads = new Uploads(voices, {
      begun: () => this.#picker.isOpen || this.#picker.open(this.name),
      added: (name) => {
        this.choose(name);
        this.#picker.fill(name);
      },
    });
    this.#picker = new VoicePicker(voices, {
      chosen: (name) => this.choose(name),
      preview: handlers.preview,
      remove: (voice) => uploads.remove(voice),
      closed: handlers.closed,
    });
    for (const id of ["voice", "add-voice"]) {
      element(id).onclick = () => this.#picker.open(this.name);
    }
    element("preview").onclick = () => this.voice && handlers.preview(this.voice);
    voices.watch(() => this.#loaded());
  }

  get voice() {
    return this.#voices.get(this.name);
  }

  /**
   * The voice as the config has it; without it the server's default speaks.
   * @returns {Record<string, string>}
   */
  get config() {
    const name = this.name || this.wanted; // before the voices are known, what is remembered
    return name === null ? {} : { voice: name };
  }

  get isBeingChosen() {
    return this.#picker.isOpen;
  }

  /** @param {string} name */
  choose(name) {
    if (this.wanted === name && this.name === name) return;
    this.wanted = name;
    element("voice-gone").textContent = "";
    this.#use(name, true);
  }

  /** Mark the voice that is being tried. @param {string | null} name @param {boolean} isHeard */
  previewed(name, isHeard) {
    this.#picker.previewed(name, isHeard);
    markPreview(element("preview"), this.name, name === this.name, isHeard);
  }

  #loaded() {
    const { preset } = this.#voices;
    const isGone = this.wanted !== null && this.#voices.get(this.wanted) === undefined;
    element("voice-gone").textContent = isGone
      ? `The voice ${this.wanted} is not here any more: ${preset} speaks in its place.`
      : "";
    this.#use(this.wanted === null || isGone ? preset : this.wanted, false);
    if (this.#picker.isOpen) this.#picker.fill(this.name);
  }

  /** @param {string} name @param {boolean} isByPerson */
  #use(name, isByPerson) {
    this.name = name;
    const voice = this.voice;
    const button = /** @type {HTMLButtonElement} */ (element("voice"));
    button.value = name;
    element("voice-name").textContent = name;
    markPreview(element("preview"), name, false, false);
    /** @type {HTMLButtonElement} */ (element("preview")).disabled = voice === undefined;
    if (voice !== undefined) {
      element("voice-kind").textContent = kindOf(voice);
      element("voice-title").textContent = name;
      element("voice-description").textContent = voice.description;
      element("voice-terms").replaceChildren(termsBadge(voice), ` ${isKnown(voice) ? voice.licence : UNKNOWN}`);
    }
    this.#handlers.changed(isByPerson);
  }
}

