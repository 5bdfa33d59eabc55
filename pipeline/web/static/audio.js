// What all that make or count sound agree on.

/** Of the stream and of the sound card, in hertz. */
export const SAMPLE_RATE = 48_000;

/** What a segment is taken to have of text for each second, while its length is not known. */
export const CHARS_PER_S = 15;

/** How far behind the context's clock the ear is. @param {AudioContext} context */
export function outputLatencyS(context) {
  return context.outputLatency ?? context.baseLatency ?? 0; // Safari has only the second
}
