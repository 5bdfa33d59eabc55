// The text of an utterance, marked as it is heard.

import { CHARS_PER_S, SAMPLE_RATE } from "./audio.js";
import { make } from "./dom.js";
import { partsOf } from "./marking.js";

/** A segment on the page. @typedef {{span: HTMLElement, parts: PartOnPage[], drawn: string}} Line */
/** @typedef {{word: import("./utterance.js").Word | null, span: HTMLElement}} PartOnPage */

export class Transcript {
  #place;
  /** @type {import("./utterance.js").Utterance | null} */
  #utterance = null;
  /** @type {Line[]} */
  #lines = [];
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
    for (const _ of utterance.segments.slice(this.#lines.length)) {
      const span = make("span", "segment");
      this.#rest.before(span);
      this.#lines.push({ span, parts: [], drawn: "" });
    }
    const rest = utterance.state === "waiting" ? utterance.request.text : utterance.unsegmented;
    if (this.#rest.textContent !== rest) this.#rest.textContent = rest;
    utterance.segments.forEach((segment, at) => this.#mark(segment, this.#lines[at], heardTo));
  }

  /** @param {import("./utterance.js").Utterance} utterance */
  #begin(utterance) {
    this.#utterance = utterance;
    this.#lines = [];
    this.#isSplit = false;
    this.#rest.textContent = "";
    this.#place.replaceChildren(this.#rest);
  }

  /**
   * @param {import("./utterance.js").Segment} segment
   * @param {Line} line
   * @param {number} heardTo
   */
  #mark(segment, line, heardTo) {
    const { text, offset, samples, words, remarks } = segment;
    const { span } = line;
    const drawn = `${words.length} ${samples}`;
    if (line.drawn !== drawn) {
      line.drawn = drawn;
      fill(line, segment);
    }
    const isHeard = samples !== null && heardTo >= offset + samples;
    const state = isHeard ? "heard" : heardTo > offset ? "now" : "ahead";
    if (span.dataset.state !== state) {
      span.dataset.state = state;
      if (state === "now") this.#bringIntoView(span);
    }
    if (state === "now") {
      const length = samples ?? (text.length / CHARS_PER_S) * SAMPLE_RATE;
      span.style.setProperty("--done", `${(100 * (heardTo - offset)) / length}%`);
      line.parts.forEach((part) => markWord(part, heardTo));
    }
    const remark = remarks.join(", ");
    if (remark !== "" && span.dataset.remark !== remark) {
      span.dataset.remark = span.title = remark;
    }
  }

  /** Scroll the transcript alone: the page stays where it is. @param {HTMLElement} span */
  #bringIntoView(span) {
    const place = this.#place;
    const box = place.getBoundingClientRect();
    const { top, bottom } = span.getBoundingClientRect();
    if (bottom > box.bottom || top < box.top) place.scrollTop += top - box.top;
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

/** Put a segment's parts on the page. @param {Line} line @param {import("./utterance.js").Segment} segment */
function fill(line, segment) {
  line.parts = partsOf(segment).map(({ text, word, isSilent }) => {
    const span = make("span", isSilent ? "silent" : "", text);
    if (isSilent) span.title = "not spoken";
    if (word !== null) span.dataset.word = "ahead";
    if (word?.isExact === false) span.dataset.estimated = "";
    return { word, span };
  });
  line.span.toggleAttribute("data-words", segment.words.length > 0);
  line.span.replaceChildren(...line.parts.map(({ span }) => span));
}

/** @param {PartOnPage} part @param {number} heardTo */
function markWord({ word, span }, heardTo) {
  if (word === null) return;
  const state = heardTo >= word.to ? "heard" : heardTo > word.from ? "now" : "ahead";
  if (span.dataset.word !== state) span.dataset.word = state;
}
