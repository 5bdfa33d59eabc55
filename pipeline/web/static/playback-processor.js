// The audio thread's part of the worklet player: a queue of samples.

const REPORT_EVERY_FRAMES = 1024; // 21 ms: what the page interpolates over

class PlaybackProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.reset({ generation: 0, offset: 0 });
    this.port.onmessage = ({ data }) => {
      if (data.samples === undefined) this.reset(data);
      else this.queue.push(data.samples);
    };
  }

  reset({ generation, offset }) {
    this.generation = generation;
    this.offset = offset; // of the next sample to play
    this.queue = [];
    this.nRead = 0; // of the first in the queue
    this.isDry = true;
    this.nSilent = 0;
    this.nUnreported = 0;
  }

  process(_inputs, [[output]]) {
    let at = 0;
    while (at < output.length && this.queue.length > 0) {
      if (this.isDry) this.resume(at);
      const rest = this.queue[0].subarray(this.nRead, this.nRead + output.length - at);
      output.set(rest, at);
      at += rest.length;
      this.nRead += rest.length;
      if (this.nRead === this.queue[0].length) {
        this.queue.shift();
        this.nRead = 0;
      }
    }
    this.offset += at;
    this.nUnreported += at;
    const hasRunDry = at < output.length && !this.isDry;
    if (at < output.length) {
      this.isDry = true;
      this.nSilent += output.length - at;
    }
    if (hasRunDry || this.nUnreported >= REPORT_EVERY_FRAMES) this.report(at);
    return true;
  }

  resume(at) {
    const resumedAfterS = (this.nSilent + at) / sampleRate;
    this.isDry = false;
    this.nSilent = 0;
    this.report(at, { resumedAfterS });
  }

  /** Say where the stream is at this frame of the block. */
  report(at, more = {}) {
    const { generation, offset, isDry } = this;
    this.nUnreported = 0;
    this.port.postMessage({ generation, offset, isDry, time: currentTime + at / sampleRate, ...more });
  }
}

registerProcessor("playback", PlaybackProcessor);
