// The view in which one listens oneself.

import { SAMPLE_RATE } from "./audio.js";
import { ChosenVoice } from "./chosen-voice.js";
import { element, show } from "./dom.js";
import { download } from "./download.js";
import { DraftKeeper, readDraft } from "./draft.js";
import { drawFigures } from "./figures.js";
import { HoldView, gapWarning } from "./hold-view.js";
import { KeyForm } from "./key-form.js";
import { createPlayer } from "./player.js";
import { Preview } from "./preview.js";
import { Settings } from "./settings.js";
import { SnippetsView } from "./snippets-view.js";
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
  starting: "Starting",
  locked: "Locked",
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
  #chosen;
  #preview;
  #settings = new Settings();
  #snippets = new SnippetsView(() => this.#saying());
  #draft = new DraftKeeper(() => this.#kept());
  #keyForm = new KeyForm(() => this.#speaker.connection.open());
  #transcript = new Transcript(element("transcript"));
  #waveform = new Waveform(element("waveform"));
  #hold = new HoldView();
  #form = /** @type {HTMLFormElement} */ (element("say"));
  #text = /** @type {HTMLTextAreaElement} */ (element("text"));
  #downloading = new AbortController();
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
    this.#speaker = new Speaker(
      player,
      {
        changed: () => this.#changed(),
        error: (message) => this.#tell(message),
        sound: (samples, offset) => this.#waveform.add(samples, offset),
      },
      { words: "true" },
    );
    this.#preview = new Preview(context, {
      changed: (name, isHeard) => this.#previewed(name, isHeard),
      error: (message) => this.#tell(message),
    });
    this.#chosen = new ChosenVoice(voices, {
      changed: (isByPerson) => this.#voiceChanged(isByPerson),
      preview: (voice) => this.#tryVoice(voice),
      closed: () => this.#preview.stop(),
    });
    voices.watch(() => this.#settings.offerLanguages(voices.all));
    element("player").textContent = player.name;
    this.#restore(readDraft());
    this.#bind();
    this.#speaker.connection.open();
    this.#frame();
  }

  #bind() {
    const form = this.#form;
    form.onsubmit = (submit) => {
      submit.preventDefault();
      this.#speak(submit.timeStamp);
    };
    // The sound card starts while the button is still being pressed.
    element("speak").onpointerdown = () => this.#context.resume();
    this.#text.onkeydown = (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    };
    element("stop").onclick = () => this.#speaker.stop();
    document.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || this.#chosen.isBeingChosen) return;
      this.#speaker.stop();
      this.#preview.stop();
    });
    form.oninput = () => this.#edited();
    this.#settings.onchange = () => {
      this.#usePacing();
      this.#edited();
    };
    element("arrival").oninput = () => this.#edited();
    for (const format of /** @type {const} */ (["wav", "mp3"])) {
      element(`download-${format}`).onclick = () => this.#download(format);
    }
    document.addEventListener("visibilitychange", () => this.#seen(!document.hidden));
  }

  /** What is to be said, and how, as far as that is not the default. */
  #saying() {
    const { config, voice } = this.#chosen;
    return { text: this.#text.value, config: { ...config, ...this.#settings.chosen(voice) } };
  }

  #edited() {
    this.#draft.touch();
    this.#snippets.draw();
  }

  /** @returns {import("./draft.js").Draft} */
  #kept() {
    const { tokensPerS, isTrickling } = arrival();
    const { wanted: voice } = this.#chosen;
    return { text: this.#text.value, voice, settings: this.#settings.kept, tokensPerS, isTrickling };
  }

  /** @param {import("./draft.js").Draft} draft */
  #restore({ text, voice, settings, tokensPerS, isTrickling }) {
    if (typeof text === "string") this.#text.value = text;
    if (typeof voice === "string") this.#chosen.wanted = voice;
    this.#settings.restore(settings ?? {});
    if (tokensPerS > 0) /** @type {HTMLInputElement} */ (element("rate")).value = String(tokensPerS);
    /** @type {HTMLInputElement} */ (element("trickle")).checked = isTrickling === true;
  }

  /** @param {number} pressedAt */
  #speak(pressedAt) {
    this.#context.resume();
    this.#preview.stop();
    this.#tell("");
    this.#waveform.clear();
    const { config: chosen, voice } = this.#chosen;
    const { tokensPerS, isTrickling } = arrival();
    const config = { ...chosen, ...this.#settings.config(voice) };
    this.#speaker.speak(
      { text: this.#text.value, config, tokensPerS: isTrickling ? tokensPerS : null },
      pressedAt,
    );
    element("stage").scrollIntoView({ block: "nearest" });
  }

  /** @param {boolean} isByPerson */
  #voiceChanged(isByPerson) {
    const { name, voice } = this.#chosen;
    this.#settings.fit(voice);
    this.#speaker.prepare(name); // or the first press waits for it
    if (isByPerson) this.#draft.touch();
    this.#snippets.draw();
  }

  /** @param {import("./voices.js").Voice} voice */
  #tryVoice(voice) {
    this.#context.resume();
    this.#speaker.stop();
    this.#tell("");
    this.#preview.toggle(voice);
  }

  /** @param {string | null} name @param {boolean} isHeard */
  #previewed(name, isHeard) {
    this.#chosen.previewed(name, isHeard);
    this.#restLater();
  }

  /** @param {"wav" | "mp3"} format */
  async #download(format) {
    this.#downloading.abort();
    this.#downloading = new AbortController();
    const { signal } = this.#downloading;
    try {
      await download(format, this.#saying(), signal, (words) => show("download-told", words));
    } catch (error) {
      if (signal.aborted) return; // another one was asked for
      show("download-told", `No file: ${/** @type {Error} */ (error).message}`);
    }
  }

  #changed() {
    const { utterance, connection, isBusy, pacing, preparing } = this.#speaker;
    /** @type {HTMLButtonElement} */ (element("stop")).disabled = !isBusy;
    this.#showConnection(connection);
    this.#usePacing();
    show("pacing-warning", gapWarning(pacing, this.#chosen.voice));
    const words = utterance === null ? "Ready." : STATE_WORDS[utterance.state];
    show("status", preparing === null ? words : `Preparing the voice ${preparing}…`);
    const isBusyForUs = preparing !== null || utterance?.state === "waiting";
    element("status").toggleAttribute("data-busy", isBusyForUs);
    if (utterance !== null) {
      element("status").dataset.state = utterance.state;
      this.#draw(); // what is said and what is marked agree
    }
    this.#restLater();
  }

  /** As it is set, where the server has said that it paces. */
  #usePacing() {
    const isKnown = this.#speaker.pacing !== null;
    this.#settings.offerPacing(isKnown);
    if (isKnown) this.#speaker.usePacing(this.#settings.pacing);
  }

  #restLater() {
    clearTimeout(this.#restTimer);
    if (this.#speaker.isBusy || this.#preview.voice !== null) return;
    this.#restTimer = setTimeout(() => this.#context.suspend(), REST_AFTER_MS);
  }

  /** @param {import("./connection.js").Connection} connection */
  #showConnection({ state, why, label, isKeyWrong }) {
    const place = element("connection");
    place.title = why;
    if (state === "waiting" && !this.#speaker.isBusy) this.#tell(why);
    show("starting", state === "starting" ? why : "");
    place.textContent = label || CONNECTION_WORDS[state];
    if (place.dataset.state === state) return;
    place.dataset.state = state;
    if (state === "locked") this.#keyForm.ask(isKeyWrong);
    if (state === "starting" || state === "locked") this.#tell("");
    if (state === "open") {
      this.#tell("");
      this.#keyForm.hide();
      this.#snippets.draw();
    }
    if (state === "open" || state === "waiting") this.#voices.load();
  }

  /** @param {boolean} isSeen */
  #seen(isSeen) {
    clearTimeout(this.#leaveTimer);
    const { connection } = this.#speaker;
    if (isSeen) {
      if (["asleep", "waiting"].includes(connection.state)) connection.open();
    } else {
      const leave = () => this.#speaker.isBusy || connection.sleep();
      this.#leaveTimer = setTimeout(leave, LEAVE_AFTER_MS);
    }
  }

  /** @param {string} message of an error; empty: there is none */
  #tell(message) {
    show("error", message);
    if (this.#chosen.isBeingChosen || message === "") show("voice-error", message);
  }

  #frame() {
    requestAnimationFrame(() => this.#frame());
    this.#draw();
  }

  #draw() {
    const { utterance, bufferedS, isBusy } = this.#speaker;
    const heardTo = utterance?.heardTo ?? this.#player.heard();
    const cuts = utterance?.segments.map((segment) => segment.offset) ?? [];
    this.#waveform.draw(heardTo, cuts);
    if (utterance === null) return;
    this.#transcript.draw(utterance, heardTo);
    this.#hold.draw(utterance, bufferedS * 1000, this.#chosen.voice);
    drawFigures(utterance, bufferedS, this.#context);
    const waitedMs = performance.now() - utterance.askedAt;
    if (this.#context.state !== "running" && isBusy && waitedMs > SILENT_CARD_MS) {
      this.#tell("The browser does not start its sound. Is there a sound card?");
    }
  }
}

/** How fast the text is to come. */
function arrival() {
  const { valueAsNumber } = /** @type {HTMLInputElement} */ (element("rate"));
  const { checked: isTrickling } = /** @type {HTMLInputElement} */ (element("trickle"));
  return { tokensPerS: valueAsNumber || 20, isTrickling };
}
