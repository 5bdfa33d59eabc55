// The players' common interface, and which of them this page can have.

import { BufferPlayer } from "./buffer-player.js";
import { WorkletPlayer } from "./worklet-player.js";

/**
 * Plays samples one after the other, at once, and goes on where it had run dry. Offsets are
 * samples of the stream.
 *
 * @typedef {object} Player
 * @property {(samples: Float32Array<ArrayBuffer>) => void} push takes the samples over
 * @property {(offset: number) => void} reset drop what was not played; the next sample to be
 *   pushed is at this offset
 * @property {() => number} heard the offset up to which the stream was heard
 * @property {(offset: number, silentS: number, at: number) => void} onresume sound begins, or
 *   begins again after a silence, at this time of performance.now()
 */

/** A player on the sound card. @typedef {Player & {name: string}} AudiblePlayer */

/**
 * An AudioWorklet plays without a gap however busy the page is, but exists in secure contexts
 * alone: not on a page that came by plain HTTP from another machine.
 * @param {AudioContext} context
 * @returns {Promise<AudiblePlayer>}
 */
export async function createPlayer(context) {
  return context.audioWorklet === undefined
    ? new BufferPlayer(context)
    : await WorkletPlayer.create(context);
}
