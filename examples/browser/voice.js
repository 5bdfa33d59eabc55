// A module for web pages: text in, speech out of the loudspeakers, played by an AudioWorklet. Needs
// nothing else; copy it.
//
//   import { Speaker } from "./voice.js";
//   const speaker = await Speaker.open({ url: "ws://localhost:8765/ws/stream", voice: "en-us+m3" });
//   await speaker.speak(["Hello ", "there!"]);       // or anything that can be iterated, async too
//
// Browsers start sound only in answer to a click or a key, so open it there. They have AudioWorklet
// on localhost and over HTTPS alone. The server has to know the page: --allowed-origins.

const SAMPLE_RATE = 48_000;
const N_ATTEMPTS = 8;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 8000;
const MAX_TEXT_CHARS = 8000; // of a message, which may have 64 KiB

// The audio thread's part: a queue of samples, and how many of them were played.
const PROCESSOR = `
registerProcessor("speech", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = [];
    this.nRead = this.nPlayed = 0;
    this.port.onmessage = ({ data }) => {
      if (data) this.queue.push(data);
      else { this.queue = []; this.nRead = this.nPlayed = 0; }
    };
  }
  process(_, [[output]]) {
    let at = 0;
    while (at < output.length && this.queue.length) {
      const rest = this.queue[0].subarray(this.nRead, this.nRead + output.length - at);
      output.set(rest, at);
      at += rest.length;
      this.nRead += rest.length;
      if (this.nRead === this.queue[0].length) { this.queue.shift(); this.nRead = 0; }
    }
    this.nPlayed += at;
    if (at) this.port.postMessage(this.nPlayed);
    return true;
  }
});`;

export class Speaker {
  /** Called with each of the server's events. @type {(event: any) => void} */
  onevent = () => {};
  #url;
  #context;
  #node;
  #nPushed = 0; // samples of the reply, and of them were played:
  #nPlayed = 0;
  #onplayed = () => {};
  #reply;

  /** @param {{url?: string, key?: string, [config: string]: string | undefined}} [options] */
  static async open({ url = "ws://localhost:8765/ws/stream", key, ...config } = {}) {
    const context = new AudioContext({ sampleRate: SAMPLE_RATE });
    const processor = URL.createObjectURL(new Blob([PROCESSOR], { type: "text/javascript" }));
    await context.audioWorklet.addModule(processor);
    URL.revokeObjectURL(processor);
    // A page can add no header to a WebSocket, so the key stands in the URL.
    const seed = String(Math.floor(Math.random() * 2 ** 32)); // what is said again sounds as it did
    const query = new URLSearchParams({ events: "true", seed, ...config, ...(key && { key }) });
    return new Speaker(context, `${url}?${query}`);
  }

  /** @param {AudioContext} context @param {string} url */
  constructor(context, url) {
    this.#url = url;
    this.#context = context;
    this.#node = new AudioWorkletNode(context, "speech", { outputChannelCount: [1] });
    this.#node.connect(context.destination);
    this.#node.port.onmessage = ({ data }) => {
      this.#nPlayed = data;
      this.#onplayed();
    };
  }

  /** The milliseconds of the reply that were played. */
  get playedMs() {
    return (1000 * this.#nPlayed) / SAMPLE_RATE;
  }

  /**
   * Speaks tokens as they come. Resolves when the last of it has been played, or with the event
   * `cancelled`, whose `text_spoken` is what was heard, after `interrupt`.
   * @param {AsyncIterable<string> | Iterable<string>} tokens
   */
  async speak(tokens) {
    if (this.#reply) throw new Error("a reply is being spoken: interrupt it first");
    const reply = {
      text: "",
      spoken: [], // of each segment that has come whole, its text and the sample at which it ends
      torn: { text: "", nSamples: 0 }, // of the one that has come in part
      isComplete: false,
      isInterrupted: false,
      outcome: undefined, // the last event
      changed: () => {},
    };
    this.#reply = reply;
    this.#silence();
    await this.#context.resume();
    try {
      const writing = write(reply, tokens);
      await this.#stayConnected(reply);
      if (reply.isComplete) await writing;
      return reply.outcome;
    } finally {
      this.#reply = undefined;
    }
  }

  /** Falls silent at once; `speak` then resolves. */
  interrupt() {
    if (!this.#reply || this.#reply.isInterrupted) return;
    this.#reply.isInterrupted = true;
    this.#reply.playedMs = this.playedMs;
    this.#silence();
    this.#reply.changed();
    this.#onplayed();
  }

  /** Gives the loudspeakers back. */
  async close() {
    this.interrupt();
    await this.#context.close();
  }

  #silence() {
    this.#node.port.postMessage(null);
    this.#nPushed = this.#nPlayed = 0;
  }

  async #stayConnected(reply) {
    let attempt = 0;
    while (!reply.outcome) {
      const nPushed = this.#nPushed;
      try {
        await this.#talk(reply);
      } catch (error) {
        if (reply.isInterrupted) return;
        if (this.#nPushed > nPushed) attempt = 0;
        if (++attempt >= N_ATTEMPTS) throw error;
        // By chance, so that a thousand pages do not come back at the same moment.
        const waitMs = Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 4 ** (attempt - 1));
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  /** One connection. It goes on behind the last sample that came on the one before: docs/resume.md. */
  #talk(reply) {
    const socket = new WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    // All of the text is told, so that it is read as before, and how much of its sound is there.
    const resume = (reply.spoken.length || this.#nPushed) && {
      resume_samples: reply.torn.nSamples,
      resume_heard_chars: nSpoken(reply),
      resume_torn_chars: nChars(reply.torn.text),
    };
    const begin = this.#nPushed - reply.torn.nSamples; // of this stream, in the reply's
    const open = []; // segments that have begun
    let nHeard = 0; // characters
    let nSent = 0;
    let isFlushed = false;
    const send = (message) => socket.send(JSON.stringify(message));
    reply.changed = () => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (reply.isInterrupted) {
        send({ cancel: true, played_ms: Math.max(0, reply.playedMs - (1000 * begin) / SAMPLE_RATE) });
        return;
      }
      if (resume && !nSent) send({ config: resume });
      for (; nSent < reply.text.length; nSent += MAX_TEXT_CHARS) {
        send({ token: reply.text.slice(nSent, nSent + MAX_TEXT_CHARS) });
      }
      nSent = reply.text.length;
      if (reply.isComplete && !isFlushed) {
        isFlushed = true;
        send({ flush: true });
      }
    };
    socket.onopen = () => reply.changed();
    return new Promise((resolve, reject) => {
      let hasAll = false;
      const end = (event) => {
        reply.outcome = event;
        socket.onclose = null;
        socket.close();
        resolve(undefined);
      };
      socket.onclose = ({ code, reason }) => {
        if (hasAll && !reply.isInterrupted) return; // it is played to its end without the server
        reject(new Error(`the voice server cannot be reached: ${code} ${reason}`));
      };
      const noteTorn = () => {
        if (!open.length || nHeard !== nSpoken(reply)) return;
        const [{ text, sample_offset: start }] = open;
        reply.torn = { text, nSamples: Math.max(0, this.#nPushed - begin - start) };
      };
      socket.onmessage = ({ data }) => {
        if (typeof data !== "string") {
          if (reply.isInterrupted) return;
          const samples = new Float32Array(data);
          this.#nPushed += samples.length;
          this.#node.port.postMessage(samples, [data]);
          noteTorn();
          return;
        }
        const event = JSON.parse(data);
        if (event.event === "segment_start") open.push(event);
        if (event.event === "segment_end") {
          const { text } = open.shift();
          nHeard += nChars(text);
          if (nHeard > nSpoken(reply)) {
            reply.spoken.push({ text, end: begin + event.sample_offset + event.samples });
            reply.torn = { text: "", nSamples: 0 };
          }
        }
        noteTorn();
        if (event.event === "cancelled") {
          const nPlayed = (reply.playedMs * SAMPLE_RATE) / 1000;
          if (!nSent || nPlayed < begin) { // else the server knows
            const played = reply.spoken.filter(({ end }) => end <= nPlayed);
            event.text_spoken = played.map(({ text }) => text).join("");
            event.text_remaining = reply.text.slice(event.text_spoken.length);
          }
        }
        this.onevent(event);
        if (event.event === "cancelled" || event.fatal) end(event);
        if (event.event === "flushed") {
          // It came long before its sound is heard: until then it can be interrupted.
          hasAll = true;
          this.#playedToTheEnd(reply).then(() => reply.isInterrupted || end(event));
        }
      };
    });
  }

  #playedToTheEnd(reply) {
    return new Promise((resolve) => {
      this.#onplayed = () => {
        if (this.#nPlayed < this.#nPushed && !reply.isInterrupted) return;
        this.#onplayed = () => {};
        resolve(undefined);
      };
      this.#onplayed();
    });
  }
}

/** Characters as the server counts them: an emoji is one. */
function nChars(text) {
  return [...text].length;
}

/** Characters whose sound has come whole. */
function nSpoken(reply) {
  return reply.spoken.reduce((sum, { text }) => sum + nChars(text), 0);
}

async function write(reply, tokens) {
  try {
    for await (const token of tokens) {
      if (reply.outcome || reply.isInterrupted) return;
      reply.text += token;
      reply.changed();
    }
  } finally {
    reply.isComplete = true;
    reply.changed();
  }
}
