"""OpenAI's Realtime API, as far as it is used to have a text read out, by Open WebUI's engine
``openai-realtime``. One response at a time; its text is the whole of what is in its input.

    we  session.created                       it  session.update
    we  session.updated                       it  response.create
    we  response.created, response.output_audio.delta ..., response.done
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.dialects.dialect import Dialect, Open, Say, Tell
from pipeline.dialects.openai_speech import PCM_RATE, speed_we_have, voice_asked_for
from pipeline.dialects.speech import WholeText
from stages.error_text import complaints, reason
from stages.errors import GoneAway, LimitReached, ProtocolError, ServerError, TooMuchText
from stages.items import (
    Cancelled,
    ClientMessage,
    Flushed,
    PcmFrame,
    Ready,
    SegmentFailed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.dialects.dialect import Action, Handshake, Message
    from pipeline.voice_names import VoiceNames
    from stages.items import Answer, Outgoing

Status: TypeAlias = Literal["completed", "cancelled", "failed"]
VoiceWish: TypeAlias = Annotated[str | None, BeforeValidator(voice_asked_for)]


class _Part(BaseModel):
    """Something that the client sends; keys that we do not have are ignored."""

    model_config = ConfigDict(frozen=True)


class _Pcm(_Part):
    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24_000] | None = None


class _AudioOutput(_Part):
    format: _Pcm | None = None
    voice: VoiceWish = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None


class _Audio(_Part):
    output: _AudioOutput | None = None


class _SessionWish(_Part):
    voice: VoiceWish = None
    audio: _Audio | None = None


class _SessionUpdate(_Part):
    type: Literal["session.update"]
    session: _SessionWish


MAX_ITEMS = 64
"""Items of a message, and parts of an item: a list of thousands of faults would hold up others."""


class _Content(_Part):
    text: WholeText | None = None


class _InputItem(_Part):
    content: Annotated[list[_Content], Field(max_length=MAX_ITEMS)] = []


class _ResponseWish(_Part):
    input: Annotated[list[_InputItem], Field(max_length=MAX_ITEMS)]


class _ResponseCreate(_Part):
    type: Literal["response.create"]
    response: _ResponseWish


class _ResponseCancel(_Part):
    type: Literal["response.cancel"]


_EVENT: TypeAdapter[_SessionUpdate | _ResponseCreate | _ResponseCancel] = TypeAdapter(
    Annotated[_SessionUpdate | _ResponseCreate | _ResponseCancel, Field(discriminator="type")]
)


class Realtime(Dialect):
    """The Realtime protocol on one WebSocket, with one conversation."""

    def __init__(self, handshake: Handshake, voice_names: VoiceNames) -> None:
        self._model = dict(handshake.query).get("model", "")
        self._voice_names = voice_names
        self._is_open = False
        self._n_events = itertools.count(1)
        self._n_responses = 0
        self._speaks = False
        """Whether the last of the responses is under way. It is spoken up to the flush that has
        its number."""
        self._cancelled: deque[int] = deque()
        """The responses that were to be cancelled, by their numbers."""
        self._failure: ServerError | None = None
        """Of the response that is under way."""

    def opening(self) -> Open:
        return Open({"encoding": "s16le", "sample_rate": PCM_RATE, "events": True})

    def hear(self, message: Message) -> Iterable[Action]:
        match _read(message):
            case _SessionUpdate(session=session):
                return [Say(ClientMessage(config=self._config(session)))]
            case _ResponseCreate(response=response):
                return self._begin(response)
            case _ResponseCancel():
                if not self._speaks:
                    return []
                self._cancelled.append(self._n_responses)
                return [Say(ClientMessage(cancel=True))]

    def _config(self, session: _SessionWish) -> Mapping[str, Any]:
        output = (session.audio or _Audio()).output or _AudioOutput()
        voice = output.voice or session.voice
        config: dict[str, Any] = {}
        if voice is not None:
            config["voice"] = self._voice_names.find(voice)
        if output.speed is not None:
            config["speed"] = speed_we_have(output.speed)
        return config

    def _begin(self, response: _ResponseWish) -> Iterable[Action]:
        if self._speaks:
            raise ProtocolError("response.create: a response is under way; wait until it is done")
        text = " ".join(part.text for item in response.input for part in item.content if part.text)
        if not text.strip():
            raise ProtocolError("response.input: there is no text in it")
        self._n_responses += 1
        self._speaks, self._failure = True, None
        created = self._event("response.created", response=self._response("in_progress"))
        return [Tell(created), Say(ClientMessage(token=text, flush=True))]

    def tell(self, context: str, item: Outgoing | Answer) -> Iterable[Message]:
        del context
        match item:
            case Ready():
                kind = "session.updated" if self._is_open else "session.created"
                self._is_open = True
                return [self._event(kind, session=self._session(item))]
            case PcmFrame():
                return [self._delta(item)]
            case SegmentFailed(error=error):
                self._failure = error
                return self._done("failed") if error.fatal else []  # the others are spoken
            case Flushed(number=number) if number == self._n_responses:
                return self._done("completed" if self._failure is None else "failed")
            case Cancelled():
                is_last = self._cancelled.popleft() == self._n_responses
                return self._done("cancelled") if is_last else []
            case TooMuchText() | LimitReached() | GoneAway():
                self._failure = item
                return self._done("failed")
            case ServerError():
                return [self._error(item)]
            case _:
                return []

    def refused(self, error: ServerError, context: str | None = None) -> Iterable[Action]:
        del context  # there is one, which was opened with the socket
        return [Tell(self._error(error))]

    def _done(self, status: Status) -> list[Message]:
        if not self._speaks:
            return []
        self._speaks = False
        told = [] if self._failure is None else [self._error(self._failure)]
        return [*told, self._event("response.done", response=self._response(status))]

    def _delta(self, frame: PcmFrame) -> str:
        return self._event(
            "response.output_audio.delta",
            response_id=self._response_id,
            item_id=f"item_{self._n_responses}",
            output_index=0,
            content_index=0,
            delta=base64.b64encode(frame.data).decode(),
        )

    @property
    def _response_id(self) -> str:
        return f"resp_{self._n_responses}"

    def _response(self, status: Status | Literal["in_progress"]) -> Mapping[str, Any]:
        names = {"id": self._response_id, "object": "realtime.response"}
        return {**names, "status": status, "output": []}

    def _session(self, ready: Ready) -> Mapping[str, Any]:
        output = {
            "format": {"type": "audio/pcm", "rate": PCM_RATE},
            "voice": ready.style.voice,
            "speed": ready.style.speed,
        }
        return {
            "type": "realtime",
            "object": "realtime.session",
            "model": self._model,
            "output_modalities": ["audio"],
            "audio": {"output": output},
        }

    def _error(self, error: ServerError) -> str:
        kind = "invalid_request_error" if isinstance(error, ProtocolError) else "server_error"
        told = {"type": kind, "code": error.code, "message": str(error), "param": None}
        return self._event("error", error=told)

    def _event(self, kind: str, **fields: object) -> str:
        return json.dumps({"type": kind, "event_id": f"event_{next(self._n_events)}", **fields})


def _read(message: Message) -> _SessionUpdate | _ResponseCreate | _ResponseCancel:
    """A client's event. Raises `ProtocolError`, which names what was wrong."""
    try:
        return _EVENT.validate_python(json.loads(message))
    except ValidationError as error:
        raise ProtocolError(complaints(error.errors(), _key)) from None
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"message: Invalid JSON: {reason(error)}") from None


def _key(complaint: Mapping[str, Any]) -> str:
    _, *keys = complaint["loc"] or ("", "type")  # the first is the event's type
    return ".".join(map(str, keys)) or "message"
