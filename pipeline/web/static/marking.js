// Which parts of a segment are words that are heard, and which are not spoken at all. Pure.

/**
 * @typedef {object} Part
 * @property {string} text
 * @property {import("./utterance.js").Word | null} word null: it is none
 * @property {boolean} isSilent it is not spoken: markup, or what the engine cannot read
 */

const CAN_BE_SAID = /[\p{L}\p{N}]/u;
const LINK_TARGET = "](";
const LETTERS = /(\p{L}[\p{L}\p{M}]*)/u;

/**
 * The text of a segment in parts, which join to it. What stands between two words, or behind the
 * last one of a segment that has ended, is silent. Where no word is told yet, the segment is one
 * part.
 * @param {import("./utterance.js").Segment} segment
 * @returns {Part[]}
 */
export function partsOf({ text, spoken, words, samples, remarks }) {
  const isAllSilent = !CAN_BE_SAID.test(spoken);
  if (isAllSilent || words.length === 0) return [{ text, word: null, isSilent: isAllSilent }];
  const read = remarks.includes("skipped") ? new Set(spoken) : null;
  /** @type {Part[]} */
  const parts = [];
  let at = 0;
  for (const word of words) {
    parts.push(between(text.slice(at, word.begin), true));
    parts.push(...inWord(text.slice(word.begin, word.end), word, read));
    at = word.end;
  }
  parts.push(between(text.slice(at), samples !== null));
  return parts.filter((part) => part.text !== "");
}

/** @param {string} text @param {boolean} isKnown @returns {Part} */
function between(text, isKnown) {
  return { text, word: null, isSilent: isKnown && text.trim() !== "" };
}

/**
 * A word with what the server tells as part of it, and which is not spoken: the target of a link,
 * and letters of which the engine could read none.
 * @param {string} text
 * @param {import("./utterance.js").Word} word
 * @param {Set<string> | null} read the characters that it did read; null: it could read all
 * @returns {Part[]}
 */
function inWord(text, word, read) {
  const target = text.indexOf(LINK_TARGET);
  const end = target < 0 ? text.length : target;
  const runs = read === null ? [text.slice(0, end)] : text.slice(0, end).split(LETTERS);
  const parts = runs.map((run) => {
    const isSilent = read !== null && LETTERS.test(run) && ![...run].some((char) => read.has(char));
    return { text: run, word: isSilent ? null : word, isSilent };
  });
  return [...parts, between(text.slice(end), true)];
}
