// A client for Node: text in, sound and events out, over one WebSocket. Where it breaks, or a server
// dies, the next one goes on at the sample behind the last that came (docs/resume.md).
//
//   npm install ws
//   ollama run llama3.2 "Tell me a story." | node examples/node/voice.js | aplay -f S16_LE -r 48000
'use strict';

const WebSocket = require('ws');

const URL_BY_DEFAULT = 'ws://localhost:8765/ws/stream';
const N_ATTEMPTS = 8;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 8000;
const MAX_TEXT_CHARS = 8000; // of a message, which may have 64 KiB

/**
 * One reply, spoken while it is being written.
 *
 *   const speaker = new Speaker({ voice: 'en-us+m3' });
 *   for await (const heard of speaker.speak(tokens)) {
 *     if (Buffer.isBuffer(heard)) play(heard); else console.log(heard.event ?? heard.error);
 *   }
 */
class Speaker {
  #url;
  #headers;
  #text = '';
  #nSamples = 0; // that have come
  #spoken = []; // of each segment that has come whole, its text and where in these samples it ends
  #torn = { text: '', nSamples: 0 }; // of the one that has come in part
  #isComplete = false;
  #interruptedAt; // the milliseconds that were played
  #isOver = false;
  #failure; // of the model
  #changed = () => {};

  /** @param {{url?: string, key?: string, [config: string]: string | undefined}} [options] */
  constructor({ url = URL_BY_DEFAULT, key, ...config } = {}) {
    const seed = String(Math.floor(Math.random() * 2 ** 32)); // what is said again sounds as it did
    const query = new URLSearchParams({ encoding: 's16le', events: 'true', seed, ...config });
    this.#url = `${url}?${query}`;
    this.#headers = key ? { authorization: `Bearer ${key}` } : {};
  }

  /**
   * Yields sound (Buffers) and events (objects) until all has been spoken. Whoever reads slowly
   * slows the server down, and nothing piles up here.
   * @param {AsyncIterable<string> | Iterable<string>} tokens
   */
  async *speak(tokens) {
    this.#write(tokens);
    let attempt = 0;
    while (!this.#isOver) {
      const nSamples = this.#nSamples;
      try {
        yield* this.#talk();
      } catch (error) {
        if (this.#interruptedAt !== undefined) return;
        if (this.#nSamples > nSamples) attempt = 0;
        if (error.isFinal || ++attempt >= N_ATTEMPTS) throw error;
        // By chance, so that a thousand clients do not come back at the same moment.
        const waitMs = Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 4 ** (attempt - 1));
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
    if (this.#failure) throw this.#failure;
  }

  /** Stops: `cancelled` is the last event. @param {number} [playedMs] what a player has played */
  interrupt(playedMs = null) {
    this.#interruptedAt = playedMs;
    this.#changed();
  }

  /** Characters whose sound has come whole. */
  get #nSpoken() {
    return this.#spoken.reduce((sum, { text }) => sum + nChars(text), 0);
  }

  async #write(tokens) {
    try {
      for await (const token of tokens) {
        if (this.#isOver || this.#interruptedAt !== undefined) return;
        this.#text += token;
        this.#changed();
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#isComplete = true;
    this.#changed();
  }

  /** One connection. It goes on behind the last sample that came on the one before. */
  async *#talk() {
    const socket = new WebSocket(this.#url, { headers: this.#headers });
    const heard = [];
    let wake = () => {};
    let failure;
    socket.on('message', (data, isBinary) => {
      heard.push(isBinary ? data : JSON.parse(data));
      if (heard.length > 16) socket.pause();
      wake();
    });
    socket.on('unexpected-response', (request, response) => {
      failure = new Error(`the server answers ${response.statusCode}`);
      failure.isFinal = response.statusCode !== 503;
      request.destroy();
      wake();
    });
    socket.on('error', (error) => { failure ??= error; });
    socket.on('close', (code) => {
      failure ??= new Error(`the connection was closed: ${code}`);
      wake();
    });

    // All of the text is told, so that it is read as before, and how much of its sound is there.
    const resume = this.#spoken.length || this.#nSamples ? {
      resume_samples: this.#torn.nSamples,
      resume_heard_chars: this.#nSpoken,
      resume_torn_chars: nChars(this.#torn.text),
    } : undefined;
    const begin = this.#nSamples - this.#torn.nSamples; // of this stream, in the reply's
    const open = []; // segments that have begun
    let rate = 48_000;
    let frameBytes = 2; // of s16le
    let nHeard = 0; // characters
    let nSent = 0;
    let isFlushed = false;
    const send = (message) => socket.send(JSON.stringify(message));
    this.#changed = () => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (this.#interruptedAt !== undefined) {
        const playedMs = this.#interruptedAt;
        const before = (1000 * begin) / rate;
        send({ cancel: true, played_ms: playedMs === null ? null : Math.max(0, playedMs - before) });
        return;
      }
      if (resume && !nSent) send({ config: resume });
      for (; nSent < this.#text.length; nSent += MAX_TEXT_CHARS) {
        send({ token: this.#text.slice(nSent, nSent + MAX_TEXT_CHARS) });
      }
      nSent = this.#text.length;
      if (this.#isComplete && !isFlushed) {
        isFlushed = true;
        send({ flush: true });
      }
    };
    socket.on('open', this.#changed);

    try {
      while (!this.#isOver) {
        while (!heard.length) {
          if (failure) throw failure;
          await new Promise((resolve) => { wake = resolve; });
        }
        const item = heard.shift();
        if (socket.isPaused && heard.length < 8) socket.resume();
        if (Buffer.isBuffer(item)) this.#nSamples += item.length / frameBytes;
        if (item.event === 'ready') [rate, frameBytes] = [item.sample_rate, 2 * item.channels];
        if (item.event === 'segment_start') open.push(item);
        if (item.event === 'segment_end') {
          const { text } = open.shift();
          nHeard += nChars(text);
          if (nHeard > this.#nSpoken) {
            this.#spoken.push({ text, end: begin + item.sample_offset + item.samples });
            this.#torn = { text: '', nSamples: 0 };
          }
        }
        if (open.length && nHeard === this.#nSpoken) {
          const [{ text, sample_offset: start }] = open;
          this.#torn = { text, nSamples: Math.max(0, this.#nSamples - begin - start) };
        }
        if (item.event === 'cancelled') {
          const nPlayed = this.#interruptedAt === null
            ? this.#nSamples : (this.#interruptedAt * rate) / 1000;
          if (!nSent || nPlayed < begin) { // else the server knows
            const played = this.#spoken.filter(({ end }) => end <= nPlayed);
            item.text_spoken = played.map(({ text }) => text).join('');
            item.text_remaining = this.#text.slice(item.text_spoken.length);
          }
        }
        this.#isOver = item.event === 'flushed' || item.event === 'cancelled' || item.fatal === true;
        yield item;
      }
    } finally {
      this.#changed = () => {};
      socket.terminate();
    }
  }
}

/** Characters as the server counts them: an emoji is one. */
function nChars(text) {
  return [...text].length;
}

async function main() {
  const { once } = require('node:events');
  const { parseArgs } = require('node:util');
  const strings = Object.fromEntries(['url', 'voice', 'key'].map((name) => [name, { type: 'string' }]));
  const options = parseArgs({ options: strings }).values;
  const speaker = new Speaker({ ...options });
  process.once('SIGINT', () => speaker.interrupt());
  process.stdin.setEncoding('utf8');
  for await (const heard of speaker.speak(process.stdin)) {
    if (Buffer.isBuffer(heard)) {
      if (!process.stdout.write(heard)) await once(process.stdout, 'drain');
    } else if (heard.error) {
      console.error(heard.error);
    }
  }
  process.stdin.destroy();
}

if (require.main === module) {
  main().catch((error) => {
    console.error(`the voice server cannot be reached: ${error.message}`);
    process.exitCode = 1;
    process.stdin.destroy();
  });
}

module.exports = { Speaker };
