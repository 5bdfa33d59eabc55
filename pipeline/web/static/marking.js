// Which parts of a segment are words that are heard, and which are not spoken at all. Pure.

/**
 * @typedef {object} Part
 * @property {string} text
 * @property {import("./utterance.js").Word | null} word null: it is none
 * @property {boolean} isSilent it is not spoken: markup, or what the engine cannot read
 */

const CAN_BE_SAID = /[\p{L}\p{N}]/u;

/**
 * The text of a segment in parts, which join to it. What stands between two words, or behind the
 * last one of a segment that has ended, is silent. Where no word is told yet, the segment is one
 * part.
 * @param {import("./utterance.js").Segment} segment
 * @returns {Part[]}
 */
export function partsOf({ text, spoken, words, samples }) {
  const isAllSilent = !CAN_BE_SAID.test(spoken);
  if (isAllSilent || words.length === 0) return [{ text, word: null, isSilent: isAllSilent }];
  /** @type {Part[]} */
  const parts = [];
  let at = 0;
  for (const word of words) {
    parts.push(between(text.slice(at, word.begin), true));
    parts.push({ text: text.slice(word.begin, word.end), word, isSilent: false });
    at = word.end;
  }
  parts.push(between(text.slice(at), samples !== null));
  return parts.filter((part) => part.text !== "");
}

/** @param {string} text @param {boolean} isKnown @returns {Part} */
function between(text, isKnown) {
  return { text, word: null, isSilent: isKnown && text.trim() !== "" };
}
