// What is known of one utterance: its segments, and how long things took. Times are
// milliseconds of performance.now(), offsets are samples of the connection's stream.

import { SAMPLE_RATE } from "./audio.js";

/**
 * @typedef {object} SpeakRequest
 * @property {string} text
 * @property {object} config as the wire has it, with every key that another request may have set
 * @property {number | null} tokensPerS how fast the text trickles in; null: all at once
 *
 * @typedef {object} Word
 * @property {number} begin where it stands in the text of its segment
 * @property {number} end
 * @property {number} from the offset of its sound
 * @property {number} to
 * @property {boolean} isExact else its times are estimated
 *
 * @typedef {object} Segment
 * @property {number} index
 * @property {string} text as it was sent
 * @property {string} spoken as the engine got it
 * @property {number} offset
 * @property {number | null} samples null: not all has come
 * @property {Word[]} words those whose times have come
 * @property {string[]} remarks
 * @property {Record<string, number | null>} latencyMs what the server says
 *
 * @typedef {object} Hold sound that is held back, so that it plays without a gap
 * @property {number} until
 * @property {number} ms the whole of it
 * @property {number | null} factor seconds of work for one of speech
 *
 * @typedef {"waiting" | "speaking" | "ended" | "stopped" | "lost" | "failed"} UtteranceState
 * Waiting: for a connection. Stopped: by the listener. Lost: with the connection.
 */

export class Utterance {
  /** @type {UtteranceState} */
  state = "waiting";
  /** @type {Segment[]} */
  segments = [];
  sentText = "";
  /** The last one. @type {Hold | null} */
  hold = null;
  /** @type {number | null} */
  firstMessageAt = null;
  /** When its first sample was given to the audio clock. @type {number | null} */
  firstSoundAt = null;
  /** Of the stream, once it is known. @type {number | null} */
  endOffset = null;
  /** Whether the connection broke before all had come. */
  isCut = false;
  /** Where the ear was as it was over. @type {number | null} */
  heardTo = null;
  nGaps = 0;
  gapS = 0;
  /** What was heard and what was not, once it is over. @type {[string, string] | null} */
  split = null;
  #busyMs = 0;
  #soundS = 0;
  #lastEndAt = -Infinity;
  /** How long the text was, and when, at each send. @type {[number, number][]} */
  #sends = [];

  /** @param {SpeakRequest} request @param {number} askedAt */
  constructor(request, askedAt) {
    this.request = request;
    this.askedAt = askedAt;
  }

  get isOver() {
    return this.state !== "waiting" && this.state !== "speaking";
  }

  /** Seconds of work for one of speech, as it looks from here; null: nothing has come yet. */
  get realTimeFactor() {
    return this.#soundS > 0 ? this.#busyMs / 1000 / this.#soundS : null;
  }

  /** From when the text of the first segment was sent to its first message; null: not yet. */
  get firstAudioMs() {
    if (this.firstMessageAt === null || this.segments.length === 0) return null;
    return this.firstMessageAt - this.#sentAt(this.segments[0].text.length);
  }

  /** The text that was sent and is in no segment yet. */
  get unsegmented() {
    return this.sentText.slice(this.#nSegmented());
  }

  /** How much of the text that was sent is still to be spoken. */
  get nUnspokenChars() {
    return this.segments.reduce(
      (n, { text, samples }) => n + (samples === null ? text.length : 0),
      this.unsegmented.length,
    );
  }

  /** @param {string} text */
  sent(text) {
    this.sentText += text;
    this.#sends.push([this.sentText.length, performance.now()]);
  }

  /** @param {any} event a segment_start */
  segmentStarted({ segment, text, spoken, sample_offset: offset, pacing }) {
    this.segments.push({
      index: segment, text, spoken, offset, samples: null, words: [], remarks: [], latencyMs: {},
    });
    const { hold_ms: ms = 0, real_time_factor: factor = null } = pacing ?? {};
    this.hold = ms > 0 ? { until: performance.now() + ms, ms, factor } : null;
  }

  /** @param {any} event */
  wordsTold({ segment: index, words }) {
    const segment = this.segments.find((one) => one.index === index);
    if (segment === undefined) return;
    const at = unitsOf(segment.text);
    segment.words.push(
      ...words.map((/** @type {any} */ word) => ({
        begin: at(word.char[0]),
        end: at(word.char[1]),
        from: word.start_sample,
        to: word.end_sample,
        isExact: word.exact,
      })),
    );
  }

  /** @param {any} event a segment_end */
  segmentEnded({ segment: index, samples, remarks, latency_ms: latencyMs }) {
    const segment = this.segments.find((one) => one.index === index);
    if (segment === undefined) return;
    Object.assign(segment, { samples, latencyMs });
    segment.remarks.push(...remarks); // behind the error, if it failed
    // The work on it began when its text was there and the one before it was done. The wait
    // for what follows a full stop is no work.
    const now = performance.now();
    const sentAt = this.#sentAt(this.#nSegmented());
    this.#busyMs += now - Math.max(this.#lastEndAt, sentAt + (latencyMs.wait ?? 0));
    this.#soundS += samples / SAMPLE_RATE;
    this.#lastEndAt = now;
  }

  /** @param {number} index @param {string} remark */
  segmentFailed(index, remark) {
    const segment = this.segments.find((one) => one.index === index);
    if (segment !== undefined) segment.remarks.push(remark);
  }

  /**
   * The player went on after it had run dry.
   * @param {number} offset @param {number} silentS @param {number} at
   */
  resumed(offset, silentS, at) {
    if (this.firstSoundAt === null) {
      this.firstSoundAt = at;
    } else if (!this.segments.some((one) => one.offset + (one.samples ?? NaN) === offset)) {
      this.nGaps += 1; // between segments it only waits for text
      this.gapS += silentS;
    }
  }

  /**
   * It is over. What was heard of the text is told by whole segments, until the server knows it
   * better.
   * @param {"ended" | "stopped" | "lost" | "failed"} state @param {number} heardTo
   */
  end(state, heardTo) {
    this.state = state;
    this.heardTo = heardTo;
    const whole = this.segments.filter((one) => one.offset + (one.samples ?? NaN) <= heardTo);
    const spoken = whole.map((one) => one.text).join("");
    this.split = [spoken, this.request.text.slice(spoken.length)];
  }

  /** When this many characters had been sent. @param {number} nChars */
  #sentAt(nChars) {
    return this.#sends.find(([n]) => n >= nChars)?.[1] ?? this.askedAt;
  }

  #nSegmented() {
    return this.segments.reduce((n, { text }) => n + text.length, 0);
  }
}

/**
 * From the place of a character, as the server counts, to that in a JavaScript string, where some
 * characters are two units long.
 * @param {string} text
 * @returns {(place: number) => number}
 */
function unitsOf(text) {
  if (!/[\uD800-\uDFFF]/.test(text)) return (place) => place;
  const ends = [0];
  for (const char of text) ends.push((ends.at(-1) ?? 0) + char.length);
  return (place) => ends[place];
}
