// The view in which one listens oneself.

import { SAMPLE_RATE, outputLatencyS } from "./audio.js";
import { asFactor, element, inMs } from "./dom.js";
import { createPlayer } from "./player.js";
import { fillSegmentTable } from "./segment-table.js";
import { Speaker } from "./speaker.js";
import { Transcript } from "./transcript.js";
import { Waveform } from "./waveform.js";

const SILENT_CARD_MS = 3_000; // after which a sound card that does not start is spoken of
const REST_AFTER_MS = 20_000; // of silence: the sound card is let go
const LEAVE_AFTER_MS = 60_000; // out of sight and idle: the place on the server is given back

/** @type {Record<import("./utterance.js").UtteranceState, string>} */
const STATE_WORDS = {
  waiting: "Waiting for the server…",
  speaking: "Speaking…",
  ended: "Spoken to its end.",
  stopped: "Stopped. What was not heard is struck out.",
  lost: "Broken off. What was not heard is struck out.",
  failed: "The server refused this.",
};

/** @type {Record<import("./connection.js").ConnectionState, string>} */
const CONNECTION_WORDS = {
  asleep: "Asleep",
  connecting: "Connecting",
  open: "Connected",
  waiting: "Reconnecting",
};

/** @param {import("./voices.js").Voices} voices */
export async function startSpeakView(voices) {
  const context = new AudioContext({ sampleRate: SAMPLE_RATE });
  new SpeakView(context, await createPlayer(context), voices);
}

class SpeakView {
  #context;
  #player;
  #voices;
  #speaker;
  #transcript = new Transcript(element("transcript"));
  #waveform = new Waveform(element("waveform"));
  #restTimer = 0;
  #leaveTimer = 0;

  /**
   * @param {AudioContext} context
   * @param {import("./player.js").AudiblePlayer} player
   * @param {import("./voices.js").Voices} voices
   */
  constructor(context, player, voices) {
    this.#context = context;
    this.#player = player;
    this.#voices = voices;
    this.#speaker = new Speaker(player, {
      changed: () => this.#changed(),
      error: (message) => this.#tell(message),
      sound: (samples, offset) => this.#waveform.add(samples, offset),
    });
    element("player").textContent = player.name;
    this.#bind();
    this.#speaker.connection.open();
    this.#frame();
  }

  #bind() {
    const form = /** @type {HTMLFormElement} */ (element("say"));
    form.onsubmit = (submit) => {
      submit.preventDefault();
      this.#speak(new FormData(form), submit.timeStamp);
    };
    element("text").onkeydown = (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    };
    element("stop").onclick = () => this.#speaker.stop();
    document.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#speaker.stop();
    });
    const pitch = /** @type {HTMLInputElement} */ (element("pitch"));
    pitch.oninput = () => {
      const n = pitch.valueAsNumber;
      element("semitones").textContent = `${n > 0 ? "+" : ""}${n}`;
      pitch.setAttribute("aria-valuetext", `${n} semitones`);
    };
    const voice = /** @type {HTMLSelectElement} */ (element("voice"));
    voice.onchange = () => {
      element("voice-description").textContent = this.#voices.describe(voice.value);
    };
    document.addEventListener("visibilitychange", () => this.#seen(!document.hidden));
  }

  /** @param {FormData} form @param {number} pressedAt */
  #speak(form, pressedAt) {
    clearTimeout(this.#restTimer);
    this.#context.resume();
    this.#tell("");
    this.#waveform.clear();
    this.#speaker.speak(
      {
        text: String(form.get("text")),
        voice: String(form.get("voice")),
        pitchShift: Number(form.get("pitch")),
        tokensPerS: form.get("arrival") === "trickle" ? Number(form.get("rate")) : null,
      },
      pressedAt,
    );
  }

  #changed() {
    const { utterance, connection, isBusy } = this.#speaker;
    /** @type {HTMLButtonElement} */ (element("stop")).disabled = !isBusy;
    this.#showConnection(connection);
    if (utterance !== null) {
      element("status").textContent = STATE_WORDS[utterance.state];
      element("status").dataset.state = utterance.state;
      this.#draw(); // what is said and what is marked agree
    }
    clearTimeout(this.#restTimer);
    if (!isBusy) this.#restTimer = setTimeout(() => this.#context.suspend(), REST_AFTER_MS);
  }

  /** @param {import("./connection.js").Connection} connection */
  #showConnection({ state, why }) {
    const place = element("connection");
    place.title = why;
    if (state === "waiting" && !this.#speaker.isBusy) this.#tell(why);
    if (place.dataset.state === state) return;
    place.dataset.state = state;
    place.textContent = CONNECTION_WORDS[state];
    if (state === "open") this.#tell("");
    if (state === "open" || state === "waiting") this.#voices.load();
  }

  /** @param {boolean} isSeen */
  #seen(isSeen) {
    clearTimeout(this.#leaveTimer);
    if (isSeen) {
      this.#speaker.connection.open();
    } else {
      const leave = () => this.#speaker.isBusy || this.#speaker.connection.sleep();
      this.#leaveTimer = setTimeout(leave, LEAVE_AFTER_MS);
    }
  }

  /** @param {string} message of an error; empty: there is none */
  #tell(message) {
    if (element("error").textContent !== message) element("error").textContent = message;
  }

  #frame() {
    requestAnimationFrame(() => this.#frame());
    this.#draw();
  }

  #draw() {
    const { utterance } = this.#speaker;
    const heardTo = utterance?.heardTo ?? this.#player.heard();
    const cuts = utterance?.segments.map((segment) => segment.offset) ?? [];
    this.#waveform.draw(heardTo, cuts);
    if (utterance === null) return;
    this.#transcript.draw(utterance, heardTo);
    fillSegmentTable(element("segments"), utterance.segments);
    this.#drawFigures(utterance);
    const waitedMs = performance.now() - utterance.askedAt;
    if (this.#context.state !== "running" && this.#speaker.isBusy && waitedMs > SILENT_CARD_MS) {
      this.#tell("The browser does not start its sound. Is there a sound card?");
    }
  }

  /** @param {import("./utterance.js").Utterance} utterance */
  #drawFigures(utterance) {
    const { askedAt, firstSoundAt, firstAudioMs, nUnderruns, underrunS } = utterance;
    const cardMs = outputLatencyS(this.#context) * 1000;
    const figures = {
      "first-sound": inMs(firstSoundAt && firstSoundAt - askedAt),
      "first-audio": inMs(firstAudioMs),
      "card-latency": inMs(cardMs),
      "real-time-factor": asFactor(utterance.realTimeFactor),
      buffered: `${Math.max(0, this.#speaker.bufferedS).toFixed(1)} s`,
      underruns: nUnderruns ? `${nUnderruns} (${inMs(underrunS * 1000)})` : "0",
    };
    for (const [id, text] of Object.entries(figures)) {
      if (element(id).textContent !== text) element(id).textContent = text;
    }
  }
}
