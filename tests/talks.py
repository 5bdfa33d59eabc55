"""Clients that talk while their server leaves: to a conversation alone, and through a dialect."""

from __future__ import annotations

import base64
import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import trio

from pipeline.session import Session
from stages.errors import Disconnected
from stages.items import GoingAway, Staying
from tests.fakes import ListPeer, converse, service, text_of
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from pipeline.close_code import CloseCode
    from pipeline.dialects.dialect import Dialect, Message
    from pipeline.service import Service

CHAR_S = 0.1
"""The time in which the fake engine makes a character's sound."""


def slow() -> Service:
    return service(InlineModels(itertools.repeat(CHAR_S)))


class Talk:
    """A conversation on a slow server, which runs beside a test."""

    def __init__(self, *said: Any, server: Service | None = None) -> None:  # noqa: ANN401 - messages
        self.server = server or slow()
        self.peer = ListPeer(*said, ends=False)
        self.code: CloseCode | None = None
        self.ended_at = math.inf

    async def hold(self) -> None:
        self.code = await converse(self.peer, self.server)
        self.ended_at = trio.current_time()

    @property
    def spoken(self) -> str:
        return text_of(self.peer.pcm)

    def told(self) -> list[GoingAway | Staying]:
        return [item for item in self.peer.heard if isinstance(item, GoingAway | Staying)]


class Socket:
    """A client's socket: `pipeline.session.Wire`. It keeps all that it is sent."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self._to_server, self._from_client = trio.open_memory_channel[Any](1000)

    def charge(self, n_messages: int) -> None:
        """Take no notice."""

    async def receive(self) -> Message:
        try:
            message = await self._from_client.receive()
        except trio.EndOfChannel:
            raise Disconnected from None
        return message if isinstance(message, bytes) else json.dumps(message)

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        self.heard.append(message)

    def say(self, *messages: Any) -> None:  # noqa: ANN401 - JSON, or an event's bytes
        for message in messages:
            self._to_server.send_nowait(message)

    def read(self) -> list[dict[str, Any]]:
        """The messages that are JSON."""
        return [json.loads(message) for message in self.heard if isinstance(message, str)]

    def sound(self) -> bytes:
        """All sound, in whatever it came."""
        return b"".join(map(_sound_in, self.heard))


def _sound_in(message: Message) -> bytes:
    if isinstance(message, str):
        fields = json.loads(message)
        coded = fields.get("data") or fields.get("audio") or fields.get("delta") or ""
        return base64.b64decode(coded) if isinstance(coded, str) else b""
    if not message.startswith(b"{"):
        return message
    head, _, rest = message.partition(b"\n")
    lengths = json.loads(head)
    return rest[lengths.get("data_length") or 0 :] if lengths.get("payload_length") else b""


class Visit:
    """A session on a server, which runs beside a test."""

    def __init__(self, dialect: Dialect, server: Service) -> None:
        self.socket, self.server = Socket(), server
        self.session = Session(dialect, server)
        self.code: CloseCode | None = None

    async def hold(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.session.begin(looks=False):
            task_status.started()
            self.code = await self.session.run(self.socket)
