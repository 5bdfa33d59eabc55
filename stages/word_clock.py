"""The words of a segment, and when each is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Word:
    """A word in the sound: what stands between white space with the marks at it; in scripts without
    spaces (Chinese, Japanese, Thai and their like) a word as ICU breaks them. What is said in other
    words (``$5 million``) is one."""

    text: str
    """As it came: its segment's source from `begin` to `end`."""
    begin: int
    end: int
    start_s: float
    """Seconds behind the first sample, where it begins to be said; of the segment, or in
    `WordTimes` of the connection's stream."""
    end_s: float
    is_exact: bool
    """The engine knows these times; else they are estimated."""


class WordClock:
    """The times of one segment's words, worked out when somebody asks for them.

    The one thing here that changes: the TTS stage winds it."""

    def __init__(self) -> None:
        self._work_out: Callable[[], Sequence[Word]] | None = None
        self._words: Sequence[Word] | None = None

    def wind(self, work_out: Callable[[], Sequence[Word]]) -> None:
        """From now on they can be worked out."""
        if self._words is None:
            self._work_out = work_out

    @property
    def words(self) -> Sequence[Word]:
        """In their order, counted from the segment's first sample; none, while they are not known.
        Any thread may ask."""
        work_out = self._work_out
        if self._words is None and work_out is not None:
            self._words = work_out()
            self._work_out = None  # it knows the segment, which knows this clock
        return self._words or ()
