// One's own voices: dropped on the page or chosen, sent with their progress, and removed.

import { element, inBytes, make } from "./dom.js";
import { ask, errorOf, keyHeaders } from "./server.js";

const INDEX_FILE = /\.index$/i;
const SUFFIX = /\.[a-z0-9]{1,12}$/i;

/** @typedef {import("./voices.js").Voice} Voice */

/**
 * @typedef {object} UploadHandlers
 * @property {() => void} begun files are being sent: show how far they are
 * @property {(name: string) => void} added a voice came, and is among the voices now
 */

export class Uploads {
  #voices;
  #handlers;

  /** @param {import("./voices.js").Voices} voices @param {UploadHandlers} handlers */
  constructor(voices, handlers) {
    this.#voices = voices;
    this.#handlers = handlers;
    const input = /** @type {HTMLInputElement} */ (element("upload-files"));
    element("upload-button").onclick = () => input.click();
    input.onchange = () => {
      this.#sendAll([...(input.files ?? [])]);
      input.value = ""; // so that the same file can be chosen again
    };
    this.#takeDrops();
    voices.watch(() => this.#draw());
  }

  /** @param {Voice} voice */
  async remove({ name }) {
    const row = this.#row(`Removing ${name}…`);
    const answer = await ask(`/api/voices/${encodeURIComponent(name)}`, { method: "DELETE" }).catch(
      () => null,
    );
    if (answer?.ok) {
      row.end(`${name} is removed.`);
      await this.#voices.load();
    } else {
      row.fail(`${name}: ${answer === null ? "no answer from the server." : await errorOf(answer)}`);
    }
  }

  #takeDrops() {
    const hasFiles = (/** @type {DragEvent} */ event) =>
      this.#voices.uploads !== null && (event.dataTransfer?.types.includes("Files") ?? false);
    const mark = (/** @type {boolean} */ is) => document.body.toggleAttribute("data-dropping", is);
    document.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault(); // else the browser would open the file
      mark(true);
    });
    document.addEventListener("dragleave", ({ relatedTarget }) => {
      if (relatedTarget === null) mark(false); // it has left the page
    });
    document.addEventListener("drop", (event) => {
      mark(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.#sendAll([...(event.dataTransfer?.files ?? [])]);
    });
  }

  #draw() {
    const { uploads } = this.#voices;
    element("upload").hidden = element("add-voice").hidden = uploads === null;
    if (uploads === null) return;
    const { max_bytes: most, quota_bytes: quota, used_bytes: used } = uploads;
    element("upload-quota").textContent =
      `${inBytes(used)} of ${inBytes(quota)} used; a file may have ${inBytes(most)}.`;
    const meter = /** @type {HTMLMeterElement} */ (element("upload-meter"));
    meter.max = quota;
    meter.value = used;
  }

  /** Voices first, since an index belongs to one. What is a voice the server sees. @param {File[]} files */
  async #sendAll(files) {
    if (files.length === 0) return;
    this.#handlers.begun();
    element("upload-rows").replaceChildren();
    /** @type {string[]} */
    const came = [];
    for (const file of files.filter(({ name }) => !INDEX_FILE.test(name))) {
      const name = file.name.replace(SUFFIX, "").normalize("NFC");
      if (await this.#send(file, `/api/voices/${encodeURIComponent(name)}`)) came.push(name);
    }
    if (came.length > 0) await this.#voices.load();
    for (const file of files.filter(({ name }) => INDEX_FILE.test(name))) {
      const name = this.#ownerOf(file.name, came);
      if (name === null) {
        this.#row("").fail(`${file.name}: name it after its voice, or send it together with that.`);
      } else {
        await this.#send(file, `/api/voices/${encodeURIComponent(name)}/index`);
      }
    }
    await this.#voices.load();
    if (came.length > 0) this.#handlers.added(came[came.length - 1]);
  }

  /**
   * The voice that an index belongs to: the one that came with it, or the longest name in its own.
   * @param {string} file @param {string[]} came
   */
  #ownerOf(file, came) {
    if (came.length === 1) return came[0];
    const removable = this.#voices.all.filter((voice) => voice.removable).map(({ name }) => name);
    const stem = file.replace(INDEX_FILE, "").normalize("NFC").toLowerCase();
    const named = removable.filter((name) => stem.includes(name.toLowerCase()));
    return named.sort((a, b) => b.length - a.length)[0] ?? null;
  }

  /** Whether it was taken. @param {File} file @param {string} path */
  async #send(file, path) {
    const row = this.#row(`${file.name}: sending…`);
    const most = this.#voices.uploads?.max_bytes ?? Infinity;
    if (file.size > most) {
      row.fail(`${file.name} has ${inBytes(file.size)}; a file may have ${inBytes(most)}.`);
      return false;
    }
    try {
      await put(path, file, (share) => row.progress(share, `${file.name}: `));
      row.end(`${file.name} is there.`);
      return true;
    } catch (error) {
      row.fail(`${file.name}: ${/** @type {Error} */ (error).message}`);
      return false;
    }
  }

  /** A line about one file. @param {string} text */
  #row(text) {
    const item = make("li");
    const words = make("span", "", text);
    const bar = make("progress");
    bar.ariaLabel = text;
    item.append(words, bar);
    element("upload-rows").append(item);
    /** @param {string} state @param {string} text */
    const over = (state, text) => {
      words.textContent = text;
      item.dataset.state = state;
      bar.remove();
    };
    return {
      /** @param {number} share @param {string} before */
      progress: (share, before) => {
        bar.value = share;
        // All of it is there: the server looks what it is.
        words.textContent = before + (share < 1 ? `${Math.floor(100 * share)} %` : "being checked…");
      },
      end: over.bind(null, "done"),
      fail: over.bind(null, "failed"),
    };
  }
}

/**
 * Send a file; `fetch` does not tell how far it is. Rejects with the server's words.
 * @param {string} path @param {File} file @param {(share: number) => void} progress
 * @returns {Promise<void>}
 */
function put(path, file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", path);
    for (const [name, value] of Object.entries(keyHeaders())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 1);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve();
      reject(new Error(wordsOf(request)));
    };
    request.onerror = () => reject(new Error("the connection to the server broke."));
    request.send(file);
  });
}

/** @param {XMLHttpRequest} request */
function wordsOf({ responseText, status }) {
  try {
    return JSON.parse(responseText).error;
  } catch {
    return `the server answers ${status}.`; // a proxy in between, say
  }
}
