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
 * @property {string} words
 */

/** Ask by HTTP what a browser does not tell of a refused WebSocket. @returns {Promise<Refusal>} */
export async function whyRefused() {
  try {
    const health = await ask("/health/ready");
    if (!health.ok) {
      const { status, reason } = await health.json();
      if (status === "starting") return { kind: "starting", words: `The server is starting: ${reason}` };
      return { kind: "refused", words: `The server refuses: ${reason}.` };
    }
    const voices = await ask("/api/voices");
    if (voices.status === 401) {
      return hasKey()
        ? { kind: "key-wrong", words: "That key is wrong" }
        : { kind: "key-needed", words: "Key needed" };
    }
    const words = voices.ok ? "all its places may be taken" : await errorOf(voices);
    return { kind: "refused", words: `The server refuses: ${words}.` };
  } catch {
    return { kind: "gone", words: "No answer from the server." };
  }
}
