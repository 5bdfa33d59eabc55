// Plays to nobody, in the time it would take.

import { SAMPLE_RATE } from "./audio.js";
import { Schedule } from "./schedule.js";

export class SilentPlayer {
  /** @type {import("./player.js").Player["onresume"]} */
  onresume = () => {};
  #schedule = new Schedule(SAMPLE_RATE, 0);

  /** @param {Float32Array} samples */
  push(samples) {
    const now = performance.now();
    const { offset, silentS } = this.#schedule.push(samples.length, now / 1000);
    if (silentS !== null) this.onresume(offset, silentS, now);
  }

  /** @param {number} offset */
  reset(offset) {
    this.#schedule.reset(offset);
  }

  heard() {
    return this.#schedule.playedTo(performance.now() / 1000);
  }
}
