"""The times of a segment's words: as its engine tells them, or estimated from its sound."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from stages.items import Word
from stages.text.spoken_words import spoken_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.audio.format import Samples
    from stages.engine import SaidWord
    from stages.items import Segment
    from stages.text.spoken_words import SpokenWord

HOP_S = 0.01
QUIET_DB = -32.0
"""Below the loudest moment; what is quieter is a pause, or the closure of a consonant."""


@dataclass(frozen=True, slots=True)
class Pace:
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
        self.n_samples = 0

    def push(self, samples: Samples) -> None:
        """Take sound in."""
        self.n_samples += len(samples)
        held = np.concatenate([self._rest, samples])
        whole = len(held) - len(held) % self._size
        hops = held[:whole].reshape(-1, self._size)
        self._powers.append(np.einsum("ij,ij->i", hops, hops) / self._size)
        self._rest = held[whole:]

    def is_speech(self) -> list[bool]:
        """For each whole hop: whether it is no pause."""
        powers = np.concatenate(self._powers) if self._powers else np.zeros(0, np.float32)
        loudest = powers.max(initial=0.0)
        heard: list[bool] = (powers > loudest * 10 ** (QUIET_DB / 10)).tolist()
        return heard


def told_words(segment: Segment, said: Sequence[SaidWord], pace: Pace) -> list[Word]:
    """The words of a segment whose engine told when it says them. Those that it says in one with
    others share their time by their letters, which is an estimate."""
    words = spoken_words(segment.spoken, segment.source, segment.written)
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
        times = [pace.seconds(start + (end - start) * share / shares[-1]) for share in shares]
        for word, start_s, end_s in zip(group, times, times[1:], strict=False):
            told.append(_word(segment, word, start_s, end_s, is_exact=len(group) == 1))
    return told


def estimated_words(segment: Segment, envelope: Envelope, pace: Pace) -> list[Word]:
    """The words of a segment whose engine does not know when it says them: each takes its letters'
    share of the speech, pauses left out, and begins behind a pause that is near."""
    words = spoken_words(segment.spoken, segment.source, segment.written)
    is_speech = envelope.is_speech()
    if not words or not any(is_speech):
        return []
    heard = [number for number, speaks in enumerate(is_speech) if speaks]
    shares = list(accumulate((word.n_letters for word in words), initial=0))
    starts: list[float] = []
    ends: list[float] = []
    for number in range(len(words)):
        starts.append(_hop(heard, shares[number] / shares[-1]))
        ends.append(_hop(heard, shares[number + 1] / shares[-1]))
    size = pace.sample_rate * HOP_S
    times = [
        (pace.seconds(start * size), pace.seconds(end * size))
        for start, end in zip(starts, ends, strict=True)
    ]
    return [
        _word(segment, word, *time, is_exact=False) for word, time in zip(words, times, strict=True)
    ]


def _hop(heard: Sequence[int], share: float) -> float:
    at = share * len(heard)
    number = min(int(at), len(heard) - 1)
    return heard[number] + at - number


def _word(
    segment: Segment, word: SpokenWord, start_s: float, end_s: float, *, is_exact: bool
) -> Word:
    begin, end = word.source
    return Word(segment.source[begin:end], begin, end, start_s, end_s, is_exact)
