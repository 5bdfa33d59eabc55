// Plays on the audio thread.

import { outputLatencyS } from "./audio.js";

export class WorkletPlayer {
  name = "AudioWorklet";
  /** @type {import("./player.js").Player["onresume"]} */
  onresume = () => {};
  #context;
  #node;
  #generation = 0; // of resets: what the audio thread says of an earlier one is past
  #resetTo = 0;
  #pushedTo = 0;
  /** What the audio thread said last; the time is the context's. */
  #played = { offset: 0, time: 0, isDry: true };

  /** @param {AudioContext} context */
  static async create(context) {
    await context.audioWorklet.addModule("/web/playback-processor.js");
    return new WorkletPlayer(context);
  }

  /** @param {AudioContext} context */
  constructor(context) {
    this.#context = context;
    this.#node = new AudioWorkletNode(context, "playback", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.#node.connect(context.destination);
    this.#node.port.onmessage = ({ data }) => this.#onReport(data);
  }

  /** @param {Float32Array<ArrayBuffer>} samples */
  push(samples) {
    this.#pushedTo += samples.length;
    this.#node.port.postMessage({ samples }, [samples.buffer]);
  }

  /** @param {number} offset */
  reset(offset) {
    this.#generation += 1;
    this.#resetTo = this.#pushedTo = offset;
    this.#played = { offset, time: 0, isDry: true };
    this.#node.port.postMessage({ generation: this.#generation, offset });
  }

  heard() {
    const { offset, time, isDry } = this.#played;
    const sinceS = this.#context.currentTime - outputLatencyS(this.#context) - time;
    const heard = Math.round(offset + sinceS * this.#context.sampleRate);
    return Math.min(Math.max(heard, this.#resetTo), isDry ? offset : this.#pushedTo);
  }

  /** @param {any} report */
  #onReport({ generation, resumedAfterS, ...played }) {
    if (generation !== this.#generation) return;
    this.#played = played;
    if (resumedAfterS !== undefined) {
      this.onresume(played.offset, resumedAfterS, performance.now());
    }
  }
}
