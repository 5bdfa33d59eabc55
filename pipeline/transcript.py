"""Which text was heard: the answer to a barge-in. Pure.

A listener hears the stream from its beginning (the connection's, or the last barge-in's) in
order, so a position in the sound is a position in the text. Inside a segment the text is
taken to be spoken evenly, and is cut back to a whole word.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stages.items import SegmentEnded, SegmentStarted

CHARS_PER_S = 15
"""How fast a segment is taken to be spoken while its length is not known yet: 180 words a
minute of 5 characters and a space."""

MAX_SEGMENTS = 1024
"""Segments that are remembered while a listener plays far behind: hours of speech."""


class Heard(NamedTuple):
    """The text of the replies under way, cut where the listener's ear is."""

    text_spoken: str
    text_remaining: str


@dataclass(slots=True)
class _Spoken:
    source: str
    start: int
    n_samples: int | None = None


class Transcript:
    """What was said since the last barge-in, and where in the sound each piece of it lies.

    Positions are samples per channel of the connection's stream."""

    def __init__(self) -> None:
        self._segments: deque[_Spoken] = deque(maxlen=MAX_SEGMENTS)
        self._unsaid: deque[str] = deque()
        self._reply_ended = False

    def take_in(self, text: str, heard_to: int) -> None:
        """Text came in. If the reply before it had been ended by a flush and was heard to its
        end, that one is over and not reported any more."""
        if self._reply_ended and self._heard_all(heard_to):
            self._segments.clear()
        self._reply_ended = False
        self._unsaid.append(text)

    def flushed(self) -> None:
        """The client has ended a reply."""
        self._reply_ended = True

    def segment_started(self, event: SegmentStarted) -> None:
        """A segment's first sample is being sent."""
        self._segments.append(_Spoken(event.segment.source, event.sample_offset))
        self._drop_unsaid(len(event.segment.source))

    def segment_ended(self, event: SegmentEnded) -> None:
        """The last sample of the first segment that has not ended yet is being sent."""
        segment = next(segment for segment in self._segments if segment.n_samples is None)
        segment.n_samples = event.n_samples

    def heard(self, heard_to: int, sample_rate: int) -> Heard:
        """The text, cut at this position of the sound."""
        samples_per_char = sample_rate / CHARS_PER_S
        spoken: list[str] = []
        remaining: list[str] = []
        for segment in self._segments:
            n_chars = _chars_heard(segment, heard_to, samples_per_char)
            spoken.append(segment.source[:n_chars])
            remaining.append(segment.source[n_chars:])
        remaining.extend(self._unsaid)
        return Heard("".join(spoken), "".join(remaining))

    def _heard_all(self, heard_to: int) -> bool:
        if self._unsaid:
            return False
        if not self._segments:
            return True
        last = self._segments[-1]
        return last.n_samples is not None and heard_to >= last.start + last.n_samples

    def _drop_unsaid(self, n_chars: int) -> None:
        while n_chars:
            text = self._unsaid.popleft()
            if len(text) > n_chars:
                self._unsaid.appendleft(text[n_chars:])
            n_chars -= min(len(text), n_chars)


def _chars_heard(segment: _Spoken, heard_to: int, samples_per_char: float) -> int:
    n_chars, n_samples = len(segment.source), segment.n_samples
    if n_samples is None:
        n_samples = round(n_chars * samples_per_char)
    elif heard_to >= segment.start + n_samples:
        return n_chars
    if heard_to <= segment.start:
        return 0
    return _back_to_word(
        segment.source, min(n_chars, n_chars * (heard_to - segment.start) // max(1, n_samples))
    )


def _back_to_word(text: str, n_chars: int) -> int:
    """The end of the last whole word within this many characters."""
    if n_chars < len(text):
        while n_chars and not text[n_chars].isspace():
            n_chars -= 1
        while n_chars and text[n_chars - 1].isspace():
            n_chars -= 1
    return n_chars
