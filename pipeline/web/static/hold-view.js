// Says so when the machine is slower than speech: how long the wait is, and what would help.

import { asFactor, element, show } from "./dom.js";

const SHORT_MS = 700; // a shorter wait is over before it is read

/** @typedef {import("./voices.js").Voice} Voice */

export class HoldView {
  /** The one that is told. @type {import("./utterance.js").Hold | null} */
  #hold = null;

  /**
   * @param {import("./utterance.js").Utterance} utterance
   * @param {number} bufferedMs sound that has come and is not heard yet
   * @param {Voice | undefined} voice that speaks
   */
  draw(utterance, bufferedMs, voice) {
    const { hold } = utterance;
    const leftMs = hold === null ? 0 : hold.until - performance.now();
    // What is still to be heard of the segment before fills some of the wait, or all of it.
    const isSilent = hold !== null && hold.ms >= SHORT_MS && bufferedMs <= 0;
    const isShown = isSilent && leftMs > 0 && !utterance.isOver;
    if (element("hold").hidden === isShown) element("hold").hidden = !isShown;
    if (!isShown) return;
    if (this.#hold !== hold) {
      this.#hold = hold;
      show("hold-words", waitWords(hold.factor, leftMs));
      show("hold-way", wayOut(voice));
      /** @type {HTMLProgressElement} */ (element("hold-bar")).max = hold.ms;
    }
    /** @type {HTMLProgressElement} */ (element("hold-bar")).value = hold.ms - leftMs;
    show("hold-left", `${Math.ceil(leftMs / 1000)} s`);
  }
}

/** @param {number | null} factor seconds of work for one of speech @param {number} waitMs */
function waitWords(factor, waitMs) {
  const wait = `the sound comes in about ${Math.max(1, Math.round(waitMs / 1000))} s`;
  return `${slowness(factor)}: ${wait}, and then without a gap.`;
}

/** @param {number | null} factor */
function slowness(factor) {
  return factor === null
    ? "This machine is slower than this voice speaks"
    : `This machine needs ${Number(asFactor(factor))} s for a second of speech`;
}

/**
 * What is said of a machine that is too slow, where nothing is held back; empty: it is not.
 * @param {import("./speaker.js").Pacing | null} pacing @param {Voice | undefined} voice
 */
export function gapWarning(pacing, voice) {
  if (pacing === null || pacing.mode !== "asap" || !((pacing.real_time_factor ?? 0) > 1)) return "";
  return `${slowness(pacing.real_time_factor)}: there will be gaps. ${wayOut(voice)}`;
}

/** @param {Voice | undefined} voice */
function wayOut(voice) {
  const quicker = voice?.type === "rvc"
    ? `${voice.speaks_with} without RVC`
    : voice?.type === "neural" ? "a built-in voice" : "a shorter text";
  return `Quicker: ${quicker}, or a GPU.`;
}
