"""The native protocol (docs/protocol.md): its JSON messages to typed values, and back."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from pipeline.dialects.dialect import Dialect, Open, Say
from pipeline.dialects.json_text import json_text
from pipeline.dialects.values import LanguageTag, SampleRate, Speed, Volume
from stages.audio.format import Encoding
from stages.conversion_settings import ConversionSettings, PitchShift
from stages.error_text import complaints, reason
from stages.errors import LimitReached, ProtocolError, ServerError
from stages.items import (
    Cancelled,
    ClientMessage,
    Flushed,
    GoingAway,
    PacingMode,
    PcmFrame,
    Prepared,
    Preparing,
    Ready,
    Segmentation,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
    Staying,
    WordTimes,
)
from stages.resume import Skipped
from stages.text.lexicon import ConnectionWords
from stages.voices import VoiceName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.dialects.dialect import Action, Handshake, Message
    from pipeline.voice_names import VoiceNames
    from stages.items import Answer, Outgoing, Timing
    from stages.word_clock import Word

MAX_MESSAGE_BYTES = 64 * 1024
"""The largest message that a client may send."""

MAX_PENDING_BYTES = 256 * 1024
"""The most text that may wait to be spoken; what comes above it is refused."""

_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")

SHORT_FRAME_BYTES = 125
LONG_FRAME_BYTES = 65_535
"""The longest payloads of frames with headers of 2 and of 4 bytes; the others have 10."""


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
Channels = Annotated[int, Field(ge=1, le=2)]
FrameMs = Annotated[int, Field(ge=10, le=1000)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**53)]


class Manner(ConversionSettings):
    """The config's keys that say how a voice is to speak. Only those that were given count; the
    defaults here stand for none of the settings."""

    pitch_shift: PitchShift = 0.0
    segmentation: Segmentation = "eager"
    seed: Seed | None = None
    speed: Speed = 1.0
    volume: Volume = 0.0
    language: LanguageTag | None = None
    lexicon: ConnectionWords | None = None

    @field_validator(*ConversionSettings.model_fields, mode="wrap")
    @classmethod
    def _null_is_as_the_voice_is_set(
        cls, value: object, check: ValidatorFunctionWrapHandler
    ) -> object:
        return None if value is None else check(value)


class Config(Manner):
    """The keys of ``{"config": {...}}``, likewise."""

    voice: VoiceName = ""
    encoding: Encoding = "f32le"
    sample_rate: SampleRate = 48_000
    channels: Channels = 1
    frame_ms: FrameMs | None = None
    events: bool = False
    words: bool = False
    pacing: PacingMode = "smooth"
    resume_samples: Count = 0
    resume_heard_chars: Count = 0
    resume_torn_chars: Count = 0


class _Query(Config):
    """The same keys in a URL, where every value is text."""

    model_config = ConfigDict(strict=False)


class _Message(BaseModel):
    """A text message from the client."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    token: Text = ""
    pitch_shift: PitchShift | None = None
    flush: bool = False
    cancel: bool = False
    played_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    config: Config = Config()


class Native(Dialect):
    """The native protocol on one WebSocket: one conversation, for as long as the socket lives."""

    segmentation = "eager"

    def __init__(self, handshake: Handshake, voice_names: VoiceNames) -> None:
        """Raises `ProtocolError` for a config in the URL that is malformed."""
        del voice_names  # an unknown voice is an error here
        self._config = parse_query(handshake.query)
        self._request_id = handshake.request_id

    def opening(self) -> Open:
        return Open(self._config)

    def hear(self, message: Message) -> Iterable[Action]:
        if isinstance(message, bytes):
            raise ProtocolError("message: a client sends JSON text, this one was binary")
        return [Say(parse(message))]

    def tell(self, context: str, item: Outgoing | Answer) -> Iterable[Message]:
        del context
        return [item.data if isinstance(item, PcmFrame) else render(item, self._request_id)]

    def refused(self, error: ServerError, context: str | None = None) -> Iterable[Action]:
        del context  # there is one, which was opened with the socket
        return [Say(error)] if isinstance(error, ProtocolError) else []


def parse(text: str) -> ClientMessage:
    """A client's text message. Raises `ProtocolError`, which names what was wrong."""
    try:
        # Half a character is none to pydantic's reader of JSON. Python's takes it.
        is_apart = _ESCAPED_HALF.search(text) is not None
        check = _Message.model_validate if is_apart else _Message.model_validate_json
        message = check(json.loads(text) if is_apart else text)
    except ValidationError as error:
        raise ProtocolError(complaints(error.errors())) from None
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"message: Invalid JSON: {reason(error)}") from None
    return ClientMessage(**_given(message))


def parse_query(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Any]:
    """The config in a URL's query. Raises `ProtocolError`, which names the key."""
    try:
        return _given(_Query.model_validate(dict(pairs)))
    except ValidationError as error:
        raise ProtocolError(complaints(error.errors())) from None


def _given(model: BaseModel) -> dict[str, Any]:
    """The keys that were given, and their values."""
    return model.model_dump(exclude_unset=True, warnings=False)  # of null where there are numbers


def render(item: Outgoing | Answer, request_id: str = "") -> str:
    """An event or an answer as the text of its message; a `ready` and errors tell what the request
    goes by, by which they are found in the log.

    It is padded with spaces, so that the WebSocket frame around it is a multiple of four bytes
    long."""
    fields = _fields(item)
    if request_id and (isinstance(item, Ready) or "error" in fields):
        fields["request_id"] = request_id
    text = json_text(fields)
    n_bytes = len(text.encode())
    return text + " " * (_aligned(n_bytes) - n_bytes)


def _aligned(n_bytes: int) -> int:
    """The least payload of at least this length that makes its frame a multiple of four."""
    while (_frame_header_bytes(n_bytes) + n_bytes) % 4:
        n_bytes += 1
    return n_bytes


def _frame_header_bytes(n_payload: int) -> int:
    """RFC 6455, section 5.2; the server does not mask."""
    return 2 if n_payload <= SHORT_FRAME_BYTES else 4 if n_payload <= LONG_FRAME_BYTES else 10


def _fields(item: Outgoing | Answer) -> dict[str, Any]:
    match item:
        case Ready():
            return {
                "event": "ready",
                "engine": item.engine,
                "voice": item.style.voice,
                "pitch_shift": item.style.pitch_shift,
                "segmentation": item.style.segmentation,
                "speed": item.style.speed,
                "volume": item.style.volume,
                "language": item.style.language,
                **asdict(item.stream_format),
                "frame_ms": item.stream_format.exact_ms,
                "limits": {
                    "max_message_bytes": MAX_MESSAGE_BYTES,
                    "max_pending_bytes": MAX_PENDING_BYTES,
                },
                "pacing": {"mode": item.pacing, **_factor(item.real_time_factor)},
            }
        case Preparing():
            return {"event": "preparing", "voice": item.voice}
        case Prepared(error=error):
            told = {"event": "prepared", "voice": item.voice}
            return told if error is None else _fields(error)
        case SegmentStarted():
            return {
                "event": "segment_start",
                "segment": item.segment.index,
                "text": item.segment.source,
                "spoken": item.segment.spoken,
                "language": item.segment.language,
                "pitch_shift": item.segment.style.pitch_shift,
                "sample_offset": item.sample_offset,
                "pacing": {
                    "hold_ms": round(item.pacing.hold_s * 1000, 3),
                    **_factor(item.pacing.real_time_factor),
                },
            }
        case WordTimes():
            return {
                "event": "words",
                "segment": item.segment.index,
                "words": [_word(word, item.sample_rate) for word in item.words],
            }
        case SegmentEnded():
            return {
                "event": "segment_end",
                "segment": item.segment.index,
                "sample_offset": item.sample_offset,
                "samples": item.n_samples,
                "remarks": item.segment.remarks,
                "latency_ms": _latency_ms(item.segment.timing),
            }
        case Flushed():
            return {"event": "flushed", "flush": item.number, "samples": item.sample_offset}
        case Cancelled():
            return {
                "event": "cancelled",
                "text_spoken": item.text_spoken,
                "text_remaining": item.text_remaining,
                "samples": item.sample_offset,
            }
        case GoingAway() | Staying():
            return _leaving(item)
        case SegmentFailed():
            return {**_fields(item.error), "segment": item.segment.index}
        case ServerError():
            return _error(item)
        case PcmFrame() | Skipped():
            raise TypeError("sound is not sent as text")


def _leaving(item: GoingAway | Staying) -> dict[str, Any]:
    if isinstance(item, Staying):
        return {"event": "staying"}
    grace_ms = None if item.grace_s is None else round(item.grace_s * 1000)
    return {"event": "going_away", "reason": item.reason, "grace_ms": grace_ms}


def _error(error: ServerError) -> dict[str, Any]:
    told = {"error": str(error), "code": error.code, "fatal": error.fatal}
    if isinstance(error, LimitReached):
        told |= {"limit": error.limit, "most": error.most, "ends": error.ends}
    return told


def _factor(factor: float | None) -> dict[str, Any]:
    return {"real_time_factor": None if factor is None else round(factor, 4)}


def _word(word: Word, rate: int) -> dict[str, Any]:
    return {
        "word": word.text,
        "start": round(word.start_s, 6),
        "end": round(word.end_s, 6),
        "start_sample": round(word.start_s * rate),
        "end_sample": round(word.end_s * rate),
        "char": [word.begin, word.end],
        "exact": word.is_exact,
    }


def _latency_ms(timing: Timing) -> dict[str, float | None]:
    return {
        name: None if seconds is None else round(seconds * 1000, 3)
        for name, seconds in timing.spans_s().items()
    }
