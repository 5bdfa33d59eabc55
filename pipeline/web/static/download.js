// The text as a file, made by the server as the settings are.

import { SAMPLE_RATE } from "./audio.js";
import { inBytes } from "./dom.js";
import { askForSpeech } from "./server.js";

const MAX_NAME_CHARS = 40;
const WAV_HEAD_BYTES = 44;

/**
 * Have the text spoken into a file, and hand that to the browser.
 * @param {"wav" | "mp3"} format
 * @param {{text: string, config: Record<string, number | string | null>}} saying
 * @param {AbortSignal} signal
 * @param {(words: string) => void} told how far it is
 */
export async function download(format, { text, config }, signal, told) {
  told("Making the file…");
  const answer = await askForSpeech({ text, ...config, format, sample_rate: SAMPLE_RATE }, signal);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  let nBytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(/** @type {Uint8Array<ArrayBuffer>} */ (value));
    nBytes += value.length;
    told(`Making the file… ${inBytes(nBytes)}`);
  }
  const sound = new Uint8Array(await new Blob(parts).arrayBuffer());
  if (format === "wav") tellLength(sound);
  const type = answer.headers.get("content-type") ?? "";
  const name = `${fileStem(text, String(config.voice ?? ""))}.${format}`;
  save(new Blob([sound], { type }), name);
  told(`${name}, ${inBytes(nBytes)}`);
}

/** A file's name from the first words and the voice. @param {string} text @param {string} voice */
export function fileStem(text, voice) {
  const words = slug(text).slice(0, MAX_NAME_CHARS).replace(/-[^-]*$/, (rest) =>
    slug(text).length > MAX_NAME_CHARS ? "" : rest,
  );
  return [words, slug(voice)].filter(Boolean).join("--") || "speech";
}

/** @param {string} text */
function slug(text) {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}+]+/gu, "-").replaceAll(/^-|-$/g, "");
}

/** Write the length into a WAV whose head was sent before it was known. @param {Uint8Array<ArrayBuffer>} wav */
function tellLength(wav) {
  const view = new DataView(wav.buffer);
  view.setUint32(4, wav.length - 8, true);
  view.setUint32(WAV_HEAD_BYTES - 4, wav.length - WAV_HEAD_BYTES, true);
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 0);
}
