"""The law of cost: reading markup takes a bounded number of looks for each character, each at a
bounded stretch of text, whatever the text is. So the cost is linear, and a flood costs no more a
character than prose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from stages.text.markup import Markup
from stages.text.markup.rules import MAX_HELD_CHARS
from tests.segmenter.cutting import PIECES

if TYPE_CHECKING:
    from stages.text.markup.pieces import TextPiece

LOOKS_A_CHARACTER = 3
"""One when it comes and is held back, one when it is read, one where something ends before it."""


class CountingMarkup(Markup):
    """Counts its looks at the text."""

    n_looks = 0

    def _step(self, text: str, at: int, pieces: list[TextPiece], *, ended: bool) -> int | None:
        self.n_looks += 1
        return super()._step(text, at, pieces, ended=ended)


floods = st.builds(
    lambda pieces, times: ("".join(pieces) * times)[:2_000],
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4),
    st.integers(1, 1_000),
)


@given(floods, st.sampled_from([1, 7, 200, 2_000]))
@example("<" * 2_000, 1)
@example("`" * 2_000, 1)
@example("- " * 1_000, 1)
@example("\\(" * 1_000, 1)
@example("[" * 2_000, 1)
def test_each_character_is_looked_at_a_few_times(text: str, token_chars: int) -> None:
    markup = CountingMarkup()
    n_given_out = 0
    for at in range(0, len(text), token_chars):
        pieces = markup.feed(text[at : at + token_chars])
        n_given_out += sum(len(piece.source) for piece in pieces)
        assert len(markup.held) < MAX_HELD_CHARS
    n_given_out += sum(len(piece.source) for piece in markup.end())
    assert n_given_out == len(text)
    assert markup.n_looks <= LOOKS_A_CHARACTER * len(text) + MAX_HELD_CHARS
