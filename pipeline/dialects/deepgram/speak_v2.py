"""Deepgram's Speak, version 2 ("Flux"), over a WebSocket: turns of speech, which an `Interrupt`
cuts off.

    Speak ... Flush ─▶ SpeechStarted, sound ..., Flushed, SpeechMetadata
    Speak ... Interrupt ─▶ SpeechInterrupted

A client counts the sound that it has played from the beginning of the session, without what an
`Interrupt` kept it from playing. All times here are milliseconds of that count.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

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
    warning,
)
from pipeline.dialects.dialect import POOLED_S, Close, Dialect, Finish, Open, Say, Tell
from pipeline.dialects.values import Speed
from stages.errors import ProtocolError, ServerError
from stages.items import Cancelled, ClientMessage, Flushed, GoingAway, PcmFrame, SegmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.close_code import CloseCode
    from pipeline.dialects.dialect import Action, Handshake, Message
    from pipeline.voice_names import VoiceNames
    from stages.items import Answer, Outgoing

MAX_NUMBER = 1e12
"""The largest that is taken, or told again: thirty years, in milliseconds."""

MAX_TOLD_TURNS = 1024
"""Turns that are remembered while a listener plays far behind."""

_SPEED: TypeAdapter[float] = TypeAdapter(Speed)


@dataclass(slots=True)
class _Turn:
    """Text up to a `Flush`, and its speech."""

    speech_id: str = field(default_factory=lambda: f"dg_sp_{uuid4().hex[:12]}")
    n_chars: int = 0
    duration_ms: float = 0.0
    end_ms: float = math.inf
    """The end of its sound, counted from the last interrupt; infinite until it is known."""
    flush: int | None = None
    """The number of the flush that ends it; None: it goes on."""
    has_started: bool = False

    @property
    def metadata(self) -> dict[str, Any]:
        """Its size. Nothing is billed, and controls in the text are not counted."""
        return {
            "speech_id": self.speech_id,
            "audio_duration_ms": round(self.duration_ms),
            "input_character_count": self.n_chars,
            "billable_character_count": self.n_chars,
            "controls_applied": {
                "pronunciations_applied": 0,
                "breaks_applied": 0,
                "pronunciation_warnings": 0,
            },
        }


@dataclass(frozen=True, slots=True)
class _Interrupt:
    """An interrupt that the conversation has not answered yet."""

    turns: Sequence[_Turn]
    """Those that had not been heard to their end, one at least."""
    played_ms: float
    is_told: bool
    """The client said how much it had played."""


class DeepgramV2(Dialect):
    """One socket at ``/v2/speak``.

    From an `Interrupt` on nothing is sent of what was said before it."""

    silent_s = POOLED_S

    def __init__(self, handshake: Handshake, voice_names: VoiceNames) -> None:
        """Raises `ProtocolError` for a URL that asks for what cannot be had."""
        self._config = socket_config(handshake, voice_names)
        self._request_id = handshake.request_id
        self._voice_names = voice_names
        self._turns: deque[_Turn] = deque()
        """Turns whose end has not been told. All but the last are flushed."""
        self._told_turns: deque[_Turn] = deque(maxlen=MAX_TOLD_TURNS)
        """The others since the last interrupt. Their sound may still be playing."""
        self._interrupts: deque[_Interrupt] = deque()
        self._n_flushes = 0
        self._n_chars = 0
        self._began_at_ms = 0.0
        """What the client had played at the last interrupt."""
        self._sent_ms = 0.0
        """What was sent since then."""
        self._has_closed = False

    def opening(self) -> Open:
        return Open(self._config)

    def greeting(self) -> Iterable[Message]:
        voice = self._config["voice"]
        about = introduction(self._request_id, voice, self._voice_names)
        return [render("Connected", **about, model_uuids=[model_uuid(voice)])]

    def hear(self, message: Message) -> Iterable[Action]:
        if self._has_closed:
            return []
        said = read(message)
        match said["type"]:
            case "Speak":
                return self._speak(text_of(said))
            case "Flush":
                return self._flush()
            case "Interrupt":
                return self._interrupt(_offset_ms(said))
            case "Configure":
                return self._configure(said.get("speed"))
            case "Close":
                self._has_closed = True
                return [*(self._flush() if self._open_turn else ()), Finish()]
        raise unknown_type(said, "Speak, Flush, Interrupt, Configure and Close")

    @property
    def _open_turn(self) -> _Turn | None:
        """The turn that takes more text."""
        return self._turns[-1] if self._turns and self._turns[-1].flush is None else None

    def _speak(self, text: str) -> list[Action]:
        if not text:
            return []
        turn = self._open_turn
        if turn is None:
            turn = _Turn()
            self._turns.append(turn)
        turn.n_chars += len(text)
        self._n_chars += len(text)
        return [Say(ClientMessage(token=text))]

    def _flush(self) -> list[Action]:
        turn = self._open_turn
        if turn is None:
            return [Tell(warning("NO_ACTIVE_SPEECH", "no turn is open that a Flush could end"))]
        self._n_flushes += 1
        turn.flush = self._n_flushes
        return [Say(ClientMessage(flush=True))]

    def _interrupt(self, offset_ms: float | None) -> list[Action]:
        total_ms = self._began_at_ms + self._sent_ms
        is_told = offset_ms is not None
        played_ms = total_ms if offset_ms is None else max(offset_ms, self._began_at_ms)
        since_ms = played_ms - self._began_at_ms
        # Sound is sent faster than it is heard: what was sent long ago may still be playing.
        turns = [turn for turn in (*self._told_turns, *self._turns) if turn.end_ms > since_ms]
        if not turns:
            return [Tell(self._nothing_to_interrupt(total_ms))]
        self._interrupts.append(_Interrupt(turns, played_ms, is_told))
        self._turns.clear()
        self._told_turns.clear()
        self._began_at_ms, self._sent_ms = played_ms, 0.0
        return [Say(ClientMessage(cancel=True, played_ms=since_ms if is_told else None))]

    def _nothing_to_interrupt(self, total_ms: float) -> str:
        if self._interrupts:
            return warning("INTERRUPT_IN_PROGRESS", "the last Interrupt is still being done")
        if total_ms == 0:
            return warning("NO_AUDIO_GENERATED", "nothing has been said that could be interrupted")
        return warning("NO_ACTIVE_SPEECH", "nothing is being said that could be interrupted")

    def _configure(self, speed: object) -> list[Action]:
        if speed is None:
            return [Tell(render("ConfigureSuccess", applied={}))]
        try:
            applied = {"speed": _SPEED.validate_python(speed, strict=True)}
        except ValidationError as error:
            [complaint] = error.errors()
            value = {"value": speed} if _is_number(speed) else {}
            told = {"field": "speed", "description": f"speed: {complaint['msg']}", **value}
            return [Tell(render("ConfigureFailure", code="SPEED_OUT_OF_RANGE", **told))]
        return [
            Say(ClientMessage(config=applied)),
            Tell(render("ConfigureSuccess", applied=applied)),
        ]

    def tell(self, context: str, item: Outgoing | Answer) -> Iterable[Message]:
        del context
        match item:
            case Cancelled():
                return [self._interrupted(item)]
            case GoingAway():
                return [leave_soon(item)]
            case ServerError():
                return [trouble(item)]
            case _ if self._interrupts:
                return []
            case PcmFrame():
                return self._sound(item)
            case Flushed():
                return self._flushed(item.number)
            case SegmentFailed(error=error):
                return [trouble(error)]
        return []

    def _sound(self, frame: PcmFrame) -> list[Message]:
        duration_ms = frame.n_samples * 1000 / self._config["sample_rate"]
        turn = self._turns[0]
        turn.duration_ms += duration_ms
        self._sent_ms += duration_ms
        return [*_started(turn), frame.data]

    def _flushed(self, number: int) -> list[Message]:
        told: list[Message] = []
        # Of a turn whose flush was refused, since too much text waited, this is the end as well.
        while self._turns and (self._turns[0].flush or number + 1) <= number:
            turn = self._turns.popleft()
            turn.end_ms = self._sent_ms
            self._told_turns.append(turn)
            told += [*_started(turn), render("Flushed", speech_id=turn.speech_id)]
            if turn.duration_ms == 0:
                told.append(warning("NO_SYNTHESIZABLE_TEXT", "there was nothing in it to be said"))
            told.append(render("SpeechMetadata", **turn.metadata))
        return told

    def _interrupted(self, cancelled: Cancelled) -> str:
        interrupt = self._interrupts.popleft()
        texts = {}
        if interrupt.is_told:
            spoken, remaining = cancelled.text_spoken, cancelled.text_remaining
            n_chars = sum(turn.n_chars for turn in interrupt.turns)
            n_before = max(0, len(spoken) + len(remaining) - n_chars)  # of turns heard to their end
            texts = {"text_spoken": spoken[n_before:], "text_remaining": remaining}
        return render(
            "SpeechInterrupted",
            audio_played_ms=round(interrupt.played_ms),
            **texts,
            metadata=interrupt.turns[0].metadata,
        )

    def refused(self, error: ServerError, context: str | None = None) -> Iterable[Action]:
        del context  # there is one, which was opened with the socket
        return [Say(error)] if isinstance(error, ProtocolError) else []

    def ended(self, context: str, code: CloseCode) -> Iterable[Action]:
        del context
        totals = {
            "total_audio_duration_ms": round(self._began_at_ms + self._sent_ms),
            "total_input_character_count": self._n_chars,
            "total_billable_character_count": self._n_chars,
        }
        return [Tell(render("SessionMetadata", **totals)), Close(code)]


def _started(turn: _Turn) -> list[Message]:
    if turn.has_started:
        return []
    turn.has_started = True
    return [render("SpeechStarted", speech_id=turn.speech_id)]


def _is_number(value: object) -> TypeGuard[float]:
    """Whether this is a number of JSON, which NaN and true are not, and not beyond all measure."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MAX_NUMBER


def _offset_ms(said: Mapping[str, Any]) -> float | None:
    """How much the client has played, if it says so. Raises `ProtocolError` where that is no
    time."""
    offset = said.get("playback_offset")
    if offset is None:
        return None
    if not isinstance(offset, dict) or offset.get("type", "time_ms") != "time_ms":
        raise ProtocolError("playback_offset: must be an object whose type is time_ms")
    value = offset.get("value")
    if not _is_number(value) or value < 0:
        raise ProtocolError("playback_offset.value: must be a number of milliseconds, 0 or more")
    return float(value)
