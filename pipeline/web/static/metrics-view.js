// Live charts of what the server measures: four that tell how its listeners fare, and all others
// behind a fold.

import { Chart } from "./chart.js";
import { element, inBytes, inMs } from "./dom.js";
import { parseMetrics, valuesOf } from "./metrics.js";
import { ask } from "./server.js";

const EVERY_MS = 1_000;
const WINDOW = 6; // polls, over which rates and quantiles are taken
const PREFIX = "voice_";
/** Shown at first, with what they are called on the page, whose words are docs/metrics.md's. */
const MAIN = new Map([
  ["voice_first_audio_seconds", ["First audio", "histogram"]],
  ["voice_real_time_factor", ["Real-time factor", "histogram"]],
  ["voice_listeners", ["Listeners", "gauge"]],
  ["voice_gaps_total", ["Gaps, a second", "counter"]],
]);
const TITLES = new Map([ // where the name says little to who has not read docs/metrics.md
  ["voice_ready", "ready for newcomers"],
  ["voice_admitted_total", "new listeners, a second"],
  ["voice_tasks", "tasks inside the server"],
]);

export class MetricsView {
  /** @type {Map<string, Chart>} */
  #charts = new Map();
  /** @type {{at: number, metrics: import("./metrics.js").Metrics}[]} */
  #polls = [];
  #timer = 0;

  constructor() {
    for (const [name, [title, type]] of MAIN) {
      const chart = new Chart(title, "", formatOf(name, type), EVERY_MS / 1000);
      element("charts").append(chart.element);
      this.#charts.set(name, chart);
    }
  }

  start() {
    this.stop();
    this.#poll();
  }

  stop() {
    clearTimeout(this.#timer);
  }

  async #poll() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#poll(), EVERY_MS);
    const place = element("metrics-state");
    try {
      const answer = await ask("/metrics");
      place.textContent = answer.ok ? "" : noMetrics(answer.status);
      if (answer.ok) this.#take(parseMetrics(await answer.text()));
      if (answer.status === 404) this.stop(); // until the view is opened again
    } catch {
      place.textContent = "No answer from the server.";
    }
  }

  /** @param {import("./metrics.js").Metrics} metrics */
  #take(metrics) {
    this.#polls = [...this.#polls, { at: performance.now(), metrics }].slice(-WINDOW);
    const past = this.#polls[0];
    const seconds = (performance.now() - past.at) / 1000;
    for (const family of metrics.values()) {
      if (!family.name.startsWith(PREFIX) || family.name.endsWith("_created")) continue;
      const isFirst = this.#polls.length === 1;
      const before = isFirst ? undefined : past.metrics.get(family.name);
      const values = valuesOf(family, before, seconds);
      if (values.size > 0) this.#chart(family).push(values);
    }
  }

  /** @param {import("./metrics.js").Family} family */
  #chart({ name, type, help }) {
    const known = this.#charts.get(name);
    if (known !== undefined) {
      known.help = help;
      return known;
    }
    const chart = new Chart(titleOf(name, type), help, formatOf(name, type), EVERY_MS / 1000);
    element("metrics").append(chart.element);
    this.#charts.set(name, chart);
    return chart;
  }
}

/** @param {number} status */
function noMetrics(status) {
  if (status === 404) return "This server has no /metrics: only what this page measures is shown.";
  return `The server does not show its metrics (${status}).`;
}

/** @param {string} name @param {string} type */
function titleOf(name, type) {
  const title = TITLES.get(name);
  if (title !== undefined) return title;
  const words = name.slice(PREFIX.length).replaceAll("_", " ");
  if (type === "counter") return `${words.replace(/ total$/, "")}, a second`;
  return words.replace(/ (seconds|bytes)$/, "");
}

/** @param {string} name @param {string} type @returns {(value: number) => string} */
function formatOf(name, type) {
  if (name === "voice_ready") return (value) => (value ? "yes" : "no");
  if (name.includes("_bytes")) return inBytes;
  if (!name.includes("_seconds")) {
    return (value) => (Number.isInteger(value) ? String(value) : value.toPrecision(2));
  }
  return type === "counter" ? (value) => `${value.toFixed(1)} s` : (value) => inMs(value * 1000);
}
