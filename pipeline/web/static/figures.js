// What the page measures of an utterance, and what the server says of its segments.

import { outputLatencyS } from "./audio.js";
import { asFactor, element, inMs, show } from "./dom.js";
import { fillSegmentTable } from "./segment-table.js";

/**
 * @param {import("./utterance.js").Utterance} utterance
 * @param {number} bufferedS sound that has come and is not heard yet
 * @param {AudioContext} context
 */
export function drawFigures(utterance, bufferedS, context) {
  const { askedAt, firstSoundAt, firstAudioMs, nGaps, gapS } = utterance;
  show("first-sound", inMs(firstSoundAt && firstSoundAt - askedAt));
  show("first-audio", inMs(firstAudioMs));
  show("card-latency", inMs(outputLatencyS(context) * 1000));
  show("real-time-factor", asFactor(utterance.realTimeFactor));
  show("buffered", `${Math.max(0, bufferedS).toFixed(1)} s`);
  show("gaps", nGaps ? `${nGaps} (${gapS.toFixed(1)} s)` : "0");
  fillSegmentTable(element("segments"), utterance.segments);
}
