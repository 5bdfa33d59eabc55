// A client for Node: text in, sound and events out, over one WebSocket that is opened again when it
// breaks.
//
//   npm install ws
//   ollama run llama3.2 "Tell me a story." | node examples/node/voice.js | aplay -f S16_LE -r 48000
'use strict';

const WebSocket = require('ws');

const URL_BY_DEFAULT = 'ws://localhost:8765/ws/stream';
const N_ATTEMPTS = 8;
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
  #nSpoken = 0; // characters whose segments were heard to their end
  #isComplete = false;
  #interruptedAt; // the milliseconds that were played
  #isOver = false;
  #failure; // of the model
  #changed = () => {};

  /** @param {{url?: string, key?: string, [config: string]: string | undefined}} [options] */
  constructor({ url = URL_BY_DEFAULT, key, ...config } = {}) {
    const query = new URLSearchParams({ encoding: 's16le', events: 'true', ...config });
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
      const nSpoken = this.#nSpoken;
      try {
        yield* this.#talk();
      } catch (error) {
        if (this.#interruptedAt !== undefined) return;
        if (this.#nSpoken > nSpoken) attempt = 0;
        if (error.isFinal || ++attempt >= N_ATTEMPTS) throw error;
        // By chance, so that a thousand clients do not come back at the same moment.
        const waitMs = Math.random() * Math.min(LONGEST_WAIT_MS, 250 * 2 ** attempt);
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

  /** One connection. It begins at the sentence that was not heard to its end on the last one. */
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

    const start = this.#nSpoken;
    let nSent = start;
    let nOpen = 0;
    let isFlushed = false;
    const send = (message) => socket.send(JSON.stringify(message));
    this.#changed = () => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (this.#interruptedAt !== undefined) {
        send({ cancel: true, played_ms: this.#interruptedAt });
        return;
      }
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
        if (item.event === 'segment_start') nOpen = item.text.length;
        if (item.event === 'segment_end' || item.segment !== undefined && item.error) {
          this.#nSpoken += nOpen;
          nOpen = 0;
        }
        if (item.event === 'cancelled') {
          item.text_spoken = this.#text.slice(0, start) + item.text_spoken;
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
