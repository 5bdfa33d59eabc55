// Speaks the text of the form through the WebSocket, and shows which part is being heard.

import { addKey, fetchWithKey } from "./key.js";

const element = (id) => document.getElementById(id);
const status = (text) => { element("status").textContent = text; };

// Plays float32 samples one after the other, on the sound card's clock.
class Player {
  constructor(sampleRate) {
    this.context = new AudioContext({ sampleRate });
    this.startedAt = null; // when the first sample is heard, on the context's clock
    this.end = 0;
    this.sources = new Set();
  }

  play(samples) {
    const { context } = this;
    const buffer = context.createBuffer(1, samples.length, context.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(context.destination);
    this.end = Math.max(this.end, context.currentTime);
    this.startedAt ??= this.end;
    source.start(this.end);
    this.end += buffer.duration;
    this.sources.add(source);
    source.onended = () => this.sources.delete(source);
  }

  get playedMs() {
    if (this.startedAt === null) return 0;
    return Math.max(0, Math.min(this.context.currentTime, this.end) - this.startedAt) * 1000;
  }

  close() {
    this.sources.forEach((source) => source.stop());
    this.context.close();
  }
}

class Conversation {
  constructor(text, voice, pitchShift) {
    this.player = new Player(48000);
    this.askedAt = null;
    const url = new URL("/ws/stream", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams({ voice, pitch_shift: pitchShift, events: true });
    addKey(url);
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.askedAt = performance.now();
      this.socket.send(JSON.stringify({ token: text, flush: true }));
    };
    this.socket.onmessage = ({ data }) =>
      typeof data === "string" ? this.onEvent(JSON.parse(data)) : this.onSound(data);
    this.socket.onclose = ({ code }) => { if (code !== 1000) this.finish(`The server closed (${code}).`); };
  }

  onSound(data) {
    if (this.player.startedAt === null) {
      status(`First sound after ${(performance.now() - this.askedAt).toFixed(1)} ms.`);
    }
    this.player.play(new Float32Array(data));
  }

  onEvent(message) {
    if (message.error) status(`Error: ${message.error}`);
    if (message.event === "segment_start") this.show(message);
    if (message.event === "flushed") {
      this.wait(message.samples / 48000, () => this.finish("Ready."));
    }
    if (message.event === "cancelled") {
      element("spoken").textContent = message.text_spoken;
      this.finish("Stopped: this is what was heard.");
    }
  }

  // Show the segment's text, and mark it while it is heard.
  show({ text, sample_offset: offset }) {
    const span = document.createElement("span");
    span.textContent = text;
    element("spoken").append(span);
    this.wait(offset / 48000, () => {
      document.querySelector(".now")?.classList.remove("now");
      span.classList.add("now");
    });
  }

  // Call back when the listener has come this far in the sound.
  wait(seconds, callback) {
    setTimeout(callback, Math.max(0, seconds * 1000 - this.player.playedMs));
  }

  stop() {
    if (this.socket.readyState !== WebSocket.OPEN) return this.finish("Stopped.");
    const playedMs = this.player.playedMs;
    this.player.close();
    this.socket.send(JSON.stringify({ cancel: true, played_ms: playedMs }));
  }

  finish(text) {
    if (conversation !== this) return;
    conversation = null;
    status(text);
    document.querySelector(".now")?.classList.remove("now");
    element("stop").disabled = true;
    this.socket.close(1000);
    if (this.player.context.state !== "closed") this.player.close();
  }
}

let conversation = null;

element("say").onsubmit = (submit) => {
  submit.preventDefault();
  conversation?.finish("");
  element("spoken").textContent = "";
  element("stop").disabled = false;
  conversation = new Conversation(
    element("text").value, element("voice").value, element("pitch").value);
};
element("stop").onclick = () => conversation?.stop();
element("pitch").oninput = () => { element("semitones").value = element("pitch").value; };

const answer = await fetchWithKey("/api/voices");
if (!answer) status("Without a key this server does not speak. Reload to give one.");
const { voices, default: chosen } = answer ? await answer.json() : { voices: [] };
for (const { name, description } of voices) {
  element("voice").add(new Option(`${name}: ${description}`, name, false, name === chosen));
}
