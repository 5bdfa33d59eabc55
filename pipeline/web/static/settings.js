// How the text is to be spoken: a slider for each key of the wire's config, and the language.

import { element, make } from "./dom.js";
import { groupsOf } from "./voice-groups.js";
import { languageName } from "./voices.js";

/**
 * @typedef {object} Dial
 * @property {string} key of the config
 * @property {string} label
 * @property {string} help
 * @property {number} min
 * @property {number} max
 * @property {number} step
 * @property {number | null} preset null: as the voice is set
 * @property {number} start where the slider stands while it is not set
 * @property {(value: number) => string} format
 */

const signed = (/** @type {number} */ n) => `${n > 0 ? "+" : ""}${n}`;
const plain = (/** @type {number} */ n) => String(n);
const semitones = (/** @type {number} */ n) => `${signed(n)} semitones`;

/** Of every voice. @type {Dial[]} */
const DIALS = [
  { key: "speed", label: "Speed", help: "Times as fast as the voice speaks by itself",
    min: 0.5, max: 2, step: 0.05, preset: 1, start: 1, format: (n) => `${n}×` },
  { key: "pitch_shift", label: "Pitch", help: "Added to the voice's own",
    min: -24, max: 24, step: 1, preset: 0, start: 0, format: semitones },
  { key: "volume", label: "Volume", help: "Decibels; above 0 peaks are limited softly",
    min: -40, max: 20, step: 1, preset: 0, start: 0, format: (n) => `${signed(n)} dB` },
];

/** Of RVC voices; they start where ConversionSettings of the server do. @type {Dial[]} */
const RVC_DIALS = [
  { key: "index_rate", label: "Index rate", help: "How far the voice's index draws what is said to how the voice says it",
    min: 0, max: 1, step: 0.05, preset: null, start: 0.75, format: plain },
  { key: "protect", label: "Protect", help: "How much the index may change in breaths and hisses: 0 nothing, 0.5 as much as elsewhere",
    min: 0, max: 0.5, step: 0.01, preset: null, start: 0.33, format: plain },
  { key: "rms_mix_rate", label: "RMS mix rate", help: "Loudness: 0 that of the speech that came in, 1 that of the voice",
    min: 0, max: 1, step: 0.05, preset: null, start: 1, format: plain },
  { key: "filter_radius", label: "Filter radius", help: "Frames of the median filter over the pitch of dio and harvest",
    min: 0, max: 7, step: 1, preset: null, start: 3, format: plain },
  { key: "formant_shift", label: "Formant shift", help: "Up: a smaller throat, at the same pitch",
    min: -12, max: 12, step: 0.5, preset: null, start: 0, format: semitones },
  { key: "speaker", label: "Speaker", help: "Which of the voice's speakers, counted from 0",
    min: 0, max: 108, step: 1, preset: null, start: 0, format: plain },
];

const ALL = [...DIALS, ...RVC_DIALS];
const AS_SET = "as the voice is set";

/** @typedef {import("./voices.js").Voice} Voice */
/** @typedef {Record<string, number | string | null>} Values */

export class Settings {
  /** Called when a person has changed something. */
  onchange = () => {};
  /** What was set; a key that is not in it is as it was at first. @type {Map<string, number>} */
  #set = new Map();
  #language = /** @type {HTMLSelectElement} */ (element("language"));
  #pacing = /** @type {HTMLSelectElement} */ (element("pacing"));
  /** A remembered language, until the list has it. */
  #wantedLanguage = "";

  constructor() {
    // Folded where they would stand between the text and what is heard of it.
    const isWide = matchMedia("(min-width: 62rem)").matches;
    /** @type {HTMLDetailsElement} */ (element("settings")).open = isWide;
    element("dials").append(...DIALS.map((dial) => this.#row(dial)));
    element("rvc-dials").append(...RVC_DIALS.map((dial) => this.#row(dial)));
    this.#language.onchange = () => {
      this.#wantedLanguage = this.#language.value;
      this.#changed();
    };
    this.#pacing.onchange = () => this.#changed();
    element("reset").onclick = () => {
      this.restore({});
      this.onchange();
    };
  }

  /**
   * What differs from the default, as the config has it.
   * @param {Voice | undefined} voice
   * @returns {Values}
   */
  chosen(voice) {
    const dials = voice?.type === "rvc" ? ALL : DIALS;
    /** @type {Values} */
    const values = {};
    for (const { key } of dials) {
      const value = this.#set.get(key);
      if (value !== undefined) values[key] = value;
    }
    if (this.#language.value !== "") values.language = this.#language.value;
    return values;
  }

  /** Every key of the config: what another utterance had set is taken back. @param {Voice | undefined} voice */
  config(voice) {
    const presets = Object.fromEntries(ALL.map(({ key, preset }) => [key, preset]));
    return { ...presets, language: null, ...this.chosen(voice) };
  }

  /** What the connection is to do where the machine is slower than speech. */
  get pacing() {
    return this.#pacing.value;
  }

  /** To be kept, and given to `restore`. @returns {Values} */
  get kept() {
    const { pacing } = this;
    return { ...Object.fromEntries(this.#set), language: this.#wantedLanguage, pacing };
  }

  /** @param {Values} kept */
  restore(kept) {
    this.#set.clear();
    for (const { key, min, max } of ALL) {
      const value = kept[key];
      if (typeof value === "number" && value >= min && value <= max) this.#set.set(key, value);
    }
    this.#wantedLanguage = String(kept.language ?? "");
    this.#language.value = this.#wantedLanguage;
    if (this.#language.selectedIndex < 0) this.#language.value = "";
    this.#pacing.value = kept.pacing === "asap" ? "asap" : "smooth";
    ALL.forEach((dial) => this.#draw(dial));
    this.#summarise();
  }

  /** Offer the languages that can be read. @param {Voice[]} voices */
  offerLanguages(voices) {
    const tags = groupsOf(voices).flatMap((group) => group.voices.map((voice) => voice.language));
    const known = [...new Set(tags)].filter((tag) => tag !== null && tag !== "");
    const options = known.map((tag) => new Option(`${languageName(tag ?? "")} (${tag})`, tag ?? ""));
    options.sort((a, b) => a.text.localeCompare(b.text));
    const first = [new Option("that of the voice", ""), new Option("by the script of the text", "auto")];
    this.#language.replaceChildren(...first, ...options);
    this.#language.value = this.#wantedLanguage;
    if (this.#language.selectedIndex < 0) this.#language.value = "";
    this.#summarise();
  }

  /** Show what a voice of this kind can be told. @param {Voice | undefined} voice */
  fit(voice) {
    element("rvc-settings").hidden = voice?.type !== "rvc";
    this.#summarise();
  }

  /** Offer the choice of a pacing, where the server knows it. @param {boolean} isKnown */
  offerPacing(isKnown) {
    this.#pacing.disabled = !isKnown;
    element("pacing-choice").hidden = !isKnown;
  }

  /** @param {Dial} dial */
  #row(dial) {
    const { key, label, help, min, max, step } = dial;
    const row = make("div", "dial");
    const name = make("label", "", label);
    name.htmlFor = `dial-${key}`;
    name.title = help;
    const output = make("output");
    output.id = `value-${key}`;
    output.htmlFor.add(name.htmlFor);
    const reset = make("button", "quiet icon reset", "↺");
    reset.type = "button";
    reset.id = `reset-${key}`;
    reset.ariaLabel = `${label}: back to ${dial.preset === null ? AS_SET : dial.format(dial.preset)}`;
    reset.title = reset.ariaLabel;
    const range = make("input");
    Object.assign(range, { id: name.htmlFor, type: "range", min, max, step });
    range.title = help;
    const use = (/** @type {number | undefined} */ value) => {
      if (value === undefined || value === dial.preset) this.#set.delete(key);
      else this.#set.set(key, value);
      this.#draw(dial);
      this.#changed();
    };
    range.oninput = () => use(range.valueAsNumber);
    reset.onclick = () => {
      range.focus(); // the button goes
      use(undefined);
    };
    row.append(name, output, reset, range);
    return row;
  }

  /** @param {Dial} dial */
  #draw({ key, preset, start, format }) {
    const range = /** @type {HTMLInputElement} */ (element(`dial-${key}`));
    const value = this.#set.get(key);
    const text = value === undefined && preset === null ? AS_SET : format(value ?? start);
    range.valueAsNumber = value ?? start;
    range.toggleAttribute("data-unset", value === undefined && preset === null);
    range.setAttribute("aria-valuetext", text);
    element(`value-${key}`).textContent = text;
    element(`reset-${key}`).hidden = value === undefined;
  }

  #changed() {
    this.#summarise();
    this.onchange();
  }

  /** Say beside the heading what was set, since it may be folded. */
  #summarise() {
    const isRvc = !element("rvc-settings").hidden;
    const words = (isRvc ? ALL : DIALS)
      .filter(({ key }) => this.#set.has(key))
      .map(({ key, label, format }) => `${label.toLowerCase()} ${format(this.#set.get(key) ?? 0)}`);
    if (this.#language.value !== "") words.push(this.#language.selectedOptions[0].text);
    element("settings-told").textContent = words.join(", ");
    element("reset").hidden = words.length === 0 && this.pacing === "smooth";
  }
}
