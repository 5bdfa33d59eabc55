"""A client for Trio: `voice_reply.py` is its other half.

pip install trio-websocket
python examples/python/with_trio.py "Hello there! How are you?" > hello.pcm
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING

import trio
import voice_reply
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    open_websocket_url,
)
from voice_reply import Heard, Line, Problem, Reply

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
        headers = voice_reply.headers_of(key)
        self._headers = [(name.encode(), value.encode()) for name, value in headers]
        self._hear = hear
        self._reply = Reply()
        self._changed = trio.Event()

    async def speak(self, tokens: AsyncIterator[str]) -> None:
        """Speak tokens as they come, until all has come back, or `interrupt` was called. Raises
        an `ExceptionGroup` with `OSError`, or with what trio-websocket has, where the server cannot
        be reached."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._write, tokens)
            await self._keep_connected()
            self._nursery.cancel_scope.cancel()

    def interrupt(self, played_ms: float | None = None) -> None:
        """Stop: `Cancelled` is the last that is heard. `played_ms` is what a player has played."""
        self._reply.is_interrupted, self._reply.played_ms = True, played_ms
        self._changed.set()

    async def _write(self, tokens: AsyncIterator[str]) -> None:
        async for token in tokens:
            self._reply.text += token
            self._changed.set()
        self._reply.is_complete = True
        self._changed.set()

    async def _keep_connected(self) -> None:
        waits = voice_reply.waits()
        while not self._reply.is_over:
            n_samples = self._reply.n_samples
            try:
                async with open_websocket_url(self._url, extra_headers=self._headers) as socket:
                    await self._talk(socket, Line(self._reply))
            except (OSError, ConnectionClosed, HandshakeError) as error:
                if self._reply.is_interrupted:
                    return
                if self._reply.n_samples > n_samples:
                    waits = voice_reply.waits()
                wait_s = next(waits, None) if _may_pass(error) else None
                if wait_s is None:
                    raise
                await trio.sleep(wait_s)

    async def _talk(self, socket: WebSocketConnection, line: Line) -> None:
        sending = trio.CancelScope()
        self._nursery.start_soon(self._send, socket, line, sending)
        try:
            while not self._reply.is_over:
                item = line.hear(await socket.get_message())
                if item is not None:
                    await self._hear(item)
        finally:
            sending.cancel()

    async def _send(self, socket: WebSocketConnection, line: Line, scope: trio.CancelScope) -> None:
        with scope, contextlib.suppress(ConnectionClosed):  # which `_talk` notices, too
            while True:
                self._changed = trio.Event()
                for message in line.to_send():
                    await socket.send_message(message)
                await self._changed.wait()


def _may_pass(error: Exception) -> bool:
    """Whether it may be over by itself: a network's fault, or a server that is full."""
    if isinstance(error, ConnectionRejected):
        return error.status_code == HTTPStatus.SERVICE_UNAVAILABLE
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
    except* (OSError, ConnectionClosed, HandshakeError) as errors:
        (error,) = errors.exceptions
        sys.exit(f"the voice server at {options.url} cannot be reached: {error}")


if __name__ == "__main__":
    trio.run(main)
