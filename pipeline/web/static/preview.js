// Lets one voice at a time say a short sentence, beside what the page speaks.

import { SAMPLE_RATE } from "./audio.js";
import { BufferPlayer } from "./buffer-player.js";
import { sampleSentence } from "./sample-sentences.js";
import { askForSpeech } from "./server.js";

const BYTES_PER_SAMPLE = 4;

/**
 * @typedef {object} PreviewHandlers
 * @property {(name: string | null, isHeard: boolean) => void} changed this voice is being tried,
 *   and is heard yet; null: none is
 * @property {(message: string) => void} error in words
 */

export class Preview {
  /** The voice that is being tried. @type {string | null} */
  voice = null;
  #player;
  #handlers;
  #asked = new AbortController();
  #timer = 0;

  /** @param {AudioContext} context @param {PreviewHandlers} handlers */
  constructor(context, handlers) {
    this.#player = new BufferPlayer(context);
    this.#handlers = handlers;
  }

  /** Try a voice; stop if it is the one that is being tried. @param {import("./voices.js").Voice} voice */
  async toggle({ name, language }) {
    const isSame = this.voice === name;
    this.stop();
    if (isSame) return;
    this.voice = name;
    const { signal } = this.#asked;
    this.#handlers.changed(name, false);
    try {
      const body = { text: sampleSentence(language), voice: name, format: "f32le" };
      const answer = await askForSpeech(body, signal);
      const end = await this.#play(/** @type {ReadableStream<Uint8Array>} */ (answer.body), signal);
      this.#stopWhenHeard(end);
    } catch (error) {
      if (signal.aborted) return;
      this.stop();
      this.#handlers.error(`${name} cannot be tried: ${/** @type {Error} */ (error).message}`);
    }
  }

  stop() {
    this.#asked.abort();
    this.#asked = new AbortController();
    clearTimeout(this.#timer);
    this.#player.reset(0);
    if (this.voice === null) return;
    this.voice = null;
    this.#handlers.changed(null, false);
  }

  /**
   * Play what comes; returns how many samples that were.
   * @param {ReadableStream<Uint8Array>} body @param {AbortSignal} signal
   */
  async #play(body, signal) {
    const reader = body.getReader();
    let odd = new Uint8Array(); // the beginning of a sample whose end has not come
    let nSamples = 0;
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return nSamples;
      const bytes = new Uint8Array(odd.length + value.length);
      bytes.set(odd);
      bytes.set(value, odd.length);
      const whole = bytes.length - (bytes.length % BYTES_PER_SAMPLE);
      odd = bytes.slice(whole);
      if (whole === 0) continue;
      if (nSamples === 0) this.#handlers.changed(this.voice, true);
      nSamples += whole / BYTES_PER_SAMPLE;
      this.#player.push(new Float32Array(bytes.buffer, 0, whole / BYTES_PER_SAMPLE));
    }
  }

  /** @param {number} end */
  #stopWhenHeard(end) {
    const restMs = ((end - this.#player.heard()) / SAMPLE_RATE) * 1000;
    if (restMs <= 0) this.stop();
    else this.#timer = setTimeout(() => this.#stopWhenHeard(end), Math.max(restMs, 10));
  }
}
