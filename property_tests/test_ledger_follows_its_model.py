"""The law of the ledger: whatever is said, cut, packed, sent and cancelled in whatever order, its
books are those of a simple model, which keeps everything and counts anew each time."""

from __future__ import annotations

import re
from collections import deque
from functools import partial
from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.ledger import ITEM_BYTES, SYLLABLE_UNITS, UNITS_PER_S, Ledger
from stages.items import (
    AudioChunk,
    Flush,
    Flushed,
    Outgoing,
    PcmFrame,
    Segment,
    SegmentEnded,
    SegmentStarted,
    Style,
    Token,
)
from stages.word_clock import Word
from tests.fakes import segment, sound_of
from tests.segmenter.cutting import graphemes_of

MAX_BYTES = 200
RATE = 8  # and all times are multiples of 1/8 s, so that floats are exact
AUDIBLE = "abé你好กี"

texts = st.text(AUDIBLE + "  \n,。👍🏽", min_size=1, max_size=30)
styles = st.sampled_from([Style("one"), Style("two")])


class Books(RuleBasedStateMachine):
    """A connection's text and sound, moved by hand from place to place."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(MAX_BYTES)
        self.ledger.sample_rate = RATE
        self.now = 0.0
        self.end = 0  # of the stream: what has left or is leaving
        self.in_flight: PcmFrame | None = None
        self.is_old = False  # the message in flight was cancelled
        self.begin_turn()

    def begin_turn(self) -> None:
        self.text = ""
        self.styles: list[Style] = []  # one a character
        self.flushes: deque[tuple[int, Flush]] = deque()  # pending, each behind so many characters
        self.n_flushes = 0
        self.is_refusing = False
        self.n_cut = self.n_packed = 0
        self.cut: deque[Segment | Flush] = deque()
        self.outbox: deque[Outgoing] = deque()
        self.pack_at = self.start = self.end
        self.segments: list[tuple[Segment, int]] = []  # begun, and where in the sound
        self.lengths: list[int] = []  # of those that have ended
        self.frames: list[tuple[int, float]] = []  # sent, and when
        self.reported_from = 0  # the replies before were heard to their end
        self.reply_ended = False

    # What the model counts anew.

    @property
    def n_bytes(self) -> int:
        changes = sum(a != b for a, b in pairwise(self.styles[max(0, self.n_packed - 1) :]))
        n_items = changes + self.n_flushes
        return len(self.text[self.n_packed :].encode()) + ITEM_BYTES * n_items

    @property
    def ear(self) -> float:
        dry_at, n_sent = 0.0, 0
        for n_samples, sent_at in self.frames:
            dry_at = max(dry_at, sent_at) + n_samples / RATE
            n_sent += n_samples
        return self.start + n_sent - max(0.0, dry_at - self.now) * RATE

    @property
    def has_heard_all(self) -> bool:
        n_begun = sum(len(begun.source) for begun, _ in self.segments)
        if n_begun < len(self.text) or len(self.lengths) < len(self.segments):
            return False
        return not self.segments or self.ear >= self.segments[-1][1] + self.lengths[-1]

    # What happens.

    @rule(text=texts, style=styles)
    def say(self, text: str, style: Style) -> None:
        """Text comes in."""
        self.is_refusing |= self.n_bytes >= MAX_BYTES
        if self.reply_ended and not self.is_refusing and self.has_heard_all:
            self.reported_from = len(self.text)
        assert self.ledger.take_in(Token(text, style), self.now) is not self.is_refusing
        if not self.is_refusing:
            self.reply_ended = False
            self.text += text
            self.styles += [style] * len(text)

    @rule()
    def flush(self) -> None:
        """A flush comes in."""
        self.is_refusing = self.n_bytes >= 2 * MAX_BYTES
        flush = Flush(0)
        assert self.ledger.take_in(flush, self.now) is not self.is_refusing
        if not self.is_refusing:
            self.reply_ended = True
            self.n_flushes += 1
            self.flushes.append((len(self.text), flush))

    @rule(most=st.integers(1, 40), is_timed=st.booleans())
    def segment(self, most: int, is_timed: bool) -> None:
        """The segmenter gives out a segment, or a flush that it has come to."""
        if self.flushes and self.flushes[0][0] == self.n_cut:
            self.cut.append(self.flushes.popleft()[1])
            return
        end = self.flushes[0][0] if self.flushes else len(self.text)
        style = self.styles[self.n_cut : self.n_cut + 1]
        n_chars = 0
        while n_chars < most and self.n_cut < end and self.styles[self.n_cut] == style[0]:
            n_chars += 1
            self.n_cut += 1
        if n_chars:
            source = self.text[self.n_cut - n_chars : self.n_cut]
            said = segment(source, style=style[0])
            if is_timed:
                said.clock.wind(partial(words_of, source))
            self.cut.append(said)

    @precondition(lambda self: self.cut)
    @rule(sizes=st.lists(st.integers(1, 20), max_size=3))
    def pack(self, sizes: list[int]) -> None:
        """The sender packs what comes next."""
        item = self.cut.popleft()
        if isinstance(item, Flush):
            self.outbox.append(Flushed(item.number, self.pack_at))
            self.n_flushes -= 1
            assert not self.ledger.packed(item)
            return
        start = self.pack_at
        self.outbox.append(SegmentStarted(item, start))
        self.outbox.extend(PcmFrame(b"", size, None) for size in sizes)
        self.outbox.append(SegmentEnded(item, start, sum(sizes)))
        self.pack_at += sum(sizes)
        self.n_packed += len(item.source)
        is_over = not set(self.text[self.n_packed :]) & set(AUDIBLE[:-1])
        self.is_refusing &= not is_over
        chunk = AudioChunk(item, sound_of(""), RATE, is_last=True)
        assert self.ledger.packed(chunk) is is_over

    @precondition(lambda self: self.outbox and self.in_flight is None)
    @rule()
    def write(self) -> None:
        """The writer takes up the next message."""
        message = self.outbox.popleft()
        self.ledger.sending(message)
        match message:
            case PcmFrame():
                self.in_flight, self.is_old = message, False
                self.end += message.n_samples
            case SegmentStarted():
                self.segments.append((message.segment, message.sample_offset))
            case SegmentEnded():
                self.lengths.append(message.n_samples)

    @precondition(lambda self: self.in_flight is not None)
    @rule()
    def arrive(self) -> None:
        """The kernel has it."""
        assert self.in_flight is not None
        assert self.ledger.sent(self.in_flight, self.now) is not self.is_old
        if not self.is_old:
            self.frames.append((self.in_flight.n_samples, self.now))
        self.in_flight = None

    @rule(n_eighths=st.integers(1, 30))
    def wait(self, n_eighths: int) -> None:
        """Time passes."""
        self.now += n_eighths / 8

    @rule(played=st.none() | st.integers(0, 60))
    def cancel(self, played: int | None) -> None:
        """A barge-in, by the clock or by what the client says."""
        ear = self.ear if played is None else min(self.start + played, self.end)
        played_ms = None if played is None else played / RATE * 1000
        answer = self.ledger.cancel(played_ms, self.now)
        assert answer.text_spoken + answer.text_remaining == self.text[self.reported_from :]
        assert answer.sample_offset == self.end
        before, n_spoken = 0, self.reported_from + len(answer.text_spoken)
        for number, (begun, start) in enumerate(self.segments):
            text = begun.source
            length = self.lengths[number] if number < len(self.lengths) else None
            if before >= self.reported_from:
                n_chars = min(len(text), max(0, n_spoken - before))
                assert n_chars == _n_chars_heard(begun, ear - start, length)
            before += len(text)
        assert n_spoken <= max(before, self.reported_from)  # nothing of what was not begun
        self.is_old = self.in_flight is not None
        self.begin_turn()
        assert self.ledger.clock.dry_at <= self.now

    @invariant()
    def it_says_what_the_model_says(self) -> None:
        """What is pending, and what is waited for."""
        assert self.ledger.n_bytes == self.n_bytes
        assert self.ledger.is_refusing == self.is_refusing
        waits = not any(isinstance(item, Segment) for item in self.cut)
        assert self.ledger.waits_for_client(self.n_cut) == waits
        assert self.n_bytes < 2 * MAX_BYTES + max(120, ITEM_BYTES)  # and one item more


def words_of(text: str) -> list[Word]:
    """Two a second."""
    found = re.finditer(r"\S+", text)
    return [
        Word(word[0], *word.span(), number / 2, number / 2 + 0.5, is_exact=True)
        for number, word in enumerate(found)
    ]


def _n_chars_heard(begun: Segment, n_heard: float, length: int | None) -> int:
    """How much of a segment was heard with so many of its samples."""
    text = begun.source
    if begun.clock.words:
        if length is not None and n_heard >= length:
            return len(text)
        ends = [word.end for word in begun.clock.words if word.end_s <= n_heard / RATE]
        return max(ends, default=0)
    units = [SYLLABLE_UNITS if char in "你好" else 1 for char in text]
    if length == 0:
        return len(text) if n_heard >= 0 else 0
    n_units = n_heard * UNITS_PER_S / RATE if length is None else sum(units) * n_heard / length
    if n_units >= sum(units):
        return len(text)
    heard = 0
    graphemes = graphemes_of(text)  # of which none is as long as the longest word
    for n_graphemes in range(1, len(graphemes)):
        end = len("".join(graphemes[:n_graphemes]))
        last = graphemes[n_graphemes - 1]
        ends_word = text[end].isspace() and not last.isspace()
        if sum(units[:end]) <= n_units and (ends_word or last[0] in "你好ก，。"):
            heard = end
    return heard


TestBooks = Books.TestCase
