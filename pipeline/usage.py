"""Who uses the server, and how much: one conversation's account, and its line in the usage log.

The text itself is never in it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import trio

from pipeline.tenants import iso
from stages.errors import LimitReached, ServerError
from stages.items import SegmentEnded, SegmentFailed, SegmentStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.metrics import Metrics
    from pipeline.tenants import Tenant
    from pipeline.traces import ConversationTrace
    from stages.items import Answer, Outgoing

MAX_VOICES = 32
"""Voices of one conversation that its line names: a client may choose another for each word."""

How: TypeAlias = Literal["finished", "left", "dropped", "idle", "shutdown", "failed"]
"""How a conversation ended: all was spoken, and no more was to come; the client went away; it took
back what it had asked for; it was silent for too long; the server ended it; an error did."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The client of a conversation."""

    tenant: Tenant | None = None
    """Whose key it has; None: none was asked for."""
    peer: str = ""
    """Its address."""
    route: str = ""
    """The path that it asked for, or its protocol."""
    request_id: str = ""
    """What its request goes by, in the log too."""
    trace_context: Mapping[str, str] | None = None
    """The headers by which its request says what trace it is part of; None: nobody looked."""


NOBODY = Caller()
"""A program of our own: the command line, a rehearsal."""


class Usage:
    """What one conversation has used so far."""

    def __init__(
        self,
        caller: Caller = NOBODY,
        metrics: Metrics | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`wall_clock` tells the time as POSIX has it."""
        self.caller = caller
        self.ended: How = "left"
        """How it ended; until it has, as if its client were gone."""
        self.error: str | None = None
        """The code of the last error that the client was told."""
        self.trace: ConversationTrace | None = None
        """None: the conversation is not traced."""
        self._tenant = caller.tenant
        self._metrics = metrics
        self._wall_clock = wall_clock
        self._began_at, self._began = wall_clock(), trio.current_time()
        self._n_chars = 0
        self._audio_s = 0.0
        self._n_segments = 0
        self._voices: dict[str, None] = {}
        self._failed = -1  # the last segment that did
        self._refused_in: object = None  # the term in which a text was last refused

    def refuses_text(self, n_chars: int) -> LimitReached | None:
        """Why so much more text is not taken in; None: no limit is in the way."""
        if self._tenant is None:
            return None
        now = self._wall_clock()
        refusal = self._tenant.refuses_text(n_chars, now)
        if refusal is not None:
            self._refused_in = self._tenant.term(now)
        return refusal

    def begins_anew(self) -> bool:
        """Whether text was refused, and there is a new day since, or there are new limits: what is
        refused because of the old ones is refused no more."""
        if self._tenant is None or self._refused_in is None:
            return False
        if self._refused_in == self._tenant.term(self._wall_clock()):
            return False
        self._refused_in = None
        return True

    def refuses_segment(self) -> LimitReached | None:
        """Why no further segment is spoken; None: no limit is in the way."""
        if self._tenant is None:
            return None
        return self._tenant.refuses_sound(self._wall_clock())

    def took(self, n_chars: int) -> None:
        """Enter text that was taken in."""
        self._n_chars += n_chars
        if self._tenant is not None:
            self._tenant.use(self._wall_clock(), characters=n_chars)
            if self._metrics is not None:
                self._metrics.key_characters.labels(self._tenant.name).inc(n_chars)

    def sent(self, audio_s: float) -> None:
        """Enter sound that was handed to the kernel."""
        self._audio_s += audio_s
        if self._tenant is not None:
            self._tenant.use(self._wall_clock(), audio_s=audio_s)
            if self._metrics is not None:
                self._metrics.key_audio_seconds.labels(self._tenant.name).inc(audio_s)

    def sending(self, item: Outgoing | Answer) -> None:
        """Enter what the client is about to be sent: a segment's begin and end, and errors, of
        which some end the conversation."""
        if self.trace is not None:
            self.trace.sending(item)
        match item:
            case SegmentStarted(segment=segment) if len(self._voices) < MAX_VOICES:
                self._voices[segment.style.voice] = None
            case SegmentEnded(segment=segment):
                self._n_segments += segment.index != self._failed
            case SegmentFailed(segment=segment, error=error):
                self._failed = segment.index
                self._tell(error)
            case ServerError():
                self._tell(item)

    def spoken(self, item: SegmentEnded, engine: str, sound_s: float) -> None:
        """Enter a segment that has been sent to its end: who spoke it, and the seconds of its
        sound."""
        if self.trace is not None:
            self.trace.spoken(item, engine, sound_s)

    def _tell(self, error: ServerError) -> None:
        self.error = error.code
        if self._tenant is None or self._metrics is None:
            return
        if isinstance(error, LimitReached):
            self._metrics.key_refused.labels(self._tenant.name, error.limit).inc()

    def line(self) -> Mapping[str, Any]:
        """The line in the usage log."""
        return {
            "start": iso(self._began_at),
            "end": iso(self._wall_clock()),
            "key": None if self._tenant is None else self._tenant.name,
            "address": self.caller.peer,
            "route": self.caller.route,
            "request_id": self.caller.request_id,
            "voices": list(self._voices),
            "characters": self._n_chars,
            "audio_seconds": round(self._audio_s, 3),
            "seconds": round(trio.current_time() - self._began, 3),
            "segments": self._n_segments,
            "ended": self.ended,
            "error": self.error,
        }
