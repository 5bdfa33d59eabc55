"""Wyoming, the protocol of Home Assistant: text in, speech out, over a bare TCP connection.

    describe                           ▶ info
    synthesize                         ▶ audio-start, audio-chunk..., audio-stop
    synthesize-start, synthesize-chunk..., synthesize, synthesize-stop
                                       ▶ the same, and synthesize-stopped

A client asks for one utterance and leaves, or for several, which are spoken in their order. Leaving
early is its cancel.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from pipeline.close_code import CloseCode
from pipeline.dialects.dialect import Close, Dialect, Finish, Open, Say, Tell
from pipeline.dialects.native import Text
from pipeline.dialects.values import LanguageTag
from pipeline.dialects.wyoming_events import decode, encode
from stages.audio.format import PIPELINE_RATE
from stages.error_text import complaints
from stages.errors import GoneAway, Overloaded, ProtocolError, ServerError
from stages.items import ClientMessage, Flushed, PcmFrame, SegmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.dialects.dialect import Action, Message
    from pipeline.voice_names import VoiceNames
    from stages.items import Answer, Outgoing
    from stages.voices import Voice

MAX_UTTERANCES = 64
"""Utterances of one client that may wait to be spoken; Home Assistant asks for one a connection."""

SAMPLE_BYTES = 2
_FORM = {"rate": PIPELINE_RATE, "width": SAMPLE_BYTES, "channels": 1}
"""The form of all sound. Home Assistant takes any, and converts it itself."""

_ATTRIBUTION = {"name": "Voice server", "url": ""}

_OTHER_TAGS = {"cmn": "zh-CN", "yue": "zh-HK"}
"""Languages for which Home Assistant has other tags than ours."""

_SPEAKER = re.compile("[0-9]{1,4}")
"""An RVC voice's speaker. Other voices have none, and other names say nothing."""


class _WyomingData(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _WyomingPing(_WyomingData):
    text: str | None = None


class _VoiceAsked(_WyomingData):
    """The voice that is asked for: by name, or any of a language."""

    name: str | None = None
    language: Annotated[LanguageTag | None, BeforeValidator(lambda tag: tag or None)] = None
    speaker: str | None = None


class _SynthesizeStart(_WyomingData):
    voice: _VoiceAsked | None = None


class _SynthesizeChunk(_WyomingData):
    text: Text


class _Synthesize(_SynthesizeStart, _SynthesizeChunk):
    pass


_Data = TypeVar("_Data", bound=_WyomingData)


class Wyoming(Dialect):
    """Wyoming on one connection: one conversation, opened with the first text."""

    def __init__(self, voice_names: VoiceNames) -> None:
        self._voice_names = voice_names
        self._is_open = False
        self._is_in_stream = False
        self._unended: deque[bool] = deque()  # for each utterance, whether it came as a stream
        self._n_samples: int | None = None  # sent of the first of them; None: not begun

    def hear(self, message: Message) -> Iterable[Action]:
        if isinstance(message, str):
            raise TypeError("an event is bytes")
        event = decode(message)
        match event.type:
            case "describe":
                return [Tell(self._info())]
            case "ping":
                return [Tell(encode("pong", _taken(_WyomingPing, event.data).model_dump()))]
            case "synthesize" if self._is_in_stream:
                return []  # the whole text once more, for servers that know no streams
            case "synthesize":
                asked = _taken(_Synthesize, event.data)
                text = ClientMessage(token=asked.text)
                return [*self._begin(asked), Say(text), Say(ClientMessage(flush=True))]
            case "synthesize-start":
                if self._is_in_stream:
                    raise ProtocolError("synthesize-start: the text before it has not ended")
                self._is_in_stream = True
                return self._begin(_taken(_SynthesizeStart, event.data))
            case "synthesize-chunk" | "synthesize-stop" if not self._is_in_stream:
                raise ProtocolError(f"{event.type}: there was no synthesize-start")
            case "synthesize-chunk":
                return [Say(ClientMessage(token=_taken(_SynthesizeChunk, event.data).text))]
            case "synthesize-stop":
                self._is_in_stream = False
                return [Say(ClientMessage(flush=True))]
        return []  # other services' events, and newer ones: to be ignored

    def tell(self, context: str, item: Outgoing | Answer) -> Iterable[Message]:
        del context
        match item:
            case PcmFrame():
                yield from self._begin_sound()
                yield self._chunk(item.data)
            case Flushed():
                yield from self._begin_sound()
                yield encode("audio-stop", {"timestamp": self._timestamp})
                self._n_samples = None
                if self._unended.popleft():
                    yield encode("synthesize-stopped")
            case GoneAway():
                pass  # told by `ended`, behind the utterance that is being spoken
            case SegmentFailed(error=error) | (ServerError() as error):
                yield error_event(error)

    def refused(self, error: ServerError, context: str | None = None) -> Iterable[Action]:
        """Older Home Assistants do not know errors and would wait for ever: so the connection
        ends, once what was asked for before has been spoken."""
        if self._is_open and context is None and isinstance(error, ProtocolError):
            return [Say(error), Finish()]
        return [Tell(error_event(error)), Close()]

    def ended(self, context: str, code: CloseCode) -> Iterable[Action]:
        del context
        if self._unended and code == CloseCode.GOING_AWAY:
            left = "the server is shutting down, and the text was not complete or not all spoken"
            yield Tell(error_event(Overloaded(left)))
        yield Close(code)

    def _begin(self, asked: _SynthesizeStart) -> list[Action]:
        """Begin an utterance."""
        if len(self._unended) >= MAX_UTTERANCES:
            raise ProtocolError(f"{MAX_UTTERANCES} texts wait to be spoken, the most")
        self._unended.append(self._is_in_stream)
        manner = Say(ClientMessage(config=self._manner(asked.voice or _VoiceAsked())))
        if self._is_open:
            return [manner]
        self._is_open = True
        return [Open({"encoding": "s16le", "events": True}), manner]

    def _manner(self, voice: _VoiceAsked) -> Mapping[str, Any]:
        speaker = _SPEAKER.fullmatch(voice.speaker or "")
        return {
            "voice": self._voice_names.find(voice.name),
            "language": voice.language if voice.name is None else None,
            "speaker": None if speaker is None else int(speaker[0]),
        }

    @property
    def _timestamp(self) -> int:
        """The milliseconds of the utterance that were sent."""
        return (self._n_samples or 0) * 1000 // PIPELINE_RATE

    def _begin_sound(self) -> Iterable[Message]:
        if self._n_samples is None:
            self._n_samples = 0
            yield encode("audio-start", {**_FORM, "timestamp": 0})

    def _chunk(self, pcm: bytes) -> bytes:
        event = encode("audio-chunk", {**_FORM, "timestamp": self._timestamp}, pcm)
        self._n_samples = (self._n_samples or 0) + len(pcm) // SAMPLE_BYTES
        return event

    def _info(self) -> bytes:
        """The voices, the default one first: its language is Home Assistant's default."""
        names = self._voice_names
        voices = sorted(names.voices.values(), key=lambda voice: voice.name != names.default)
        program = {
            **_artifact("voice-server", "Streaming voice server"),
            "voices": [_described(voice) for voice in voices],
            "supports_synthesize_streaming": True,
        }
        others = ("asr", "handle", "intent", "wake", "mic", "snd")
        return encode("info", {"tts": [program], **{kind: [] for kind in others}})


def error_event(error: ServerError) -> bytes:
    """An error as an event."""
    return encode("error", {"text": str(error), "code": error.code})


def home_assistants_tag(tag: str) -> str:
    """A language's tag as Home Assistant writes it: at most a script and a region behind the
    language, each in its case."""
    language, *others = tag.split("-")
    script = [each.title() for each in others if len(each) == 4 and each.isalpha()][:1]
    region = [
        each.upper()
        for each in others
        if (len(each) == 2 and each.isalpha()) or (len(each) == 3 and each.isdigit())
    ][:1]
    return _OTHER_TAGS.get(tag) or "-".join([language, *script, *region])


def _taken(model: type[_Data], data: Mapping[str, Any]) -> _Data:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ProtocolError(complaints(error.errors())) from None


def _described(voice: Voice) -> dict[str, Any]:
    """A voice as its event has it. People choose by the description alone, so it has the name."""
    return {
        **_artifact(voice.name, f"{voice.description} ({voice.name})"),
        "languages": [] if voice.language is None else [home_assistants_tag(voice.language)],
        "speakers": None,
    }


def _artifact(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "attribution": _ATTRIBUTION,
        "installed": True,
        "version": None,
    }
