// A line chart that moves on, with its axes. SVG, so that its colours are the style sheet's.

import { make } from "./dom.js";

const N_POINTS = 90;
const MAX_LINES = 6; // as many as there are colours
const SVG = "http://www.w3.org/2000/svg";
const STEPS = [1, 2, 5, 10]; // of which an axis has one, times a power of ten

export class Chart {
  element = make("figure", "chart");
  #svg = document.createElementNS(SVG, "svg");
  #legend = make("ul");
  #caption = make("figcaption");
  #ticks = [make("span"), make("span"), make("span")];
  #format;
  /** @type {Map<string, (number | null)[]>} */
  #lines = new Map();

  /**
   * @param {string} title
   * @param {string} help
   * @param {(value: number) => string} format a value with its unit
   * @param {number} everyS between two points
   */
  constructor(title, help, format, everyS) {
    this.#format = format;
    this.#caption.textContent = title;
    this.help = help;
    this.#svg.setAttribute("viewBox", `0 0 ${N_POINTS - 1} 1`);
    this.#svg.setAttribute("preserveAspectRatio", "none");
    const plot = make("div", "plot");
    plot.setAttribute("aria-hidden", "true"); // the legend has the numbers
    const values = make("div", "values");
    values.append(...this.#ticks);
    const times = make("div", "times");
    const spanS = N_POINTS * everyS;
    times.append(make("span", "", `${spanS} s ago`), make("span", "", `${spanS / 2} s`), make("span", "", "now"));
    plot.append(values, this.#svg, times);
    this.element.append(this.#caption, plot, this.#legend);
    this.#draw();
  }

  /** What it shows, in a sentence. @param {string} help */
  set help(help) {
    this.#caption.title = help;
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
    const top = axisTop(Math.max(0, ...[...this.#lines.values()].flat().map((value) => value ?? 0)));
    [top, top / 2, 0].forEach((value, at) => {
      this.#ticks[at].textContent = value === 0 ? "0" : this.#format(value);
    });
    const paths = [...this.#lines.values()].map((line) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", pathOf(line, top));
      return path;
    });
    this.#svg.replaceChildren(gridLine(0.5), ...paths);
    const items = [...this.#lines].map(([label, line]) => {
      const value = line.at(-1) ?? null;
      const item = make("li", "", label === "" ? "" : `${label} `);
      item.append(make("b", "", value === null ? "–" : this.#format(value)));
      return item;
    });
    this.#legend.replaceChildren(...items);
  }
}

/** The round number at the end of an axis that has room for this one. @param {number} most */
export function axisTop(most) {
  if (!(most > 0) || !Number.isFinite(most)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return Number(((STEPS.find((step) => step * power >= most) ?? 10) * power).toPrecision(1));
}

/** @param {number} at */
function gridLine(at) {
  const line = document.createElementNS(SVG, "line");
  const ends = { x1: 0, x2: N_POINTS - 1, y1: at, y2: at };
  for (const [name, value] of Object.entries(ends)) line.setAttribute(name, String(value));
  return line;
}

/** @param {(number | null)[]} line @param {number} top */
function pathOf(line, top) {
  let isPenUp = true;
  return line
    .map((value, at) => {
      if (value === null || !Number.isFinite(value)) {
        isPenUp = true;
        return "";
      }
      const step = isPenUp ? "M" : "L";
      isPenUp = false;
      return `${step}${N_POINTS - line.length + at} ${1 - value / top}`;
    })
    .join("");
}
