// Plays where there is no AudioWorklet: each message is a buffer that starts as the one before
// it ends.

import { outputLatencyS } from "./audio.js";
import { Schedule } from "./schedule.js";

const LEAD_S = 0.02; // the clock that the page sees may be this far behind the sound card's

export class BufferPlayer {
  name = "scheduled buffers";
  /** @type {import("./player.js").Player["onresume"]} */
  onresume = () => {};
  #context;
  #schedule;
  /** @type {Set<AudioBufferSourceNode>} */
  #sources = new Set();
  /** Pushed before the context ran. @type {Float32Array<ArrayBuffer>[]} */
  #early = [];
  #resetTo = 0;

  /** @param {AudioContext} context */
  constructor(context) {
    this.#context = context;
    this.#schedule = new Schedule(context.sampleRate, LEAD_S);
    context.addEventListener("statechange", () => {
      if (context.state === "running") this.#early.splice(0).forEach((one) => this.#play(one));
    });
  }

  /** @param {Float32Array<ArrayBuffer>} samples */
  push(samples) {
    if (this.#context.state === "running") this.#play(samples);
    else this.#early.push(samples);
  }

  /** @param {number} offset */
  reset(offset) {
    this.#early = [];
    this.#sources.forEach((source) => source.stop());
    this.#sources.clear();
    this.#schedule.reset(offset);
    this.#resetTo = offset;
  }

  heard() {
    const nowS = this.#context.currentTime - outputLatencyS(this.#context);
    return Math.max(this.#resetTo, this.#schedule.playedTo(nowS));
  }

  /** @param {Float32Array<ArrayBuffer>} samples */
  #play(samples) {
    const context = this.#context;
    const buffer = context.createBuffer(1, samples.length, context.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(context.destination);
    const nowS = context.currentTime;
    const { offset, startS, silentS } = this.#schedule.push(samples.length, nowS);
    source.start(startS);
    this.#sources.add(source);
    source.onended = () => this.#sources.delete(source);
    if (silentS !== null) {
      this.onresume(offset, silentS, performance.now() + (startS - nowS) * 1000);
    }
  }
}
