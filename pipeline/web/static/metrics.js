// Prometheus' text format, and what of it can be drawn. Pure.
// https://prometheus.io/docs/instrumenting/exposition_formats/

/**
 * @typedef {object} Sample
 * @property {string} name
 * @property {Record<string, string>} labels
 * @property {number} value
 *
 * @typedef {object} Family
 * @property {string} name
 * @property {string} type
 * @property {string} help
 * @property {Sample[]} samples
 *
 * @typedef {Map<string, Family>} Metrics
 * @typedef {Map<string, number | null>} Values one a line of a chart; null: nothing to tell
 */

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const PART_OF_FAMILY = /_(?:bucket|sum|count)$/;
const QUANTILES = /** @type {[string, number][]} */ ([["p50", 0.5], ["p95", 0.95]]);

/** @param {string} text @returns {Metrics} */
export function parseMetrics(text) {
  /** @type {Metrics} */
  const families = new Map();
  /** @param {string} name */
  const family = (name) => {
    const known = families.get(name) ?? { name, type: "untyped", help: "", samples: [] };
    families.set(name, known);
    return known;
  };
  for (const line of text.split("\n")) {
    const [, comment, about, rest] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (comment === "HELP") family(about).help = rest.replaceAll("\\n", " ");
    if (comment === "TYPE") family(about).type = rest;
    const [, name, labels, value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) continue;
    const whole = name.replace(PART_OF_FAMILY, "");
    const isPart = families.has(whole) && !families.has(name);
    family(isPart ? whole : name).samples.push({
      name,
      labels: Object.fromEntries(
        [...(labels ?? "").matchAll(LABEL)].map(([, key, text]) => [key, unescaped(text)]),
      ),
      value: numberOf(value),
    });
  }
  return families;
}

/** @param {string} text */
function unescaped(text) {
  return text.replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char));
}

/** @param {string} word */
function numberOf(word) {
  return Number(word.replace(/^([+-]?)Inf$/, "$1Infinity"));
}

/**
 * What to draw of a family: gauges as they are, counters a second, of histograms what came since
 * `past`: quantiles, and the mean of what is counted in whole numbers, since a quantile would lie
 * between them.
 * @param {Family} family
 * @param {Family | undefined} past the same, so many seconds ago; undefined: not known
 * @param {number} seconds
 * @returns {Values}
 */
export function valuesOf(family, past, seconds) {
  if (family.type === "histogram") {
    return countsWholes(family) ? meansOf(family, past) : quantilesOf(family, past);
  }
  const before = new Map(past?.samples.map((sample) => [labelsOf(sample), sample.value]));
  const drawn = family.samples.filter(({ name }) => !name.endsWith("_created"));
  return new Map(
    drawn.map((sample) => {
      const label = labelsOf(sample);
      if (family.type !== "counter") return [label, sample.value];
      const grown = sample.value - (before.get(label) ?? 0);
      return [label, past === undefined ? null : Math.max(0, grown) / seconds];
    }),
  );
}

/** @param {Family} family @param {Family | undefined} past @returns {Values} */
function quantilesOf(family, past) {
  const before = bucketsOf(past);
  const groups = [...bucketsOf(family)];
  const lines = groups.flatMap(([label, buckets]) =>
    (groups.length > 1 ? QUANTILES.slice(1) : QUANTILES).map(([name, share]) => {
      const recent = buckets.map(([le, n]) => {
        const then = before.get(label)?.find(([bound]) => bound === le)?.[1] ?? 0;
        return /** @type {[number, number]} */ ([le, past === undefined ? 0 : n - then]);
      });
      const line = label === "" ? name : `${label} ${name}`;
      return /** @type {[string, number | null]} */ ([line, quantile(recent, share)]);
    }),
  );
  return new Map(lines);
}

/** @param {Family} family */
function countsWholes(family) {
  const bounds = [...bucketsOf(family).values()].flat().map(([le]) => le);
  return bounds.some(Number.isFinite) && bounds.every((le) => le === Infinity || Number.isInteger(le));
}

/** @param {Family} family @param {Family | undefined} past @returns {Values} */
function meansOf(family, past) {
  const now = totalsOf(family);
  const before = totalsOf(past);
  return new Map(
    [...now].map(([label, { sum, count }]) => {
      const then = before.get(label) ?? { sum: 0, count: 0 };
      const isKnown = past !== undefined && count > then.count;
      const mean = isKnown ? (sum - then.sum) / (count - then.count) : null;
      return [`${label} mean`.trim(), mean];
    }),
  );
}

/** The sum and the count for each set of labels. @param {Family | undefined} family */
function totalsOf(family) {
  /** @type {Map<string, {sum: number, count: number}>} */
  const totals = new Map();
  for (const { name, labels, value } of family?.samples ?? []) {
    const [, part] = /_(sum|count)$/.exec(name) ?? [];
    if (part === undefined) continue;
    const label = Object.values(labels).join(" ");
    totals.set(label, { ...(totals.get(label) ?? { sum: 0, count: 0 }), [part]: value });
  }
  return totals;
}

/** The buckets for each set of the other labels. @param {Family | undefined} family */
function bucketsOf(family) {
  /** @type {Map<string, [number, number][]>} */
  const groups = new Map();
  for (const sample of family?.samples ?? []) {
    if (!sample.name.endsWith("_bucket")) continue;
    const { le, ...labels } = sample.labels;
    const label = labelsOf({ ...sample, labels });
    groups.set(label, [...(groups.get(label) ?? []), [numberOf(le), sample.value]]);
  }
  return groups;
}

/**
 * As Prometheus' histogram_quantile: evenly spread inside a bucket; null where nothing came.
 * @param {[number, number][]} buckets upper bounds and cumulative counts, the bounds rising
 * @param {number} share
 */
export function quantile(buckets, share) {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const rank = share * total;
  const at = buckets.findIndex(([, n]) => n >= rank);
  const [upper, n] = buckets[at];
  const [lower, below] = at > 0 ? buckets[at - 1] : [0, 0];
  if (upper === Infinity) return lower;
  return lower + ((upper - lower) * (rank - below)) / Math.max(1, n - below);
}

/** @param {Sample} sample */
function labelsOf({ name, labels }) {
  const words = Object.values(labels).join(" ");
  return /_(?:sum|count)$/.test(name) ? `${words} ${name.split("_").at(-1)}`.trim() : words;
}
