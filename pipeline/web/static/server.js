// How this page reaches its server, and with which key.

import { ofTab } from "./storage.js";

const KEY_ITEM = "key";

/** @param {string} key */
export function useKey(key) {
  ofTab.set(KEY_ITEM, key.trim());
}

export function hasKey() {
  return ofTab.get(KEY_ITEM) !== null;
}

/** The headers by which the server knows the key. @returns {Record<string, string>} */
export function keyHeaders() {
  const key = ofTab.get(KEY_ITEM);
  return key === null ? {} : { authorization: `Bearer ${key}` };
}

/** @param {string} path @param {RequestInit} options */
export function ask(path, options = {}) {
  return fetch(path, { ...options, headers: keyHeaders() });
}

/**
 * Ask for speech. Throws an `Error` with the server's words if it does not come.
 * @param {object} body of /api/speak
 * @param {AbortSignal} [signal]
 */
export async function askForSpeech(body, signal) {
  const answer = await fetch("/api/speak", {
    method: "POST",
    headers: { ...keyHeaders(), "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  if (!answer.ok) throw new Error(await errorOf(answer));
  return answer;
}

/** What an answer that is no success says of itself. @param {Response} answer */
export async function errorOf(answer) {
  const { error } = await answer.json().catch(() => ({}));
  return error ?? `The server answers ${answer.status}.`;
}

/**
 * Of a stream. A page cannot add a header to a WebSocket: the key is in its URL.
 * @param {Record<string, string>} config of the connection
 */
export function streamUrl(config) {
  const url = new URL("/ws/stream", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  for (const [name, value] of Object.entries(config)) url.searchParams.set(name, value);
  const key = ofTab.get(KEY_ITEM);
  if (key !== null) url.searchParams.set("key", key);
  return url;
}

/**
 * Why the server does not let a WebSocket in.
 * @typedef {object} Refusal
 * @property {"starting" | "key-needed" | "key-wrong" | "refused" | "gone"} kind
 * @property {string} label in a word or two; empty: the server would let it in now
 * @property {string} words
 * @property {number} againS how long to wait until the next try, if the server says so
 */

/** What refusals by the server are called, by their code. */
const LABELS = new Map([
  ["limit_reached", "Limit reached"],
  ["overloaded", "Full"],
]);

/**
 * Ask by HTTP, of the same path, what a browser does not tell of a refused WebSocket.
 * @param {Record<string, string>} config of the connection
 * @returns {Promise<Refusal>}
 */
export async function whyRefused(config) {
  const refusal = { kind: /** @type {Refusal["kind"]} */ ("refused"), label: "", words: "", againS: 0 };
  try {
    const answer = await ask(`/ws/stream?${new URLSearchParams(config)}`);
    if (answer.status === 426) return refusal;
    if (answer.status === 401) {
      const words = hasKey() ? "That key is wrong" : "Key needed";
      return { ...refusal, kind: hasKey() ? "key-wrong" : "key-needed", label: words, words };
    }
    const againS = Number(answer.headers.get("retry-after")) || 0;
    const { code, error } = await answer.json();
    if (code === "starting") {
      return { ...refusal, kind: "starting", label: "Starting", words: error.replace(/^t/, "T") };
    }
    const label = LABELS.get(code) ?? "Refused";
    return { ...refusal, label, words: `The server refuses: ${error}.`, againS };
  } catch {
    return { ...refusal, kind: "gone", label: "Reconnecting", words: "No answer from the server." };
  }
}
