"""The text that is in no segment yet: as it came, and what is spoken of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import regex

from stages.segmenter.marks import MARKS
from stages.text.markup import Kind
from stages.text.normalise import Spoken
from stages.text.word_breaks import last_word_break

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages.text.markup import TextPiece

_MARK = regex.compile(f"[{regex.escape(''.join(MARKS))}]")
_GRAPHEME = regex.compile(r"\X")
_EVENLY = (Kind.PLAIN, Kind.ADDRESS)
"""Kinds that are spoken character for character."""


class Place(NamedTuple):
    """A position in both texts, in characters."""

    clean: int
    source: int


class Stop(NamedTuple):
    """A place that may be a boundary: a mark, or the end of a line."""

    place: Place
    mark: str
    """The character; empty for the end of a line."""
    pause_s: float


class _Run(NamedTuple):
    """The beginning of pieces of one kind."""

    place: Place
    kind: Kind


class OpenText:
    """The text that is open. It takes in what the reader of markup makes of the tokens, and gives
    up what becomes a segment. Positions count from its beginning."""

    def __init__(self) -> None:
        self.source = ""
        self.clean = ""
        # Positions in these count from the beginning of all text, which no segment changes.
        self._given = Place(0, 0)
        self._runs: list[_Run] = []
        self._stops: deque[Stop] = deque()
        self._arrivals: list[tuple[int, float]] = []  # (characters of source, time)

    @property
    def n_given(self) -> int:
        """Characters that have become segments."""
        return self._given.source

    def arrive(self, n_chars: int, now: float) -> None:
        """So many characters more are there now, with those that the markup holds back."""
        self._arrivals.append((self._given.source + len(self.source) + n_chars, now))

    def arrival(self, source: int) -> float:
        """When this character came in."""
        return self._arrivals[self._n_arrived_with(self._given.source + source)][1]

    @property
    def last_arrival(self) -> float:
        """When the last character came in."""
        return self._arrivals[-1][1]

    def add(self, pieces: Iterable[TextPiece]) -> None:
        """Take text in."""
        for piece in pieces:
            place = Place(
                self._given.clean + len(self.clean), self._given.source + len(self.source)
            )
            goes_on = piece.kind in _EVENLY and self._runs and self._runs[-1].kind is piece.kind
            if not goes_on:
                self._runs.append(_Run(place, piece.kind))
            self.clean += piece.spoken
            self.source += piece.source
            if piece.kind is Kind.BREAK:
                self._stops.append(Stop(place, "", piece.pause_s))
            elif piece.kind is Kind.PLAIN:
                for found in _MARK.finditer(piece.spoken):
                    at = found.start()
                    self._stops.append(
                        Stop(Place(place.clean + at, place.source + at), found.group(), 0.0)
                    )

    def next_stop(self, limit: int) -> Stop | None:
        """The first that was not passed, if it begins within so many characters of source."""
        if not self._stops or self._stops[0].place.source - self._given.source >= limit:
            return None
        (clean, source), mark, pause_s = self._stops[0]
        return Stop(Place(clean - self._given.clean, source - self._given.source), mark, pause_s)

    def pass_stop(self) -> None:
        """The next stop is decided on."""
        self._stops.popleft()

    def drop(self, end: Place) -> None:
        """What is before this place has become a segment."""
        self.clean = self.clean[end.clean :]
        self.source = self.source[end.source :]
        self._given = Place(self._given.clean + end.clean, self._given.source + end.source)
        first = bisect_left(self._runs, self._given.source, key=_source_of)
        if first == len(self._runs) or _source_of(self._runs[first]) > self._given.source:
            first -= 1
        del self._runs[:first]
        while self._stops and self._stops[0].place.source < self._given.source:
            self._stops.popleft()
        del self._arrivals[: self._n_arrived_with(self._given.source)]

    def clean_within(self, n_source: int) -> int:
        """How much of the clean text comes from so many characters of source."""
        source = self._given.source + n_source
        number = bisect_left(self._runs, source, key=_source_of) - 1
        (start, kind), end = self._runs[number], self._end(number)
        if kind in _EVENLY:
            clean = min(start.clean + source - start.source, end.clean)
        else:
            clean = end.clean if end.source <= source else start.clean
        return clean - self._given.clean

    def written(self, n_clean: int) -> Spoken:
        """So many characters of the clean text, and where in the source each was written. What
        markup stands for was written where all of that markup is."""
        begins: list[int] = []
        ends: list[int] = []
        silent_from: int | None = None
        for number, (start, kind) in enumerate(self._runs):
            first, last = start.clean - self._given.clean, self._end(number).clean
            last = min(last - self._given.clean, n_clean)
            source = start.source - self._given.source
            if kind in _EVENLY:
                skipped = max(0, -first)
                begins += range(source + skipped, source + last - first)
                ends += range(source + skipped + 1, source + last - first + 1)
            elif last > first:
                is_whole = kind is Kind.WHOLE and silent_from is not None
                begin = max(0, silent_from or 0) if is_whole else source
                end = self._end(number).source - self._given.source
                begins += [begin] * (last - first)
                ends += [end] * (last - first)
            silent_from = source if kind is Kind.SILENT else None
            if len(begins) >= n_clean:
                break
        return Spoken(self.clean[:n_clean], tuple(begins), tuple(ends), len(self.source))

    def cut_for_length(self, limit: int) -> Place:
        """The place to cut text that is longer than a segment: the last white space, else between
        words that are written without, else the limit; in no grapheme, unless that is longer than
        a segment."""
        within = self.clean_within(limit)
        known = self.clean[: self.clean_within(limit + 1)]
        if not known[:within].strip():
            return Place(within, limit)
        ends = [found.end() for found in _GRAPHEME.finditer(known)]
        ends = [end for end in ends if end <= within and self._may_cut(end)]
        indent = len(known) - len(known.lstrip())
        for end in reversed(ends):
            if end > indent and known[end : end + 1].isspace():
                return self._before(end)
        if indent in ends:
            return self._before(indent)
        between_words = last_word_break(known)
        if between_words in ends:
            return self._behind(between_words)
        end = ends[-1] if ends else within
        return Place(end, limit) if end == within and self._is_silent(limit) else self._behind(end)

    def _is_silent(self, source: int) -> bool:
        """Whether what ends there is not spoken."""
        number = bisect_left(self._runs, self._given.source + source, key=_source_of) - 1
        return self._runs[number].kind is Kind.SILENT

    def _may_cut(self, clean: int) -> bool:
        """Not within words that stand for one character."""
        number = self._run_of(clean)
        is_end = self._end(number).clean == self._given.clean + clean
        return is_end or self._runs[number].kind in _EVENLY

    def _behind(self, clean: int) -> Place:
        """The place behind so much of the clean text, which is more than nothing."""
        number = self._run_of(clean)
        start, kind = self._runs[number]
        at = self._given.clean + clean
        source = start.source + at - start.clean if kind in _EVENLY else self._end(number).source
        return Place(clean, source - self._given.source)

    def _before(self, clean: int) -> Place:
        """The place before this character of the clean text."""
        at = self._given.clean + clean
        start, kind = self._runs[bisect_right(self._runs, at, key=_clean_of) - 1]
        source = start.source + (at - start.clean if kind in _EVENLY else 0)
        return Place(clean, source - self._given.source)

    def _run_of(self, clean: int) -> int:
        """The run that the last of so many clean characters is in."""
        return bisect_left(self._runs, self._given.clean + clean, key=_clean_of) - 1

    def _end(self, number: int) -> Place:
        """Where a run ends, from the beginning of all text."""
        if number + 1 < len(self._runs):
            return self._runs[number + 1].place
        return Place(self._given.clean + len(self.clean), self._given.source + len(self.source))

    def _n_arrived_with(self, source: int) -> int:
        return bisect_right(self._arrivals, source, key=itemgetter(0))


def _clean_of(run: _Run) -> int:
    return run.place.clean


def _source_of(run: _Run) -> int:
    return run.place.source
