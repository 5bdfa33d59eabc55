"""A connection's books: what was heard of a segment whose words have times."""

from __future__ import annotations

import re

import pytest

from pipeline.ledger import Ledger
from stages.items import PcmFrame, Segment, SegmentEnded, SegmentStarted, Token
from stages.word_clock import Word
from tests.fakes import STYLE, segment

RATE = 48_000


def timed(text: str, *ends: float) -> Segment:
    """A segment whose words end at these times, in seconds."""
    said = segment(text, 0)
    words = [
        Word(found[0], *found.span(), end - 0.1, end, is_exact=True)
        for found, end in zip(re.finditer(r"[^\W_]+", text), ends, strict=True)
    ]
    said.clock.wind(lambda: words)
    return said


@pytest.mark.parametrize("has_ended", [True, False])
@pytest.mark.parametrize(
    ("text", "ends", "heard_s", "expected"),
    [
        ("no, entirely so", (3.0, 3.5, 4.0), 2.9, ""),
        ("no, entirely so", (3.0, 3.5, 4.0), 3.0, "no,"),  # with its mark, before the space
        ("no, entirely so", (3.0, 3.5, 4.0), 3.9, "no, entirely"),
        ("the _last_ one", (1.0, 2.0, 3.0), 1.5, "the"),
        ("好，了", (1.0, 2.0), 1.5, "好，了"[:2]),  # a script without spaces
        ("ok ... so (", (1.0, 2.0), 2.0, "ok ... so"),
    ],
)
def test_where_the_times_of_words_are_known_text_is_cut_by_them(
    text: str, ends: tuple[float, ...], heard_s: float, expected: str, has_ended: bool
) -> None:
    """Speech is not even: after 3 of 5 s a listener has heard the one word before a long pause."""
    ledger = Ledger(1000)
    ledger.take_in(Token(text, STYLE), 0.0)
    said = timed(text, *ends)
    ledger.sending(SegmentStarted(said, 0))
    ledger.sending(PcmFrame(b"", 5 * RATE, None))
    if has_ended:
        ledger.sending(SegmentEnded(said, 0, 5 * RATE))
    cancelled = ledger.cancel(heard_s * 1000, 0.0)
    assert cancelled.text_spoken == expected
    assert cancelled.text_remaining == text[len(expected) :]
