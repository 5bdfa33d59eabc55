// What the server tells of each segment: where its time went, and its remarks.

import { SAMPLE_RATE } from "./audio.js";
import { inMs, make } from "./dom.js";

const PARTS = ["first_audio", "wait", "queue", "tts", "rvc", "send"];

/**
 * Bring the rows up to date.
 * @param {HTMLElement} body of the table
 * @param {import("./utterance.js").Segment[]} segments
 */
export function fillSegmentTable(body, segments) {
  while (body.children.length > segments.length) body.lastElementChild?.remove();
  segments.forEach((segment, at) => {
    const state = `${segment.index} ${segment.samples} ${segment.remarks}`;
    const row = body.children[at];
    if (row instanceof HTMLElement && row.dataset.state === state) return;
    const made = make("tr");
    made.dataset.state = state;
    made.append(...cells(segment).map((text) => make("td", "", text)));
    if (row === undefined) body.append(made);
    else row.replaceWith(made);
  });
}

/** @param {import("./utterance.js").Segment} segment */
function cells({ text, samples, latencyMs, remarks }) {
  const seconds = samples === null ? "…" : `${(samples / SAMPLE_RATE).toFixed(2)} s`;
  return [text.trim(), seconds, ...PARTS.map((part) => inMs(latencyMs[part])), remarks.join(", ")];
}
