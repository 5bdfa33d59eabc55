// A simulated listener: has one text after another read to it, and hears nothing.

import { SAMPLE_RATE } from "./audio.js";
import { SAMPLES } from "./samples.js";
import { SilentPlayer } from "./silent-player.js";
import { Speaker } from "./speaker.js";

const AGAIN_AFTER_MS = 1_000; // after a failure

export class Listener {
  nSpoken = 0;
  nErrors = 0;
  error = ""; // the last one
  receivedS = 0; // of speech
  /** Of the last text that began. @type {number | null} */
  firstAudioMs = null;
  #speaker;
  #style;
  #nextSample;
  #began;
  #timer = 0;
  #nPastGaps = 0;
  /** @type {number | null} */
  #lastFactor = null;
  /** Whose beginning, and whose end, was noted last. */
  #begun = /** @type {import("./utterance.js").Utterance | null} */ (null);
  #ended = /** @type {import("./utterance.js").Utterance | null} */ (null);

  /**
   * @param {number} number of its first text
   * @param {{voice: string, tokensPerS: number | null}} style
   * @param {number} delayMs until it comes
   * @param {(firstAudioMs: number) => void} began it hears a text, so long after that was there
   */
  constructor(number, style, delayMs, began) {
    this.#style = style;
    this.#nextSample = number;
    this.#began = began;
    this.#speaker = new Speaker(new SilentPlayer(), {
      changed: () => this.#changed(),
      error: (message) => {
        this.nErrors += 1;
        this.error = message;
      },
      sound: (samples) => this.#onSound(samples),
    });
    this.#timer = setTimeout(() => this.#speakNext(), delayMs);
  }

  /** In a word. */
  get state() {
    if (["waiting", "starting", "locked"].includes(this.#speaker.connection.state)) return "refused";
    return this.#speaker.utterance?.state ?? "arriving";
  }

  get realTimeFactor() {
    return this.#speaker.utterance?.realTimeFactor ?? this.#lastFactor;
  }

  get nGaps() {
    const { utterance } = this.#speaker;
    return this.#nPastGaps + (utterance === this.#ended ? 0 : (utterance?.nGaps ?? 0));
  }

  leave() {
    clearTimeout(this.#timer);
    this.#ended = this.#speaker.utterance;
    this.#speaker.connection.sleep();
    this.#speaker.stop();
  }

  #speakNext() {
    const text = SAMPLES[this.#nextSample++ % SAMPLES.length];
    const { voice, tokensPerS } = this.#style;
    this.#speaker.speak({ text, config: { voice }, tokensPerS });
  }

  /** @param {Float32Array} samples */
  #onSound(samples) {
    const { utterance } = this.#speaker;
    this.receivedS += samples.length / SAMPLE_RATE;
    if (utterance === null || utterance === this.#begun) return;
    this.#begun = utterance;
    this.firstAudioMs = utterance.firstAudioMs;
    if (this.firstAudioMs !== null) this.#began(this.firstAudioMs);
  }

  #changed() {
    const { utterance } = this.#speaker;
    if (utterance === null || !utterance.isOver || utterance === this.#ended) return;
    this.#nPastGaps = this.nGaps;
    this.#ended = utterance;
    this.#lastFactor = utterance.realTimeFactor;
    const isWhole = utterance.state === "ended";
    if (isWhole) this.nSpoken += 1;
    this.#timer = setTimeout(() => this.#speakNext(), isWhole ? 0 : AGAIN_AFTER_MS);
  }
}
