"""The times of a segment's words: as its engine tells them, or estimated from its sound."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import regex

from stages.text.spoken_words import spoken_words
from stages.word_clock import Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stages.audio.format import Samples
    from stages.engine import SaidWord
    from stages.items import Segment
    from stages.text.spoken_words import SpokenWord

_MARKED = regex.compile(r"[,;:.!?…。，、；：！？][\"'”’»)\]」』]*\Z")

HOP_S = 0.01
QUIET_DB = -32.0
"""Below the loudest moment; what is quieter is a pause, or the closure of a consonant."""
CLOSURE_HOPS = 5
FINAL_LETTERS = 3
"""The last word before a mark is drawn out: as if it had so many letters more."""


@dataclass(frozen=True, slots=True)
class Timescale:
    """How the times of an engine's sound become those of the segment's."""

    sample_rate: int
    """Hertz, of the engine."""
    lead_s: float = 0.0
    """Silence that was put in front, in seconds before stretching."""
    speed: float = 1.0
    """How many times as fast it is made afterwards."""

    def seconds(self, sample: float) -> float:
        """The place of an engine's sample behind the segment's first."""
        return (self.lead_s + sample / self.sample_rate) / self.speed


class Envelope:
    """How loud a sound is, hop by hop, taken in as it comes."""

    def __init__(self, sample_rate: int) -> None:
        self._size = round(sample_rate * HOP_S)
        self._rest = np.zeros(0, np.float32)
        self._powers: list[Samples] = []

    def push(self, samples: Samples) -> None:
        """Take sound in."""
        held = np.concatenate([self._rest, samples])
        whole = len(held) - len(held) % self._size
        hops = held[:whole].reshape(-1, self._size)
        self._powers.append(np.einsum("ij,ij->i", hops, hops) / self._size)
        self._rest = held[whole:]

    def stretches(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The speech in it, and the pauses between, each from one hop to another. The closure of a
        consonant is no pause."""
        powers = np.concatenate(self._powers) if self._powers else np.zeros(0, np.float32)
        heard = np.flatnonzero(powers > powers.max(initial=0.0) * 10 ** (QUIET_DB / 10)).tolist()
        pauses = [
            (before + 1, behind)
            for before, behind in pairwise(heard)
            if behind - before > CLOSURE_HOPS
        ]
        if not heard:
            return [], []
        borders = [heard[0], *(hop for pause in pauses for hop in pause), heard[-1] + 1]
        return list(zip(borders[::2], borders[1::2], strict=True)), pauses


def told_words(segment: Segment, said: Sequence[SaidWord], scale: Timescale) -> list[Word]:
    """The words of a segment whose engine told when it says them. Those that it says in one with
    others share their time by their letters, which is an estimate."""
    words = spoken_words(segment.spoken, segment.source, segment.written)
    if not words:
        return []
    begins = [word.spoken[0] for word in words]
    groups: dict[int, tuple[int, int]] = {}  # the first word of each, and its time
    for part in said:
        number = max(0, bisect_right(begins, part.begin) - 1)
        start, end = groups.get(number, (part.start, part.end))
        groups[number] = min(start, part.start), max(end, part.end)
    firsts = sorted(groups)
    told: list[Word] = []
    for place, first in enumerate(firsts):
        behind = firsts[place + 1] if place + 1 < len(firsts) else len(words)
        group = words[0 if place == 0 else first : behind]
        start, end = groups[first]
        shares = list(accumulate((word.n_letters for word in group), initial=0))
        each = (end - start) / max(1, shares[-1])
        times = [scale.seconds(start + share * each) for share in shares]
        for word, start_s, end_s in zip(group, times, times[1:], strict=False):
            told.append(_word(segment, word, start_s, end_s, is_exact=len(group) == 1))
    return told


def estimated_words(segment: Segment, envelope: Envelope, scale: Timescale) -> list[Word]:
    """The words of a segment whose engine does not know when it says them. Each takes its letters'
    share of the speech between two marks, which are taken to be at the longest pauses."""
    words = spoken_words(segment.spoken, segment.source, segment.written)
    speech, pauses = envelope.stretches()
    if not words or not speech:
        return []
    letters = [word.n_letters for word in words]
    ends = [
        number
        for number, word in enumerate(words, 1)
        if number == len(words) or _MARKED.search(segment.spoken, *word.spoken)
    ]
    for end in ends:
        letters[end - 1] += FINAL_LETTERS
    longest = sorted(pauses, key=lambda pause: pause[0] - pause[1])[: len(ends) - 1]
    cuts = sorted(pause[1] for pause in longest)
    if len(cuts) < len(ends) - 1:  # it does not pause at each of them
        ends, cuts = [len(words)], []
    estimated: list[Word] = []
    size = scale.sample_rate * HOP_S
    for (first, behind), (begin, end) in zip(
        pairwise([0, *ends]), pairwise([0, *cuts, speech[-1][1]]), strict=True
    ):
        phrase = [(max(a, begin), b) for a, b in speech if begin <= a < end]
        places = _places(phrase, letters[first:behind])
        for word, (start_at, end_at) in zip(words[first:behind], places, strict=True):
            start_s, end_s = scale.seconds(start_at * size), scale.seconds(end_at * size)
            estimated.append(_word(segment, word, start_s, end_s, is_exact=False))
    return estimated


def _places(
    speech: Sequence[tuple[int, int]], letters: Sequence[int]
) -> Iterator[tuple[float, float]]:
    """Where each word begins and ends, in hops: a stretch of speech has its length's share of the
    letters."""
    lengths = list(accumulate((end - begin for begin, end in speech), initial=0))
    n_letters, n_before = sum(letters), 0
    for n_own in letters:
        begin = lengths[-1] * n_before / n_letters
        n_before += n_own
        end = lengths[-1] * n_before / n_letters
        first = min(bisect_right(lengths, begin), len(speech)) - 1
        last = bisect_left(lengths, end) - 1
        yield speech[first][0] + begin - lengths[first], speech[last][0] + end - lengths[last]


def _word(
    segment: Segment, word: SpokenWord, start_s: float, end_s: float, *, is_exact: bool
) -> Word:
    begin, end = word.source
    return Word(segment.source[begin:end], begin, end, start_s, end_s, is_exact)
