"""Runs the `wyoming` package's own client through Home Assistant's steps: port and steps as JSON on
standard input, the events that came as JSON out, each with the sound's length and digest.

Home Assistant asks what there is by a connection of its own, opens one for each utterance, reads to
`audio-stop` (`synthesize-stopped` where it streams), and disconnects.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)


def _voice(step: dict[str, Any]) -> SynthesizeVoice | None:
    return SynthesizeVoice(**step["voice"]) if "voice" in step else None


async def describe(port: int) -> dict[str, Any]:
    """What there is, as Home Assistant keeps it."""
    started = time.monotonic()
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        (program,) = Info.from_event(event).tts
        await client.write_event(Ping("still there?").event())
        event = await client.read_event()
        assert event is not None
        assert Pong.from_event(event).text == "still there?"
    return {
        "took_s": time.monotonic() - started,
        "streams": program.supports_synthesize_streaming,
        "installed": program.installed and all(voice.installed for voice in program.voices),
        "voices": {voice.name: voice.languages for voice in program.voices},
    }


async def hear(client: AsyncTcpClient, *, is_stream: bool) -> dict[str, Any]:
    """All events up to the end of an utterance, or of the connection."""
    types, pcm, form = [], b"", None
    while (event := await client.read_event()) is not None:
        types.append(event.type)
        if Error.is_type(event.type):
            return {"types": types, "error": Error.from_event(event).text}
        if AudioStart.is_type(event.type):
            start = AudioStart.from_event(event)
            form = [start.rate, start.width, start.channels]
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            assert [chunk.rate, chunk.width, chunk.channels] == form
            assert chunk.timestamp == len(pcm) // 2 * 1000 // chunk.rate
            pcm += chunk.audio
        elif SynthesizeStopped.is_type(event.type) or (
            AudioStop.is_type(event.type) and not is_stream
        ):
            return {"types": types, "form": form, "pcm": base64.b64encode(pcm).decode()}
    return {"types": types, "error": "the connection was lost"}


async def synthesize(port: int, step: dict[str, Any]) -> dict[str, Any]:
    """Speak a whole text."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Synthesize(step["text"], voice=_voice(step)).event())
        return await hear(client, is_stream=False)


async def stream(port: int, step: dict[str, Any]) -> dict[str, Any]:
    """Speak a text as it comes; nothing is read before all has been said."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(SynthesizeStart(voice=_voice(step)).event())
        for chunk in step["chunks"]:
            await client.write_event(SynthesizeChunk(chunk).event())
        whole = Synthesize("".join(step["chunks"]), voice=_voice(step))
        await client.write_event(whole.event())
        await client.write_event(SynthesizeStop().event())
        return await hear(client, is_stream=True)


async def first_sound_before_the_end(port: int, step: dict[str, Any]) -> dict[str, Any]:
    """Whether a stream is spoken while it comes; and leave in mid-speech."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(SynthesizeStart().event())
        for chunk in step["chunks"]:
            await client.write_event(SynthesizeChunk(chunk).event())
        first = await client.read_event()
        second = await client.read_event()
        assert first is not None
        assert second is not None
        return {"types": [first.type, second.type]}


async def main() -> None:
    """Take the steps one by one."""
    task = json.load(sys.stdin)
    port, answers = task["port"], []
    for step in task["steps"]:
        match step["do"]:
            case "describe":
                answers.append(await describe(port))
            case "synthesize":
                answers.append(await synthesize(port, step))
            case "stream":
                answers.append(await stream(port, step))
            case "leave":
                answers.append(await first_sound_before_the_end(port, step))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
