// The sound around the ear: what was heard on the left of the line, what is to come on its right.

import { SAMPLE_RATE } from "./audio.js";

const BUCKET = SAMPLE_RATE / 40; // samples a bar
const BAR_PX = 3;
const PITCH_PX = 5; // from bar to bar
const EAR = 0.6; // where the line is, of the width
const QUIETEST = 0.02; // drawn of silence, so that it is seen to be sound

export class Waveform {
  #canvas;
  /** The loudest sample of each bar since `#from`. @type {number[]} */
  #peaks = [];
  #from = 0;
  #drawn = "";

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
  }

  clear() {
    this.#peaks = [];
  }

  /** @param {Float32Array} samples @param {number} offset of the first, in the stream */
  add(samples, offset) {
    if (this.#peaks.length === 0) this.#from = offset;
    for (let at = 0; at < samples.length; at += 1) {
      const bar = Math.floor((offset - this.#from + at) / BUCKET);
      const loud = Math.abs(samples[at]);
      if (!(this.#peaks[bar] >= loud)) this.#peaks[bar] = loud;
    }
  }

  /** @param {number} heardTo @param {number[]} cuts offsets at which segments begin */
  draw(heardTo, cuts) {
    const canvas = this.#canvas;
    const ratio = devicePixelRatio;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    const style = getComputedStyle(canvas);
    const [heard, ahead, line] = ["--accent", "--faint", "--line"].map((name) =>
      style.getPropertyValue(name),
    );
    const now = [heardTo, this.#peaks.length, width, height, heard].join();
    if (now === this.#drawn || width === 0) return;
    this.#drawn = now;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.scale(ratio, ratio);
    const earX = Math.round(width * EAR);
    /** @param {number} offset */
    const x = (offset) => earX + ((offset - heardTo) / BUCKET) * PITCH_PX;

    pen.fillStyle = line;
    for (const cut of cuts) pen.fillRect(x(cut) - 1, 0, 1, height);
    const first = Math.max(0, Math.floor((heardTo - this.#from) / BUCKET - earX / PITCH_PX));
    const last = Math.min(this.#peaks.length, first + Math.ceil(width / PITCH_PX) + 2);
    for (let bar = first; bar < last; bar += 1) {
      const left = x(this.#from + bar * BUCKET);
      const size = Math.max(QUIETEST, Math.sqrt(this.#peaks[bar] ?? 0)) * (height - 8);
      pen.fillStyle = left < earX ? heard : ahead;
      pen.beginPath();
      pen.roundRect(left, (height - size) / 2, BAR_PX, size, 1.5);
      pen.fill();
    }
    pen.fillStyle = heard;
    pen.fillRect(earX, 0, 1, height);
  }
}
