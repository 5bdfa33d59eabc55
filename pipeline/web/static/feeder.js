// Gives the server its text: at once, or as slowly as a language model would.

const TICK_MS = 20;
const TOKEN_CHARS = 5; // with its space about what a language model's token is long
const PIECE_CHARS = 1_000;
const SENTENCE_END = /[.!?\n]\s+(?=\S)/g;

/**
 * The text in parts the size of tokens, spaces in front.
 * @param {string} text
 */
export function tokensOf(text) {
  return text.match(new RegExp(`\\s*\\S{1,${TOKEN_CHARS}}|\\s+$`, "gu")) ?? [];
}

/**
 * The text in parts of at most PIECE_CHARS, cut where a sentence ends if there is such a place,
 * since the server may take the wait for the next part for the end of one.
 * @param {string} text
 */
export function piecesOf(text) {
  const pieces = [];
  while (text.length > PIECE_CHARS) {
    const head = text.slice(0, PIECE_CHARS);
    const ends = [...head.matchAll(SENTENCE_END)].map((match) => match.index + match[0].length);
    let at = ends.at(-1) ?? head.lastIndexOf(" ") + 1;
    if (at === 0) at = /[\uD800-\uDBFF]$/.test(head) ? PIECE_CHARS - 1 : PIECE_CHARS;
    pieces.push(text.slice(0, at));
    text = text.slice(at);
  }
  return [...pieces, text];
}

export class Feeder {
  #parts;
  #tokensPerS;
  #hasRoom;
  #send;
  #startedAt = performance.now();
  #nSent = 0;
  #timer = 0;

  /**
   * @param {string} text
   * @param {number | null} tokensPerS null: as fast as there is room
   * @param {() => boolean} hasRoom whether more text is wanted: a page that plays an hour of
   *   speech should not have to hold it all
   * @param {(text: string, isLast: boolean) => void} send
   */
  constructor(text, tokensPerS, hasRoom, send) {
    this.#parts = tokensPerS === null ? piecesOf(text) : tokensOf(text);
    this.#tokensPerS = tokensPerS;
    this.#hasRoom = hasRoom;
    this.#send = send;
    this.#feed();
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #feed() {
    const elapsedS = (performance.now() - this.#startedAt) / 1000;
    const nDue = this.#tokensPerS === null ? Infinity : 1 + elapsedS * this.#tokensPerS;
    const nAll = this.#parts.length;
    while (this.#nSent < Math.min(nAll, Math.floor(nDue)) && this.#hasRoom()) {
      const part = this.#parts[this.#nSent++];
      this.#send(part, this.#nSent === nAll);
    }
    if (this.#nSent < nAll) this.#timer = setTimeout(() => this.#feed(), TICK_MS);
  }
}
