// A small line chart that moves on. SVG, so that its colours are the style sheet's.

import { make } from "./dom.js";

const N_POINTS = 90;
const MAX_LINES = 6; // as many as there are colours
const SVG = "http://www.w3.org/2000/svg";

export class Chart {
  element = make("figure", "chart");
  #svg = document.createElementNS(SVG, "svg");
  #legend = make("ul");
  #format;
  /** @type {Map<string, (number | null)[]>} */
  #lines = new Map();

  /** @param {string} title @param {string} help @param {(value: number) => string} format */
  constructor(title, help, format) {
    this.#format = format;
    const caption = make("figcaption", "", title);
    caption.title = help;
    this.#svg.setAttribute("viewBox", `0 0 ${N_POINTS - 1} 1`);
    this.#svg.setAttribute("preserveAspectRatio", "none");
    this.#svg.setAttribute("aria-hidden", "true"); // the legend has the numbers
    this.element.append(caption, this.#svg, this.#legend);
  }

  /** One more point for each line. @param {import("./metrics.js").Values} values */
  push(values) {
    const labels = new Set([...this.#lines.keys(), ...values.keys()]);
    for (const label of [...labels].slice(0, MAX_LINES)) {
      const line = this.#lines.get(label) ?? [];
      this.#lines.set(label, [...line, values.get(label) ?? null].slice(-N_POINTS));
    }
    this.#draw();
  }

  #draw() {
    const most = Math.max(0, ...[...this.#lines.values()].flat().map((value) => value ?? 0)) || 1;
    const paths = [...this.#lines.values()].map((line) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", pathOf(line, most));
      return path;
    });
    this.#svg.replaceChildren(...paths);
    const items = [...this.#lines].map(([label, line]) => {
      const value = line.at(-1) ?? null;
      const item = make("li", "", label === "" ? "" : `${label} `);
      item.append(make("b", "", value === null ? "–" : this.#format(value)));
      return item;
    });
    this.#legend.replaceChildren(...items);
  }
}

/** @param {(number | null)[]} line @param {number} most */
function pathOf(line, most) {
  let isPenUp = true;
  return line
    .map((value, at) => {
      if (value === null || !Number.isFinite(value)) {
        isPenUp = true;
        return "";
      }
      const step = isPenUp ? "M" : "L";
      isPenUp = false;
      return `${step}${N_POINTS - line.length + at} ${1 - (0.94 * value) / most}`;
    })
    .join("");
}
