"""Tenants: whose key it is that a client has, what that key may use, and what it has used today.
Pure: the time is handed in, as POSIX has it, in seconds.

A day is one of UTC. Characters are never more than the limit. Sound is, by what is under way when
the limit is reached: a segment that has begun to be spoken is spoken to its end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from stages.errors import LimitReached

if TYPE_CHECKING:
    from collections.abc import Collection

DAY_S = 86_400

SOCKETS_PER_LISTENER = 2
"""WebSockets that may be open for each listener there may be: some wait in a client's pool, without
a conversation, for an hour."""

PLACE_RETRY_S = 2
"""When a client may ask for a place again: about the length of a sentence."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may use; None: as much as the server has."""

    listeners: int | None = None
    """Conversations at once."""
    characters_a_day: int | None = None
    """Of text that is taken in to be spoken."""
    audio_seconds_a_day: float | None = None
    """Of sound that is handed to the kernel."""
    voices: tuple[str, ...] | None = None
    """The voices that it may speak with: their names, or patterns such as ``en-*``."""


NO_LIMITS = Limits()


class Tenant:
    """The holder of a key."""

    def __init__(self, name: str, limits: Limits = NO_LIMITS) -> None:
        self.name = name
        self.limits = limits
        """May be changed at any time, and holds from then on."""
        self.is_operator = False
        """It may drain the server; likewise."""
        self.n_listeners = 0
        self._day = 0
        self._characters = 0
        self._audio_s = 0.0

    @property
    def is_limited(self) -> bool:
        """Whether it has any limit."""
        return self.limits != NO_LIMITS

    # Places.

    def enter(self) -> None:
        """Take a place. Raises `LimitReached`."""
        refusal = self.refuses_place()
        if refusal is not None:
            raise refusal
        self.n_listeners += 1

    def leave(self) -> None:
        """Give a place back."""
        self.n_listeners -= 1

    def refuses_place(self) -> LimitReached | None:
        """Why it gets no further place; None: it would get one."""
        most = self.limits.listeners
        if most is None or self.n_listeners < most:
            return None
        return _too_many(f"this key may be spoken to {most} times at once, and is", most)

    def refuses_socket(self, n_open: int) -> LimitReached | None:
        """Why it gets no further WebSocket, having so many; None: it would get one."""
        most = self.limits.listeners
        if most is None or n_open < SOCKETS_PER_LISTENER * most:
            return None
        return _too_many(
            f"this key may have {SOCKETS_PER_LISTENER * most} WebSockets, and has", most
        )

    # The day.

    def refuses_text(self, n_chars: int, now: float) -> LimitReached | None:
        """Why so much more text is not taken in; None: it is."""
        characters, _ = self.used(now)
        most = self.limits.characters_a_day
        if most is not None and characters + n_chars > most:
            left = max(0, most - characters)
            msg = f"this key may have {most} characters a day spoken, of which {left} are left"
            return self._over(f"{msg}, and this text has {n_chars}", "characters_a_day", most, now)
        return self.refuses_sound(now)

    def refuses_sound(self, now: float) -> LimitReached | None:
        """Why no further segment is spoken; None: it is."""
        _, audio_s = self.used(now)
        most = self.limits.audio_seconds_a_day
        if most is None or audio_s < most:
            return None
        msg = f"this key may hear {most:g} seconds of sound a day, and has"
        return self._over(msg, "audio_seconds_a_day", most, now)

    def term(self, now: float) -> tuple[Limits, int]:
        """What the limits hold for: they are others on another day, and when they are changed."""
        return self.limits, int(now // DAY_S)

    def use(self, now: float, *, characters: int = 0, audio_s: float = 0.0) -> None:
        """Enter what was used just now."""
        used = self.used(now)
        self._characters, self._audio_s = used[0] + characters, used[1] + audio_s

    def used(self, now: float) -> tuple[int, float]:
        """The characters and the seconds of sound that were used today."""
        _, day = self.term(now)
        if day != self._day:
            self._day, self._characters, self._audio_s = day, 0, 0.0
        return self._characters, self._audio_s

    def _over(self, msg: str, limit: str, most: float, now: float) -> LimitReached:
        ends_at = (now // DAY_S + 1) * DAY_S
        ends = iso(ends_at)
        return LimitReached(
            f"{msg}: that ends at {ends}",
            limit=limit,
            most=most,
            ends=ends,
            retry_after_s=math.ceil(ends_at - now),  # not a moment too early
        )

    # Voices.

    @property
    def has_all_voices(self) -> bool:
        """Whether it may speak with whatever voice there is."""
        return self.limits.voices is None

    def allows(self, voice: str) -> bool:
        """Whether it may speak with a voice of this name."""
        patterns = self.limits.voices
        return patterns is None or any(_fits(voice, pattern) for pattern in patterns)

    def default_voice(self, usual: str, voices: Collection[str]) -> str:
        """Who speaks where it chooses nobody: the server's usual voice if it may have it, else the
        first that its list names of these, a pattern standing for the first one that fits it. Where
        there is none, the usual one, with which it may not speak."""
        if self.allows(usual):
            return usual
        for pattern in self.limits.voices or ():
            if pattern in voices:  # it need not be listed
                return pattern
            for name in voices:
                if _fits(name, pattern):
                    return name
        return usual


def _too_many(msg: str, most: int) -> LimitReached:
    return LimitReached(
        f"{msg}: wait until one of them ends",
        limit="listeners",
        most=most,
        ends=None,
        retry_after_s=PLACE_RETRY_S,
    )


def _fits(voice: str, pattern: str) -> bool:
    return voice == pattern or fnmatchcase(voice, pattern)


def iso(at: float) -> str:
    """A time as ISO 8601 writes it in UTC, to the millisecond where it is not a whole second."""
    precision = "seconds" if at == int(at) else "milliseconds"
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
