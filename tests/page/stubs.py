"""Scripts that put something else in place of what the server would answer."""

from __future__ import annotations

METRICS = r"""
# HELP voice_listeners Listeners that are connected
# TYPE voice_listeners gauge
voice_listeners 3
# TYPE voice_errors_total counter
voice_errors_total{code="overloaded"} ${n * 100}
# TYPE voice_first_audio_seconds histogram
voice_first_audio_seconds_bucket{le="0.01"} ${n * 10}
voice_first_audio_seconds_bucket{le="+Inf"} ${n * 10}
voice_first_audio_seconds_sum ${n}
voice_first_audio_seconds_count ${n * 10}
# HELP voice_ready 1: a newcomer would be served
# TYPE voice_ready gauge
voice_ready 1
# TYPE voice_batch_size histogram
voice_batch_size_bucket{engine="a",le="1.0"} ${n}
voice_batch_size_bucket{engine="a",le="4.0"} ${n * 2}
voice_batch_size_bucket{engine="a",le="+Inf"} ${n * 2}
voice_batch_size_sum{engine="a"} ${n * 4}
voice_batch_size_count{engine="a"} ${n * 2}
# TYPE other_things gauge
other_things 1
"""

WITH_METRICS = f"""
let n = 0;
const open = fetch;
window.fetch = (path, options) => {{
  if (path !== "/metrics") return open(path, options);
  n += 1;
  return Promise.resolve(new Response(`{METRICS}`));
}};
"""

ANSWERS = """
window.asked = [];
window.answers = {};
const open = fetch;
window.fetch = async (path, options = {}) => {
  const { method = "GET", body } = options;
  window.asked.push({ method, path, body: body && JSON.parse(body) });
  const answer = window.answers[path];
  return answer === undefined ? open(path, options) : answer();
};
"""
"""Keeps what the page asks by HTTP in `asked`; what is put in `answers` is answered in place of the
server, by path."""

MANY_VOICES = (
    ANSWERS
    + """
const voice = (name, engine, language, type = "built-in", more = {}) => ({
  name, engine, language, type, gender: null, description: `the voice ${name}`,
  licence: "unknown", is_free: false, removable: false, speaks_with: null, ...more });
window.voices = {
  default: "en-us",
  uploads: null,
  voices: [
    voice("en-us", "espeak-ng", "en-us"), voice("en-us+f3", "espeak-ng", "en-us"),
    voice("ja", "espeak-ng", "ja"), voice("en-gb-x-rp", "espeak-ng", "en-gb-x-rp"),
    voice("de", "espeak-ng", "de"), voice("cy", "espeak-ng", "cy"),
    voice("joe", "piper", "en-us", "neural", { gender: "male", licence: "Joe's, for no trade" }),
    voice("soprano", "soprano", "en", "neural", { licence: "Apache 2.0", is_free: true }),
    voice("ann", "rvc", "en-us", "rvc", { speaks_with: "joe" }),
    voice("bea", "rvc", "de", "rvc", { speaks_with: "de", removable: true }),
  ],
};
window.answers["/api/voices"] = () => Response.json(window.voices);
"""
)
"""Voices of each kind, of which the server has the built-in ones alone. What is in `voices` is what
the page gets when it asks the next time."""

FAKE_SOCKET = """
window.sockets = [];
window.WebSocket = class {
  static OPEN = 1;
  readyState = 0;
  constructor(url) {
    this.url = String(url);
    window.sockets.push(this);
    setTimeout(() => {
      this.readyState = 1;
      this.onopen();
    });
  }
  send(data) { window.sent.push(JSON.parse(data)); }
  close() {}
};
const receive = (data) => window.sockets.at(-1).onmessage({ data });
window.tell = (message) => receive(JSON.stringify(message));
window.sound = (seconds) => receive(new Float32Array(seconds * 48000).fill(0.1).buffer);
"""
"""A WebSocket that is open at once and never answers: `tell` and `sound` are what comes from it."""

WITHOUT_METRICS = """
const open = fetch;
window.fetch = (path, options) =>
  path === "/metrics" ? Promise.resolve(new Response("", { status: 404 })) : open(path, options);
"""
