// Short names for what every view does.

/**
 * The element with this id, which index.html has.
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
export function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no #${id}`);
  return /** @type {T} */ (found);
}

/**
 * A new element with a class and a text.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {string} className @param {string} text
 */
export function make(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.textContent = text;
  return made;
}

/** Put a text in an element with this id, if it is another one. @param {string} id @param {string} text */
export function show(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

/** A number of milliseconds, or a dash. @param {number | null | undefined} ms */
export function inMs(ms) {
  if (ms === null || ms === undefined) return "–";
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

/** A real-time factor, or a dash. @param {number | null | undefined} factor */
export function asFactor(factor) {
  return factor === null || factor === undefined ? "–" : factor.toPrecision(2);
}

/** @param {number} n */
export function inBytes(n) {
  if (n < 1e3) return `${n.toFixed(0)} B`;
  if (n < 1e6) return `${(n / 1e3).toFixed(1)} kB`;
  return n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(1)} GB`;
}
