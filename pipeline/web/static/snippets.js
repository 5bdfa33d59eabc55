// Programs that say what the page says, as it says it. Pure.

const MAX_TEXT_CHARS = 300; // in a snippet; a longer text is cut at a word
const KEY = "YOUR_KEY"; // stands for the key, which is never shown

/**
 * @typedef {object} Saying
 * @property {string} origin of the server: https://example.org:8765
 * @property {boolean} hasKey whether the server asks for a key
 * @property {string} text
 * @property {Record<string, number | string | null>} config what was chosen, the voice included
 */

/** The text as it stands in a snippet. @param {string} text */
function shortened(text) {
  const whole = text.trim() || "Hello there!";
  if (whole.length <= MAX_TEXT_CHARS) return whole;
  const head = whole.slice(0, MAX_TEXT_CHARS);
  return `${head.slice(0, Math.max(head.lastIndexOf(" "), 1)).trimEnd()} …`;
}

/** Half of a character, which no other program takes. @param {object | string} value */
function literal(value) {
  return JSON.stringify(value, null, 1)
    .replaceAll(/\n\s*/g, " ")
    .replaceAll(/^\{ | \}$/g, (brace) => brace.trim())
    .replaceAll(/\\ud[89a-f]../gi, "\\ufffd");
}

/** Streams words as a model would yield them. @param {Saying} saying */
export function inPython({ origin, hasKey, text, config }) {
  const url = `${origin.replace(/^http/, "ws")}/ws/stream?encoding=s16le&events=true`;
  const headers = hasKey ? `, additional_headers={"Authorization": "Bearer ${KEY}"}` : "";
  return `# pip install websockets
import asyncio, json, wave

import websockets

URL = ${literal(url)}
TEXT = ${literal(shortened(text))}
CONFIG = ${literal(config)}


async def main():
    async with websockets.connect(URL${headers}) as ws:
        await ws.send(json.dumps({"config": CONFIG}))
        for word in TEXT.split(" "):  # as your model yields its tokens
            await ws.send(json.dumps({"token": word + " "}))
        await ws.send(json.dumps({"flush": True}))
        with wave.open("speech.wav", "wb") as wav:
            wav.setparams((1, 2, 48_000, 0, "NONE", ""))
            async for message in ws:
                if isinstance(message, bytes):
                    wav.writeframes(message)  # or play it: it comes faster than real time
                    continue
                event = json.loads(message)
                if "error" in event:
                    raise SystemExit(event["error"])
                if event["event"] == "flushed":
                    break


asyncio.run(main())
`;
}

/** Asks once, and writes what comes. @param {Saying} saying */
export function inNode({ origin, hasKey, text, config }) {
  const key = hasKey ? `, authorization: "Bearer ${KEY}"` : "";
  return `// node speak.mjs, with Node.js 18 or later
import { writeFile } from "node:fs/promises";

const answer = await fetch(${literal(`${origin}/api/speak`)}, {
  method: "POST",
  headers: { "content-type": "application/json"${key} },
  body: JSON.stringify(${literal({ text: shortened(text), ...config })}),
});
if (!answer.ok) throw new Error(await answer.text());
await writeFile("speech.wav", answer.body); // or play it: it begins with the first sound
`;
}

/** For a POSIX shell. @param {Saying} saying */
export function inCurl({ origin, hasKey, text, config }) {
  const key = hasKey ? ` \\\n  -H 'Authorization: Bearer ${KEY}'` : "";
  const body = literal({ text: shortened(text), ...config }).replaceAll("'", "'\\''");
  return `curl --fail-with-body '${origin}/api/speak' \\
  -H 'Content-Type: application/json'${key} \\
  -d '${body}' \\
  -o speech.wav
`;
}
