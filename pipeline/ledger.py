"""A connection's books: its text, from when it is taken in until it is heard. Pure.

    taken in ─▶ in a segment ─▶ packed into messages ─▶ sent ─▶ heard
       └───────────── pending ──────────┘

A listener hears the stream from its beginning (the connection's, or the last barge-in's) in
order, so a position in the sound is a position in the text. Inside a segment it is that of the last
word that was heard whole; while the times of words are not known, the text is taken to be spoken
evenly. Positions in the sound are samples per channel of the connection's stream.
"""

from __future__ import annotations

import math
import sys
from array import array
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

import regex

from pipeline.playback import PlaybackClock
from stages.audio.format import PIPELINE_RATE
from stages.errors import TooMuchText
from stages.items import (
    AudioChunk,
    Cancelled,
    Flush,
    PcmFrame,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
    Token,
)
from stages.resume import Skipped

if TYPE_CHECKING:
    from stages.items import Answer, Outgoing, Said, Speech, Style
    from stages.word_clock import WordClock

ITEM_BYTES = 64
"""Charged for a flush and for a change of style, about what they occupy: else a flood of them
would be bounded by nothing, since what is said in one style is merged while it waits."""

ENTRY_BYTES = 512
WORD_BYTES = array("d").itemsize + array("L").itemsize
"""About what a segment that was sent is remembered in, beside its text, and each of its words."""

COPIES = 2.5
"""How often pending text is in memory: here, and in pieces on its way, which are a half dearer."""

MAX_SEGMENTS = 1024
"""Segments that are remembered while a listener plays far behind: hours of speech."""

UNITS_PER_S = 15
"""The rate at which a segment of speed 1 is taken to be spoken while its length is not known yet:
180 words a minute, each of 5 letters and a space, which are a unit each."""

SYLLABLE_UNITS = 3
"""The time that a character takes which is a syllable: five of them a second."""

LONGEST_WORD_CHARS = 40
"""The longest run of letters that is not cut: a longer one is no word."""

_LAST_LETTER = regex.compile(r"(?r)[\p{L}\p{N}]")
_SYLLABLE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_SPACE = regex.compile(r"\s")
_GRAPHEME = regex.compile(r"\X")
_WORD_BY_ITSELF = regex.compile(r"[\p{lb=ID}\p{lb=CJ}\p{lb=NS}\p{lb=CL}\p{lb=SA}]")
"""A character of a script without spaces (Chinese, Japanese, Thai and their like; not Korean), or a
mark of it: the classes of Unicode's line breaking (UAX 14) behind which a line may end."""


@dataclass(frozen=True, slots=True)
class _Borders:
    """Where in a segment's text one may be that has heard so much of it, in little room: a listener
    who plays hours behind has a thousand."""

    times: array[float]
    """For each word, in order: when it has been said, in seconds behind the first sample."""
    places: array[int]
    """How many characters have been said by then: the word with what follows it, up to white space
    or the next word."""

    @classmethod
    def of(cls, clock: WordClock | None, text: str) -> _Borders:
        """Those of a segment's text; none, while the times of its words are not known."""
        words = () if clock is None else clock.words
        begins = [*(word.begin for word in words[1:]), len(text)]
        places = array("L")
        for word, following in zip(words, begins, strict=False):
            space = _SPACE.search(text, word.end, following)
            places.append(space.start() if space else following)
        return cls(array("d", (word.end_s for word in words)), places)

    def before(self, heard_s: float) -> int:
        """The last one that was passed in so many seconds."""
        n_words = bisect_right(self.times, heard_s)
        return self.places[n_words - 1] if n_words else 0


@dataclass(slots=True)
class _Entry:
    """A segment whose sound is being sent, or was."""

    index: int
    source: str
    start: int
    speed: float
    clock: WordClock | None  # until it has come
    borders: _Borders | None = None  # from then on
    end: float = math.inf  # until it has come
    n_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.n_bytes = ENTRY_BYTES + sys.getsizeof(self.source)

    def ended(self, end: float) -> None:
        """All of its sound has been given out, up to this sample."""
        self.end = end
        self.borders, self.clock = _Borders.of(self.clock, self.source), None
        self.n_bytes += WORD_BYTES * len(self.borders.times)


class Ledger:
    """The text that one connection was given to say, and how far it has come with it."""

    def __init__(self, max_bytes: int) -> None:
        self.clock = PlaybackClock()
        self.sample_rate = PIPELINE_RATE
        """Hertz, of the connection's stream; settled before the first of it is sent."""
        self._max_bytes = max_bytes
        self._leaving_to = 0  # the end of what was sent or is being sent
        self._sent_to = 0
        self._begin()

    def _begin(self) -> None:
        """Nothing has been said yet, or nothing since the last barge-in."""
        self.start = self._leaving_to
        """The sample at which the stream goes on behind the last barge-in."""
        self.n_bytes = 0
        """The size of the text and the flushes that are pending."""
        self.is_refusing = False
        """The rest of the utterance is refused, since too much was pending."""
        # Characters since then: taken in, up to the last letter of these, packed.
        self._n_taken = self._n_to_letter = self._n_packed = 0
        self._style_taken: Style | None = None
        self._style_packed: Style | None = None
        self._segments: deque[_Entry] = deque()
        self._n_remembered = 0  # bytes of these
        self._unsaid = ""  # the text behind the segments
        self._reply_ended = False

    @property
    def held_bytes(self) -> int:
        """About what the text takes in memory, here and in the stages, and what is remembered of
        the segments."""
        unsaid = sys.getsizeof(self._unsaid) if self._unsaid else 0
        return int(COPIES * unsaid) + self._n_remembered

    def held_with(self, item: Said) -> int:
        """The same, with this one taken in."""
        n_more = sys.getsizeof(item.text) if isinstance(item, Token) else 0
        return self.held_bytes + int(COPIES * n_more)

    # Text.

    def refusal(self, item: Said, *, has_room: bool) -> TooMuchText:
        """What a client is told of this one, which was not taken in. `has_room`: there would be for
        all clients together."""
        key = "token" if isinstance(item, Token) else "flush"
        told = f"{key}: there is no room for more beside what waits for all clients"
        if has_room:
            most = self._max_bytes
            told = f"{key}: {self.n_bytes} bytes of text wait to be spoken, of at most {most}"
        way_out = "no more is taken before a flush, a cancel, or the end of what waits"
        return TooMuchText(f"{told}: {way_out}")

    def take_in(self, item: Said, now: float, *, has_room: bool = True) -> bool:
        """Enter what the client says. False: it is refused, since too much is pending, or since
        there is no room for it elsewhere.

        A text that is refused takes the rest of its utterance with it, so that nothing is spoken
        with a hole in it: all text up to a flush or a barge-in, or until all that was taken in
        has been packed. Flushes have as much room again as text, so that the one which ends such
        an utterance is taken."""
        is_text = isinstance(item, Token)
        is_full = self.n_bytes >= self._max_bytes * (1 if is_text else 2)
        self.is_refusing = is_full or not has_room or (is_text and self.is_refusing)
        if self.is_refusing:
            return False
        match item:
            case Flush():
                self._reply_ended = True
                self.n_bytes += ITEM_BYTES
            case Token(text, style):
                # A reply that was ended and heard to its end is not reported any more.
                end = self._segments[-1].end if self._segments else 0
                if self._reply_ended and not self._unsaid and self._heard_to(now) >= end:
                    self._segments.clear()
                    self._n_remembered = 0
                self._reply_ended = False
                self._unsaid += text
                if found := _LAST_LETTER.search(text):
                    self._n_to_letter = self._n_taken + found.end()
                self._n_taken += len(text)
                self.n_bytes += _n_bytes(text, style, self._style_taken)
                self._style_taken = style
        return True

    def packed(self, item: Speech) -> bool:
        """Enter that all messages of this item were made. True: the utterance is over by it, since
        only marks are pending."""
        match item:
            case AudioChunk(segment=segment, is_last=True) | SegmentFailed(segment=segment):
                self.n_bytes -= _n_bytes(segment.source, segment.style, self._style_packed)
                self._style_packed = segment.style
                self._n_packed += len(segment.source)
                is_over = self._n_packed >= self._n_to_letter
                self.is_refusing &= not is_over
                return is_over
            case Flush():
                self.n_bytes -= ITEM_BYTES
                self.is_refusing &= self.n_bytes > 0
        return False

    def waits_for_client(self, n_segmented: int) -> bool:
        """Whether nothing will happen before the client says more: all text that was cut into
        segments, so many characters of it, has been packed."""
        return self._n_packed == n_segmented

    # Sound.

    def sending(self, item: Outgoing | Answer) -> None:
        """Enter that the writer has taken this up: a barge-in does not drop it any more."""
        match item:
            case PcmFrame():
                self._leaving_to += item.n_samples
            case Skipped():  # sent and heard, on another connection
                self._leaving_to += item.n_samples
                self._sent_to += item.n_samples
            case SegmentStarted(segment=segment):
                index, source, speed = segment.index, segment.source, segment.style.speed
                entry = _Entry(index, source, item.sample_offset, speed, segment.clock)
                if len(self._segments) >= MAX_SEGMENTS:
                    self._n_remembered -= self._segments.popleft().n_bytes
                self._segments.append(entry)
                self._n_remembered += entry.n_bytes
                self._unsaid = self._unsaid[len(segment.source) :]
            case SegmentEnded(segment=segment):
                for entry in self._segments:  # it may be remembered no more
                    if entry.index == segment.index:
                        self._n_remembered -= entry.n_bytes
                        entry.ended(item.end)
                        self._n_remembered += entry.n_bytes

    def sent(self, frame: PcmFrame, now: float) -> bool:
        """Enter that this sound was handed to the kernel. False: it was cancelled meanwhile, so
        nobody listens to it."""
        self._sent_to += frame.n_samples
        is_heard = self._sent_to > self.start
        if is_heard:
            self.clock.sent(frame.n_samples / self.sample_rate, now)
        return is_heard

    def heard_at(self, sample: int, now: float) -> float:
        """When the stream up to this sample will have been heard, if what was not sent yet of it is
        sent now."""
        unsent_s = max(0, sample - self._sent_to) / self.sample_rate
        return max(self.clock.dry_at, now) + unsent_s

    def cancel(self, played_ms: float | None, now: float) -> Cancelled:
        """Drop all that has not left, and begin anew; returns what was heard.

        `played_ms` is how much the client has played since the last barge-in; None: as much as
        if it played all sound at its own speed from when it was sent."""
        heard_to = self._heard_to(now)
        if played_ms is not None:
            n_left = self._leaving_to - self.start
            heard_to = self.start + int(min(played_ms / 1000 * self.sample_rate, n_left))
        spoken, remaining = "", ""
        for entry in self._segments:
            n_chars = self._n_chars_heard(entry, heard_to)
            spoken += entry.source[:n_chars]
            remaining += entry.source[n_chars:]
        remaining += self._unsaid
        self.clock.stop(now)
        self._begin()
        return Cancelled(spoken, remaining, self.start)

    def _heard_to(self, now: float) -> int:
        """The sample that the listener hears now, if it plays what it gets at once."""
        return self._sent_to - int(self.clock.unheard_s(now) * self.sample_rate)

    def _n_chars_heard(self, entry: _Entry, heard_to: int) -> int:
        text = entry.source
        if heard_to >= entry.end:
            return len(text)
        if heard_to <= entry.start:
            return 0
        borders = entry.borders or _Borders.of(entry.clock, text)
        if borders.times:
            return borders.before((heard_to - entry.start) / self.sample_rate)
        units = list(accumulate(SYLLABLE_UNITS if _SYLLABLE.match(char) else 1 for char in text))
        n_heard = heard_to - entry.start
        if entry.end == math.inf:
            n_units: float = n_heard * UNITS_PER_S * entry.speed / self.sample_rate
        else:
            n_units = units[-1] * n_heard // (entry.end - entry.start)
        return _back_to_border(text, bisect_right(units, n_units))


def n_units(text: str) -> int:
    """A text's length in what takes `UNITS_PER_S` of a second."""
    return len(text) + (SYLLABLE_UNITS - 1) * len(_SYLLABLE.findall(text))


def _back_to_border(text: str, n_chars: int) -> int:
    """The end of the last whole word within this many characters: before a space, or behind a
    character of a script that has none."""
    if n_chars >= len(text):
        return len(text)
    border = end = 0
    for found in _GRAPHEME.finditer(text):
        if found.end() > n_chars:
            break
        end, grapheme = found.end(), found.group()
        if _WORD_BY_ITSELF.match(grapheme) or (text[end].isspace() and not grapheme.isspace()):
            border = end
    return border if end - border <= LONGEST_WORD_CHARS else end


def _n_bytes(text: str, style: Style, before: Style | None) -> int:
    """The charge for text in this style, behind text in that one. Segments change their style where
    tokens do, so what comes in and what goes out are charged the same in the end."""
    n_bytes = len(text.encode())
    if before is not None and before != style:
        n_bytes += ITEM_BYTES
    if style.lexicon is not None and (before is None or before.lexicon != style.lexicon):
        n_bytes += style.lexicon.n_bytes
    return n_bytes
