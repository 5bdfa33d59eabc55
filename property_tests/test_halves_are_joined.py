"""Text that is cut into UTF-16 code units at any place is the text."""

from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from pipeline.dialects import native
from stages.intake.conversation import Conversation
from stages.items import Segment, Style, Token
from stages.segmenter import Segmenter
from stages.voices import Voice

VOICE = Voice("voice", "engine", "en", None, "", 48_000)
EMOJI = st.sampled_from("😀𝒳👩🏽𠀋")
TEXTS = st.lists(st.one_of(st.text(max_size=6), EMOJI, st.sampled_from([". ", "! ", " "]))).map(
    "".join
)
HALVES = st.lists(st.integers(0xD800, 0xDFFF).map(chr), max_size=3).map("".join)


def units_of(text: str) -> list[str]:
    """A character for each of its UTF-16 code units."""
    data = text.encode("utf-16-le", "surrogatepass")
    return [chr(int.from_bytes(data[at : at + 2], "little")) for at in range(0, len(data), 2)]


def segments_of(tokens: list[str]) -> list[Segment]:
    """What becomes of these tokens, as messages of a client, and a flush."""
    conversation, segmenter = Conversation({"voice": VOICE}, Style("voice")), Segmenter()
    segments = []
    for token in tokens:
        message = native.parse(json.dumps({"token": token}))
        for item in conversation.take(message):
            assert isinstance(item, Token)
            segments += segmenter.push(item, 0.0)
    return segments + segmenter.flush(0.0)


@given(TEXTS.filter(lambda text: "\0" not in text), st.data())
def test_text_may_be_cut_between_halves(text: str, data: st.DataObject) -> None:
    """A token that ended within an emoji was an error, and so was the next one."""
    units = units_of(text)
    places = sorted(data.draw(st.sets(st.integers(0, len(units)), max_size=8)))
    edges = [0, *places, len(units)]
    tokens = ["".join(units[a:b]) for a, b in itertools.pairwise(edges)]
    assert segments_of(tokens) == segments_of([text])


@given(st.lists(st.one_of(TEXTS, HALVES), max_size=8))
def test_half_a_character_is_dropped_and_the_rest_kept(tokens: list[str]) -> None:
    tokens = [token.replace("\0", "") for token in tokens]
    sources = "".join(segment.source for segment in segments_of(tokens))
    whole = "".join(tokens).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    assert sources == whole
