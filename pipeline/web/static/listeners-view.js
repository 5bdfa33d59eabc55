// The view of many simulated listeners: how quickly each of them is answered.

import { Chart } from "./chart.js";
import { asFactor, element, inMs, make, show } from "./dom.js";
import { Listener } from "./listener.js";
import { groupsOf, languageOf } from "./voice-groups.js";

const EVERY_MS = 500;
const RECENT_MS = 5_000; // what the charts' quantiles are taken over
const ARRIVE_WITHIN_MS = 1_000; // all together, as an audience comes
const CHROMES_BOUND = 255; // of WebSockets to one host, of which this page has one

export class ListenersView {
  /** @type {Listener[]} */
  #listeners = [];
  /** When a text began, and how long that took. @type {[number, number][]} */
  #begun = [];
  #receivedS = 0;
  #timer = 0;
  #lastLook = 0;
  #waits = new Chart("first audio, here", "over the last 5 s, as these listeners had it", inMs, EVERY_MS / 1000);
  #speech = new Chart("speech, here", "received by these listeners", (s) => `${s.toFixed(1)} s/s`, EVERY_MS / 1000);

  /** @param {import("./voices.js").Voices} voices */
  constructor(voices) {
    voices.watch(() => offer(voices));
    element("metrics").append(this.#waits.element, this.#speech.element);
    const form = /** @type {HTMLFormElement} */ (element("crowd"));
    form.onsubmit = (submit) => {
      submit.preventDefault();
      this.#start(new FormData(form));
    };
    element("crowd-stop").onclick = () => this.#stop();
    element("crowd-size").setAttribute("max", String(CHROMES_BOUND - 1));
  }

  /** @param {FormData} form */
  #start(form) {
    this.#stop();
    const size = Number(form.get("size"));
    const rate = Number(form.get("rate"));
    const style = { voice: String(form.get("voice")), tokensPerS: rate > 0 ? rate : null };
    this.#begun = [];
    this.#receivedS = 0;
    this.#lastLook = performance.now();
    this.#listeners = Array.from({ length: size }, (_, number) => {
      const delayMs = (ARRIVE_WITHIN_MS * number) / size;
      return new Listener(number, style, delayMs, (ms) =>
        this.#begun.push([performance.now(), ms]),
      );
    });
    element("crowd-rows").replaceChildren(...this.#listeners.map((_, at) => row(at + 1)));
    this.#setRunning(true);
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  #stop() {
    if (this.#listeners.length === 0) return;
    clearInterval(this.#timer);
    this.#look();
    this.#listeners.forEach((listener) => listener.leave());
    this.#listeners = [];
    this.#setRunning(false);
  }

  /** @param {boolean} isRunning */
  #setRunning(isRunning) {
    /** @type {HTMLButtonElement} */ (element("crowd-stop")).disabled = !isRunning;
    const n = this.#listeners.length;
    element("crowd-status").textContent = isRunning
      ? `${n} ${n === 1 ? "listener" : "listeners"}`
      : "The listeners have left.";
  }

  #look() {
    const now = performance.now();
    const listeners = this.#listeners;
    const sum = (/** @type {(listener: Listener) => number} */ of) =>
      listeners.reduce((total, listener) => total + of(listener), 0);

    this.#begun = this.#begun.filter(([at]) => at > now - RECENT_MS);
    const waits = this.#begun.map(([, ms]) => ms).sort((a, b) => a - b);
    const receivedS = sum((listener) => listener.receivedS);
    this.#waits.push(new Map([["p50", share(waits, 0.5)], ["p95", share(waits, 0.95)]]));
    const perS = (receivedS - this.#receivedS) / ((now - this.#lastLook) / 1000);
    this.#speech.push(new Map([["", perS]]));
    this.#receivedS = receivedS;
    this.#lastLook = now;

    const factors = listeners.map((one) => one.realTimeFactor).filter((one) => one !== null);
    show("crowd-p50", inMs(share(waits, 0.5)));
    show("crowd-p95", inMs(share(waits, 0.95)));
    show("crowd-factor", asFactor(share(factors.sort((a, b) => a - b), 0.5)));
    show("crowd-gaps", String(sum((listener) => listener.nGaps)));
    show("crowd-errors", String(sum((listener) => listener.nErrors)));
    element("crowd-error").textContent =
      listeners.findLast((listener) => listener.error !== "")?.error ?? "";
    listeners.forEach((listener, at) => fill(element("crowd-rows").children[at], listener));
  }
}

/** The number below which this share of them lies. @param {number[]} sorted @param {number} part */
function share(sorted, part) {
  return sorted.length > 0 ? sorted[Math.ceil(sorted.length * part) - 1] : null;
}

/** @param {number} number */
function row(number) {
  const made = make("tr");
  const head = make("th", "", String(number));
  head.setAttribute("scope", "row");
  made.append(head, ...Array.from({ length: 5 }, () => make("td")));
  return made;
}

/** @param {Element} row @param {Listener} listener */
function fill(row, listener) {
  const { state, firstAudioMs, realTimeFactor, nGaps, nSpoken } = listener;
  const texts = [state, inMs(firstAudioMs), asFactor(realTimeFactor), `${nGaps}`, `${nSpoken}`];
  /** @type {HTMLElement} */ (row).dataset.state = state;
  texts.forEach((text, at) => {
    const cell = row.children[at + 1];
    if (cell.textContent !== text) cell.textContent = text;
  });
}

/** Offer the voices that there are. @param {import("./voices.js").Voices} voices */
function offer(voices) {
  const select = /** @type {HTMLSelectElement} */ (element("crowd-voice"));
  const chosen = voices.get(select.value)?.name ?? voices.preset;
  select.replaceChildren(
    ...groupsOf(voices.all).map(({ label, voices: of }) => {
      const group = make("optgroup");
      group.label = label;
      group.append(
        ...of.map((voice) => new Option([voice.name, languageOf(voice)].join(" · "), voice.name)),
      );
      return group;
    }),
  );
  select.value = chosen;
}
