"""Deepgram's Speak, version 1, over a WebSocket: text in, bare sound out, and `Flushed` behind all
sound of the text before a `Flush`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pipeline.dialects.deepgram.asked import socket_config
from pipeline.dialects.deepgram.told import (
    introduction,
    leave_soon,
    model_uuid,
    read,
    render,
    text_of,
    trouble,
    unknown_type,
)
from pipeline.dialects.dialect import POOLED_S, Dialect, Finish, Open, Say
from stages.errors import ProtocolError, ServerError
from stages.items import Cancelled, ClientMessage, Flushed, GoingAway, PcmFrame, SegmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.dialects.dialect import Action, Handshake, Message
    from pipeline.voice_names import VoiceNames
    from stages.items import Answer, Outgoing


class DeepgramV1(Dialect):
    """One socket at ``/v1/speak``.

    From a `Clear` on nothing is sent of what was said before it: neither sound nor `Flushed`, which
    clients would take for those of the next turn."""

    silent_s = POOLED_S

    def __init__(self, handshake: Handshake, voice_names: VoiceNames) -> None:
        """Raises `ProtocolError` for a URL that asks for what cannot be had."""
        self._config = socket_config(handshake, voice_names)
        self._request_id = handshake.request_id
        self._voice_names = voice_names
        self._sequence = itertools.count()
        self._n_clearing = 0
        """Clears that have not been answered."""
        self._has_closed = False

    def opening(self) -> Open:
        return Open(self._config)

    def greeting(self) -> Iterable[Message]:
        voice = self._config["voice"]
        about = introduction(self._request_id, voice, self._voice_names)
        return [render("Metadata", **about, model_uuid=model_uuid(voice))]

    def hear(self, message: Message) -> Iterable[Action]:
        if self._has_closed:
            return []
        said = read(message)
        match said["type"]:
            case "Speak":
                return [Say(ClientMessage(token=text_of(said)))]
            case "Flush":
                return [Say(ClientMessage(flush=True))]
            case "Clear":
                self._n_clearing += 1
                return [Say(ClientMessage(cancel=True))]
            case "Close":
                self._has_closed = True
                return [Finish()]
        raise unknown_type(said, "Speak, Flush, Clear and Close")

    def tell(self, context: str, item: Outgoing | Answer) -> Iterable[Message]:
        del context
        match item:
            case Cancelled():
                self._n_clearing -= 1
                return [render("Cleared", sequence_id=next(self._sequence))]
            case GoingAway():
                return [leave_soon(item)]
            case ServerError():
                return [trouble(item)]
            case _ if self._n_clearing:
                return []
            case PcmFrame():
                return [item.data]
            case Flushed():
                return [render("Flushed", sequence_id=next(self._sequence))]
            case SegmentFailed(error=error):
                return [trouble(error)]
        return []

    def refused(self, error: ServerError, context: str | None = None) -> Iterable[Action]:
        del context  # there is one, which was opened with the socket
        return [Say(error)] if isinstance(error, ProtocolError) else []
