"""A client for asyncio: `voice_reply.py` is its other half.

pip install websockets
python examples/python/with_asyncio.py "Hello there! How are you?" > hello.pcm
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING

import voice_reply
from voice_reply import Heard, Line, Problem, Reply
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class Speaker:
    """One reply, spoken while it is being written.

    `hear` is awaited with sound and events, in their order; while it plays, nothing is read."""

    def __init__(
        self, url: str, hear: Callable[[Heard], Awaitable[None]], key: str | None = None
    ) -> None:
        """`url` as `voice_reply.url_of` makes it."""
        self._url = url
        self._headers = voice_reply.headers_of(key)
        self._hear = hear
        self._reply = Reply()
        self._changed = asyncio.Event()

    async def speak(self, tokens: AsyncIterator[str]) -> None:
        """Speak tokens as they come, until all has come back, or `interrupt` was called. Raises
        `OSError` or what websockets has where the server cannot be reached."""
        writing = asyncio.create_task(self._write(tokens))
        try:
            await self._keep_connected()
        finally:
            writing.cancel()
            await asyncio.wait([writing])
        if not writing.cancelled():
            writing.result()  # raises what the model did

    def interrupt(self, played_ms: float | None = None) -> None:
        """Stop: `Cancelled` is the last that is heard. `played_ms` is what a player has played."""
        self._reply.is_interrupted, self._reply.played_ms = True, played_ms
        self._changed.set()

    async def _write(self, tokens: AsyncIterator[str]) -> None:
        try:
            async for token in tokens:
                self._reply.text += token
                self._changed.set()
        finally:
            self._reply.is_complete = True
            self._changed.set()

    async def _keep_connected(self) -> None:
        waits = voice_reply.waits()
        while not self._reply.is_over:
            n_samples = self._reply.n_samples
            try:
                # Reading waits for the player, and with it the answer to a ping of ours would; the
                # server pings anyway.
                async with connect(
                    self._url, additional_headers=self._headers, ping_interval=None
                ) as socket:
                    await self._talk(socket, Line(self._reply))
            except (OSError, ConnectionClosed, InvalidStatus) as error:
                if self._reply.is_interrupted:
                    return
                if self._reply.n_samples > n_samples:
                    waits = voice_reply.waits()
                wait_s = next(waits, None) if _may_pass(error) else None
                if wait_s is None:
                    raise
                await asyncio.sleep(wait_s)

    async def _talk(self, socket: ClientConnection, line: Line) -> None:
        sending = asyncio.create_task(self._send(socket, line))
        try:
            while not self._reply.is_over:
                item = line.hear(await socket.recv())
                if item is not None:
                    await self._hear(item)
        finally:
            sending.cancel()

    async def _send(self, socket: ClientConnection, line: Line) -> None:
        with contextlib.suppress(ConnectionClosed):  # which `_talk` notices, too
            while True:
                self._changed.clear()
                for message in line.to_send():
                    await socket.send(message)
                await self._changed.wait()


def _may_pass(error: Exception) -> bool:
    """Whether it may be over by itself: a network's fault, or a server that is full."""
    if isinstance(error, InvalidStatus):
        return error.response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    return True


async def main() -> None:
    """Speak a text word by word, as a language model would."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("text")
    parser.add_argument("--url", default=voice_reply.URL)
    parser.add_argument("--voice")
    parser.add_argument("--key")
    options = parser.parse_args()
    config = {"voice": options.voice} if options.voice else {}

    async def tokens() -> AsyncIterator[str]:
        for word in options.text.split():
            yield word + " "

    async def hear(item: Heard) -> None:
        if isinstance(item, bytes):
            sys.stdout.buffer.write(item)  # or play it: it comes faster than real time
        elif isinstance(item, Problem):
            print(item.error, file=sys.stderr)

    speaker = Speaker(voice_reply.url_of(options.url, **config), hear, options.key)
    try:
        await speaker.speak(tokens())
    except (OSError, WebSocketException) as error:
        sys.exit(f"the voice server at {options.url} cannot be reached: {error}")


if __name__ == "__main__":
    asyncio.run(main())
