// When each sample of a stream is played by a player that plays at once and in order. Pure.

export class Schedule {
  #rate;
  #leadS;
  #endS = -Infinity; // when the last pushed sample has been played
  #pushedTo = 0;
  #runFrom = 0; // the offset at which the player went on last

  /**
   * @param {number} rate samples a second
   * @param {number} leadS how long before it is played a sample must be pushed
   */
  constructor(rate, leadS) {
    this.#rate = rate;
    this.#leadS = leadS;
  }

  /**
   * Let this many samples follow, and say when. `silentS` is null where they join on.
   * @param {number} nSamples @param {number} nowS
   */
  push(nSamples, nowS) {
    const offset = this.#pushedTo;
    let silentS = null;
    if (this.#endS < nowS) {
      // On a whole frame, so that nothing has to be interpolated.
      const startS = Math.ceil((nowS + this.#leadS) * this.#rate) / this.#rate;
      silentS = Number.isFinite(this.#endS) ? startS - this.#endS : 0;
      this.#endS = startS;
      this.#runFrom = offset;
    }
    const startS = this.#endS;
    this.#pushedTo += nSamples;
    this.#endS = startS + nSamples / this.#rate;
    return { offset, startS, silentS };
  }

  /** @param {number} offset of the next sample */
  reset(offset) {
    this.#endS = -Infinity;
    this.#pushedTo = this.#runFrom = offset;
  }

  /** The offset that has been played by now. @param {number} nowS */
  playedTo(nowS) {
    if (this.#endS <= nowS) return this.#pushedTo;
    const played = this.#pushedTo - Math.ceil((this.#endS - nowS) * this.#rate);
    return Math.max(played, this.#runFrom);
  }
}
