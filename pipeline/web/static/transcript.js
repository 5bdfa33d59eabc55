// The text of an utterance, marked as it is heard.

import { CHARS_PER_S, SAMPLE_RATE } from "./audio.js";
import { make } from "./dom.js";

export class Transcript {
  #place;
  /** @type {import("./utterance.js").Utterance | null} */
  #utterance = null;
  /** @type {HTMLElement[]} */
  #spans = [];
  #rest = make("span", "rest");
  #isSplit = false;

  /** @param {HTMLElement} place */
  constructor(place) {
    this.#place = place;
  }

  /** @param {import("./utterance.js").Utterance} utterance @param {number} heardTo */
  draw(utterance, heardTo) {
    if (utterance !== this.#utterance) this.#begin(utterance);
    if (utterance.isOver && utterance.state !== "ended") return this.#drawSplit(utterance);
    for (const segment of utterance.segments.slice(this.#spans.length)) {
      const span = make("span", "", segment.text);
      this.#rest.before(span);
      this.#spans.push(span);
    }
    const rest = utterance.unsegmented;
    if (this.#rest.textContent !== rest) this.#rest.textContent = rest;
    utterance.segments.forEach((segment, at) => this.#mark(segment, this.#spans[at], heardTo));
  }

  /** @param {import("./utterance.js").Utterance} utterance */
  #begin(utterance) {
    this.#utterance = utterance;
    this.#spans = [];
    this.#isSplit = false;
    this.#rest.textContent = "";
    this.#place.replaceChildren(this.#rest);
  }

  /**
   * @param {import("./utterance.js").Segment} segment
   * @param {HTMLElement} span
   * @param {number} heardTo
   */
  #mark({ text, offset, samples, remarks }, span, heardTo) {
    const isBegun = heardTo > offset;
    const isHeard = samples !== null && heardTo >= offset + samples;
    const state = isHeard ? "heard" : isBegun ? "now" : "ahead";
    if (span.dataset.state !== state) span.dataset.state = state;
    if (state === "now") {
      const length = samples ?? (text.length / CHARS_PER_S) * SAMPLE_RATE;
      span.style.setProperty("--done", `${(100 * (heardTo - offset)) / length}%`);
    }
    const remark = remarks.join(", ");
    if (remark !== "" && span.dataset.remark !== remark) {
      span.dataset.remark = span.title = remark;
    }
  }

  /** @param {import("./utterance.js").Utterance} utterance */
  #drawSplit({ split }) {
    const [heard, unheard] = split ?? ["", ""];
    const now = this.#place.querySelector("[data-state=unheard]")?.textContent;
    if (this.#isSplit && now === unheard) return;
    this.#isSplit = true;
    const spans = [make("span", "", heard), make("span", "", unheard)];
    spans[0].dataset.state = "heard";
    spans[1].dataset.state = "unheard";
    this.#place.replaceChildren(...spans);
  }
}
