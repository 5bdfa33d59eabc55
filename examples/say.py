"""A client that has a text spoken and writes the sound to a WAV file.

pip install websockets
python examples/say.py "Hello there! How are you?" -o hello.wav
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import wave
from urllib.parse import urlencode

import websockets


async def say(
    text: str, path: str, url: str, *, pitch_shift: float, voice: str | None, key: str | None
) -> None:
    """Send a text word by word, as a language model would, and write its sound."""
    config = {"encoding": "s16le", "events": "true"} | ({"voice": voice} if voice else {})
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        ws = await websockets.connect(f"{url}?{urlencode(config)}", additional_headers=headers)
    except (OSError, websockets.InvalidHandshake) as error:
        sys.exit(f"cannot connect to {url}: {error}")
    async with ws:
        for word in text.split():
            await ws.send(json.dumps({"token": word + " ", "pitch_shift": pitch_shift}))
        await ws.send(json.dumps({"flush": True}))

        with wave.open(path, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(48_000)
            async for message in ws:
                if isinstance(message, bytes):
                    wav.writeframes(message)  # or play it: it comes faster than real time
                    continue
                event = json.loads(message)
                if "error" in event:
                    print(event["error"])
                elif event["event"] == "flushed":  # after the last sound of what was flushed
                    return
    sys.exit("the server closed before it had said everything")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Say a text through the voice server.")
    parser.add_argument("text")
    parser.add_argument("-o", "--output", default="speech.wav", help="a WAV file")
    parser.add_argument("--url", default="ws://localhost:8765/ws/stream")
    parser.add_argument("--pitch-shift", type=float, default=0, help="in semitones")
    parser.add_argument("--voice", help="a name from /api/voices")
    parser.add_argument("--key", help="for a server that asks for one")
    options = parser.parse_args()
    asyncio.run(
        say(
            options.text,
            options.output,
            options.url,
            pitch_shift=options.pitch_shift,
            voice=options.voice,
            key=options.key,
        )
    )
    print("wrote", options.output)
