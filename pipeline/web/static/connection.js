// One WebSocket to the server, opened again when it breaks.

import { streamUrl, whyRefused } from "./server.js";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5_000; // a server that restarts is found again soon, and not besieged
const LONGEST_RETRY_MS = 60_000; // where the server says when: a limit may end at midnight
const START_LOOK_MS = 1_000; // how often a server that starts is asked how far it is

/** The closes that a server gives a reason for; docs/protocol.md, part 4. */
const CLOSE_WORDS = new Map([
  [1001, "The server is shutting down."],
  [1009, "The server found a message too long."],
  [1011, "The server's engine is gone."],
]);

/**
 * @typedef {"asleep" | "connecting" | "open" | "waiting" | "starting" | "locked"} ConnectionState
 * Asleep: closed on purpose, until `open` is called. Waiting: lost, and tried again soon.
 * Starting: the server is, and is tried when it has. Locked: it wants a key, or another one, and
 * is tried when `open` is called.
 *
 * @typedef {object} ConnectionHandlers
 * @property {(state: ConnectionState, why: string) => void} state
 * @property {(message: any) => void} message a text message from the server
 * @property {(samples: Float32Array<ArrayBuffer>) => void} sound
 */

export class Connection {
  /** @type {ConnectionState} */
  state = "asleep";
  /** Why it is not open, in words. */
  why = "";
  /** The same in a word or two, where the server has told; else empty. */
  label = "";
  /** Whether, where it is locked, there was a key. */
  isKeyWrong = false;
  /** What cannot be set later, by name; counts from the next `open` on. @type {Record<string, string>} */
  config;
  #handlers;
  /** @type {WebSocket | null} */
  #socket = null;
  #retryMs = FIRST_RETRY_MS;
  #retry = 0;

  /** @param {ConnectionHandlers} handlers @param {Record<string, string>} config */
  constructor(handlers, config) {
    this.#handlers = handlers;
    this.config = config;
  }

  /** Connect, now. */
  open() {
    if (this.state === "open" || this.state === "connecting") return;
    clearTimeout(this.#retry);
    const socket = new WebSocket(streamUrl(this.config));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#retryMs = FIRST_RETRY_MS;
      this.#become("open", "");
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.#handlers.message(JSON.parse(data));
      else this.#handlers.sound(new Float32Array(data));
    };
    socket.onclose = ({ code }) => this.#lost(code);
    this.#socket = socket;
    this.#become("connecting", this.why);
  }

  /** Close, until `open` is called. */
  sleep() {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    if (socket !== null) {
      socket.onclose = socket.onmessage = null;
      socket.onopen = () => socket.close(1000); // before, the browser would complain
      if (socket.readyState === WebSocket.OPEN) socket.close(1000);
      this.#socket = null;
    }
    if (this.state !== "asleep") this.#become("asleep", "");
  }

  /** @param {object} message */
  send(message) {
    this.#socket?.send(JSON.stringify(message));
  }

  /** @param {number} code */
  #lost(code) {
    const wasOpen = this.state === "open";
    if (wasOpen && code === 1000) return this.sleep(); // too long idle, says the server
    this.#retry = setTimeout(() => this.open(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    const words = CLOSE_WORDS.get(code) ?? "The connection to the server broke.";
    const label = wasOpen ? "" : this.label;
    this.#become("waiting", wasOpen ? words : this.why || words, label);
    if (!wasOpen) this.#ask();
  }

  /** Find out why it is refused, and wait for what may change that. */
  async #ask() {
    const { state } = this;
    const socket = this.#socket;
    const { kind, label, words, againS } = await whyRefused(this.config);
    if (this.#socket !== socket || this.state !== state) return; // it was opened or put to sleep
    if (kind === "starting") {
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#ask(), START_LOOK_MS);
      this.#become("starting", words, label);
    } else if (kind === "key-needed" || kind === "key-wrong") {
      clearTimeout(this.#retry);
      this.isKeyWrong = kind === "key-wrong";
      this.#become("locked", words, label);
    } else if (state === "starting") {
      this.open(); // it has started
    } else {
      if (againS * 1000 > this.#retryMs) {
        clearTimeout(this.#retry);
        this.#retry = setTimeout(() => this.open(), Math.min(againS * 1000, LONGEST_RETRY_MS));
      }
      this.#become("waiting", words || this.why, label);
    }
  }

  /** @param {ConnectionState} state @param {string} why @param {string} label */
  #become(state, why, label = state === "connecting" ? this.label : "") {
    this.state = state;
    this.why = why;
    this.label = label;
    this.#handlers.state(state, why);
  }
}
