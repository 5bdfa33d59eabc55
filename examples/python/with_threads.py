"""A client for programs without an event loop: `voice_reply.py` is its other half.

pip install websockets
python examples/python/with_threads.py "Hello there! How are you?" > hello.pcm
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import voice_reply
from voice_reply import Heard, Line, Problem, Reply
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Speaker:
    """One reply, spoken while it is being written.

    `hear` is called with sound and events, in their order, in the thread that speaks; while it
    plays, nothing is read. The tokens are asked for in a thread of their own."""

    def __init__(self, url: str, hear: Callable[[Heard], None], key: str | None = None) -> None:
        """`url` as `voice_reply.url_of` makes it."""
        self._url = url
        self._headers = voice_reply.headers_of(key)
        self._hear = hear
        self._reply = Reply()
        self._changed = threading.Condition()

    def speak(self, tokens: Iterable[str]) -> None:
        """Speak tokens as they come, until all has come back, or `interrupt` was called. Raises
        `OSError` or what websockets has where the server cannot be reached."""
        threading.Thread(target=self._write, args=[tokens], daemon=True).start()
        waits = voice_reply.waits()
        while not self._reply.is_over:
            n_samples = self._reply.n_samples
            try:
                # Reading waits for the player, and with it the answer to a ping of ours would; the
                # server pings anyway.
                with connect(
                    self._url, additional_headers=self._headers, ping_interval=None
                ) as socket:
                    self._talk(socket, Line(self._reply))
            except (OSError, ConnectionClosed, InvalidStatus) as error:
                if self._reply.is_interrupted:
                    return
                if self._reply.n_samples > n_samples:
                    waits = voice_reply.waits()
                wait_s = next(waits, None) if _may_pass(error) else None
                if wait_s is None:
                    raise
                time.sleep(wait_s)

    def interrupt(self, played_ms: float | None = None) -> None:
        """Stop, from any thread: `Cancelled` is the last that is heard. `played_ms` is what a
        player has played."""
        with self._changed:
            self._reply.is_interrupted, self._reply.played_ms = True, played_ms
            self._changed.notify_all()

    def _write(self, tokens: Iterable[str]) -> None:
        try:
            for token in tokens:
                with self._changed:
                    self._reply.text += token
                    self._changed.notify_all()
                if self._reply.is_over or self._reply.is_interrupted:
                    return
        finally:
            with self._changed:
                self._reply.is_complete = True
                self._changed.notify_all()

    def _talk(self, socket: ClientConnection, line: Line) -> None:
        has_ended = threading.Event()
        sending = threading.Thread(target=self._send, args=[socket, line, has_ended])
        sending.start()
        try:
            while not self._reply.is_over:
                item = line.hear(socket.recv())
                if item is not None:
                    self._hear(item)
        finally:
            has_ended.set()
            with self._changed:
                self._changed.notify_all()
            sending.join()

    def _send(self, socket: ClientConnection, line: Line, has_ended: threading.Event) -> None:
        while True:
            with self._changed:
                while not (messages := line.to_send()):
                    if has_ended.is_set():
                        return
                    self._changed.wait()
            try:
                for message in messages:
                    socket.send(message)
            except ConnectionClosed:
                return  # which `_talk` notices, too


def _may_pass(error: Exception) -> bool:
    """Whether it may be over by itself: a network's fault, or a server that is full."""
    if isinstance(error, InvalidStatus):
        return error.response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    return True


def main() -> None:
    """Speak a text word by word, as a language model would."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("text")
    parser.add_argument("--url", default=voice_reply.URL)
    parser.add_argument("--voice")
    parser.add_argument("--key")
    options = parser.parse_args()
    config = {"voice": options.voice} if options.voice else {}

    def hear(item: Heard) -> None:
        if isinstance(item, bytes):
            sys.stdout.buffer.write(item)  # or play it: `play.py` does
        elif isinstance(item, Problem):
            print(item.error, file=sys.stderr)

    speaker = Speaker(voice_reply.url_of(options.url, **config), hear, options.key)
    try:
        speaker.speak(word + " " for word in options.text.split())
    except (OSError, WebSocketException) as error:
        sys.exit(f"the voice server at {options.url} cannot be reached: {error}")


if __name__ == "__main__":
    main()
