// Speaks one utterance after another over a connection, into a player.

import { CHARS_PER_S, SAMPLE_RATE } from "./audio.js";
import { Connection } from "./connection.js";
import { Feeder } from "./feeder.js";
import { Utterance } from "./utterance.js";

const AHEAD_S = 30; // sound that may lie before the listener until more text is sent

/**
 * @typedef {object} SpeakerHandlers
 * @property {() => void} changed the utterance or the connection is in another state
 * @property {(message: string) => void} error in words
 * @property {(samples: Float32Array, offset: number) => void} [sound] before it is played
 *
 * @typedef {object} Pacing
 * @property {"smooth" | "asap"} mode
 * @property {number | null} real_time_factor
 */

export class Speaker {
  /** The one under way, or the last one. @type {Utterance | null} */
  utterance = null;
  connection;
  /** The voice that the server reads for us now. @type {string | null} */
  preparing = null;
  /** How the server paces the sound; null: it has not said. @type {Pacing | null} */
  pacing = null;
  #player;
  #handlers;
  /** @type {Feeder | null} */
  #feeder = null;
  /** Cancels under way: what comes before their answers belongs to the past. @type {Utterance[]} */
  #cancelled = [];
  #isNewStream = true; // the connection has not spoken yet: its offsets begin at 0
  #received = 0; // of the stream, in samples
  #turnOffset = 0; // where played_ms counts from
  #endTimer = 0;
  #isOutdated = false; // the connection has another config than it should have

  /**
   * @param {import("./player.js").Player} player
   * @param {SpeakerHandlers} handlers
   * @param {Record<string, string>} config of the connection, beside the events
   */
  constructor(player, handlers, config = {}) {
    this.#player = player;
    this.#handlers = handlers;
    player.onresume = (offset, silentS, at) => this.utterance?.resumed(offset, silentS, at);
    this.connection = new Connection(
      {
        state: () => this.#connectionChanged(),
        message: (message) => this.#onMessage(message),
        sound: (samples) => this.#onSound(samples),
      },
      { events: "true", ...config },
    );
  }

  get isBusy() {
    return this.utterance !== null && !this.utterance.isOver;
  }

  /** Sound that has come and is not heard yet. */
  get bufferedS() {
    return (this.#received - this.#player.heard()) / SAMPLE_RATE;
  }

  /**
   * Have the server read this voice before there is a text for it. While it speaks it is left
   * alone, since what follows would be said in this voice.
   * @param {string} voice
   */
  prepare(voice) {
    if (this.connection.state === "open" && !this.isBusy) this.connection.send({ config: { voice } });
  }

  /**
   * Have the sound of later texts paced so. A connection keeps its pacing: the next text gets
   * another one.
   * @param {string} mode
   */
  usePacing(mode) {
    const { config, state } = this.connection;
    this.#isOutdated ||= state !== "asleep" && (config.pacing ?? "smooth") !== mode;
    this.connection.config = { ...config, pacing: mode };
  }

  /**
   * Say this, instead of whatever is being said.
   * @param {import("./utterance.js").SpeakRequest} request
   * @param {number} askedAt
   */
  speak(request, askedAt = performance.now()) {
    this.stop();
    if (this.#isOutdated) this.connection.sleep();
    this.#isOutdated = false;
    this.utterance = new Utterance(request, askedAt);
    if (this.connection.state === "open") this.#begin(this.utterance);
    else this.connection.open();
    this.#handlers.changed();
  }

  /** Be quiet. What was heard is in the utterance when the server has answered. */
  stop() {
    if (this.utterance !== null && !this.utterance.isOver) this.#quit(this.utterance, "stopped");
  }

  /** @param {Utterance} utterance @param {"stopped" | "failed"} why */
  #quit(utterance, why) {
    const heardTo = this.#player.heard();
    this.#stopTimers();
    this.#player.reset(heardTo);
    this.#received = heardTo;
    utterance.end(why, heardTo);
    if (this.connection.state === "open" && !this.#isNewStream) {
      const played_ms = ((heardTo - this.#turnOffset) / SAMPLE_RATE) * 1000;
      this.connection.send({ cancel: true, played_ms });
      this.#cancelled.push(utterance);
    }
    this.#handlers.changed();
  }

  /** @param {Utterance} utterance */
  #begin(utterance) {
    utterance.state = "speaking";
    if (this.#isNewStream) {
      this.#received = this.#turnOffset = 0;
      this.#player.reset(0);
      this.#isNewStream = false;
    }
    const { text, config, tokensPerS } = utterance.request;
    let first = /** @type {object} */ ({ config });
    const hasRoom = () => this.bufferedS + utterance.nUnspokenChars / CHARS_PER_S < AHEAD_S;
    this.#feeder = new Feeder(text, tokensPerS, hasRoom, (token, flush) => {
      utterance.sent(token);
      this.connection.send({ ...first, token, flush });
      first = {};
    });
  }

  #connectionChanged() {
    const { utterance, connection } = this;
    if (connection.state === "open") {
      if (utterance?.state === "waiting") this.#begin(utterance);
    } else {
      this.#cancelled = [];
      this.#isNewStream = true;
      this.preparing = null;
      if (utterance?.state === "speaking") this.#playOut(utterance);
    }
    this.#handlers.changed();
  }

  /** The connection has gone: play what has come. @param {Utterance} utterance */
  #playOut(utterance) {
    if (utterance.endOffset !== null) return; // all has come
    this.#stopTimers();
    utterance.isCut = true;
    utterance.endOffset = this.#received;
    this.#handlers.error(this.connection.why);
    this.#endWhenHeard(utterance);
  }

  /** @param {Float32Array<ArrayBuffer>} samples */
  #onSound(samples) {
    if (this.#cancelled.length > 0 || !this.isBusy) return;
    if (this.utterance !== null) this.utterance.firstMessageAt ??= performance.now();
    const offset = this.#received;
    this.#received += samples.length;
    this.#handlers.sound?.(samples, offset);
    this.#player.push(samples);
  }

  /** @param {any} message */
  #onMessage(message) {
    const { utterance } = this;
    if (message.event === "cancelled") return this.#onCancelled(message);
    if (["ready", "preparing", "prepared"].includes(message.event)) return this.#onVoice(message);
    if (this.#cancelled.length > 0) return;
    if (utterance === null || utterance.isOver) {
      // Of what was asked for between texts; of a segment that is past nobody wants to know.
      if (message.error !== undefined && message.segment === undefined) this.#tellError(message.error);
      return;
    }
    if (message.error !== undefined) return this.#onError(utterance, message);
    if (message.event === "segment_start") utterance.segmentStarted(message);
    if (message.event === "words") utterance.wordsTold(message);
    if (message.event === "segment_end") utterance.segmentEnded(message);
    if (message.event === "flushed") {
      utterance.endOffset = message.samples;
      this.#endWhenHeard(utterance);
    }
  }

  /** @param {any} message */
  #onVoice({ event, voice, pacing }) {
    if (event === "ready") this.pacing = pacing ?? null;
    this.preparing = event === "preparing" ? voice : null; // what is still read is told behind "ready"
    this.#handlers.changed();
  }

  /** @param {string} error */
  #tellError(error) {
    this.preparing = null;
    this.#handlers.error(error);
    this.#handlers.changed();
  }

  /** @param {any} message */
  #onCancelled({ text_spoken: spoken, text_remaining: remaining, samples }) {
    const stopped = this.#cancelled.shift();
    if (stopped === undefined) return;
    const unsent = stopped.request.text.slice(stopped.sentText.length);
    stopped.split = [spoken, remaining + unsent];
    this.#received = this.#turnOffset = samples;
    this.#player.reset(samples);
    this.#handlers.changed();
  }

  /** @param {Utterance} utterance @param {any} message */
  #onError(utterance, { error, segment }) {
    this.preparing = null;
    if (segment === undefined) {
      this.#quit(utterance, "failed");
      this.#handlers.error(error);
    } else {
      utterance.segmentFailed(segment, error);
      this.#handlers.error(`A segment could not be spoken: ${error}`);
    }
  }

  /** @param {Utterance} utterance */
  #endWhenHeard(utterance) {
    const restMs = (((utterance.endOffset ?? 0) - this.#player.heard()) / SAMPLE_RATE) * 1000;
    if (restMs > 0) {
      this.#endTimer = setTimeout(() => this.#endWhenHeard(utterance), Math.max(restMs, 10));
      return;
    }
    utterance.end(utterance.isCut ? "lost" : "ended", this.#player.heard());
    this.#handlers.changed();
  }

  #stopTimers() {
    this.#feeder?.stop();
    clearTimeout(this.#endTimer);
  }
}
