// The snippets on the page, and their button to copy.

import { element } from "./dom.js";
import { hasKey } from "./server.js";
import { inCurl, inNode, inPython } from "./snippets.js";

const MAKERS = { python: inPython, node: inNode, curl: inCurl };
const TOLD_MS = 2_000;

export class SnippetsView {
  #choice = /** @type {HTMLSelectElement} */ (element("snippet-language"));
  #saying;
  #timer = 0;

  /** @param {() => {text: string, config: Record<string, number | string | null>}} saying now */
  constructor(saying) {
    this.#saying = saying;
    this.#choice.onchange = () => this.draw();
    element("snippets").addEventListener("toggle", () => this.draw());
    element("snippet-copy").onclick = () => this.#copy();
  }

  draw() {
    if (!(/** @type {HTMLDetailsElement} */ (element("snippets")).open)) return;
    const make = MAKERS[/** @type {keyof typeof MAKERS} */ (this.#choice.value)];
    const { origin } = location;
    element("snippet").textContent = make({ origin, hasKey: hasKey(), ...this.#saying() });
  }

  async #copy() {
    const text = element("snippet").textContent ?? "";
    const isCopied = await copy(text);
    element("snippet-told").textContent = isCopied ? "Copied." : "Marked: copy it with Ctrl C.";
    clearTimeout(this.#timer);
    if (isCopied) this.#timer = setTimeout(() => (element("snippet-told").textContent = ""), TOLD_MS);
  }
}

/** Whether it worked; if not, the snippet is selected. @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // there is none on a page by plain HTTP
    return true;
  } catch {
    getSelection()?.selectAllChildren(element("snippet"));
    return document.execCommand("copy");
  }
}
