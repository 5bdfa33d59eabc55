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

MANY_VOICES = """
const open = fetch;
const voice = (name, engine, language, type = "built-in") =>
  ({ name, engine, language, type, description: `the voice ${name}` });
window.fetch = (path, options) =>
  path !== "/api/voices" ? open(path, options) : Promise.resolve(Response.json({
    default: "en-us",
    voices: [
      voice("ann", "rvc", null, "rvc"), voice("soprano", "soprano", "en"),
      voice("en-us", "espeak-ng", "en-us"), voice("en-us+f3", "espeak-ng", "en-us"),
      voice("ja", "espeak-ng", "ja"), voice("en-gb-x-rp", "espeak-ng", "en-gb-x-rp"),
      voice("de", "espeak-ng", "de"),
    ],
  }));
"""

WITHOUT_METRICS = """
const open = fetch;
window.fetch = (path, options) =>
  path === "/metrics" ? Promise.resolve(new Response("", { status: 404 })) : open(path, options);
"""
