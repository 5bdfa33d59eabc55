"""Runs one of the Python clients among the examples, unchanged: module, URL, text, and the number
of sounds after which it is interrupted (0: not) as arguments; what it heard as JSON out."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PYTHON = Path(__file__).parents[2] / "examples" / "python"

BYTES_PER_MS = 2 * 48


def main(module: str, url: str, text: str, interrupt_after: int) -> None:
    """Speak."""
    sys.path.insert(0, str(PYTHON))
    client: Any = importlib.import_module(module)
    reply: Any = importlib.import_module("voice_reply")
    sounds: list[bytes] = []
    events: list[Any] = []

    def note(item: object) -> None:
        if not isinstance(item, bytes):
            events.append(item)
            return
        sounds.append(item)
        if len(sounds) == interrupt_after:
            speaker.interrupt(sum(map(len, sounds)) / BYTES_PER_MS)

    async def note_async(item: object) -> None:
        note(item)

    def words() -> Iterator[str]:
        for word in re.findall(r"\s*\S+", text):
            yield word
            time.sleep(0)

    async def words_async() -> AsyncIterator[str]:
        for word in words():
            yield word

    is_sync = module == "with_threads"
    speaker = client.Speaker(reply.url_of(url), note if is_sync else note_async)
    if is_sync:
        speaker.speak(words())
    elif module == "with_asyncio":
        asyncio.run(speaker.speak(words_async()))
    else:
        trio.run(speaker.speak, words_async())
    last = events[-1]
    json.dump(
        {
            "pcm": base64.b64encode(b"".join(sounds)).decode(),
            "events": [type(event).__name__ for event in events],
            "starts": [event.text for event in events if isinstance(event, reply.SegmentStart)],
            "heard": getattr(last, "text_spoken", None),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
