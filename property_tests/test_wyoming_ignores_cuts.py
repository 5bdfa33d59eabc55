"""Wyoming's events are read the same however a connection cuts them, and whatever a client sends is
understood or refused."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pipeline.dialects.dialect import Say
from pipeline.dialects.wyoming import Wyoming
from pipeline.dialects.wyoming_events import EventReader, decode, encode
from pipeline.voice_names import VoiceNames
from stages.errors import ProtocolError
from stages.items import ClientMessage, Flushed, PcmFrame
from stages.voices import Voice

if TYPE_CHECKING:
    from pipeline.dialects.dialect import Action

NAMES = VoiceNames({"bert": Voice("bert", "engine", "en", None, "", 48_000)}, "bert", {})

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
TYPES = st.sampled_from(
    ["describe", "ping", "synthesize", "synthesize-start", "synthesize-chunk", "synthesize-stop"]
) | st.text(max_size=8)
DATA = st.dictionaries(st.sampled_from(["text", "voice", "context"]) | st.text(max_size=8), VALUES)
EVENTS = st.builds(encode, TYPES, DATA, st.binary(max_size=8))


def pieces(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(EVENTS, max_size=6), st.lists(st.integers(0), max_size=12))
def test_events_come_out_as_they_were_put_in(events: list[bytes], places: list[int]) -> None:
    reader = EventReader()
    read = []
    for piece in pieces(b"".join(events), places):
        reader.feed(piece)
        while (event := reader.next_event()) is not None:
            read.append(event)
    assert read == events
    assert not reader.has_begun


@given(st.lists(EVENTS | st.binary(max_size=40), max_size=12))
def test_whatever_comes_is_understood_or_refused(messages: list[bytes]) -> None:
    dialect = Wyoming(NAMES)
    for message in messages:
        try:
            actions = list(dialect.hear(message))
        except ProtocolError as error:
            actions = list(dialect.refused(error))
            assert actions
        assert all(
            not isinstance(action, Say) or isinstance(action.said, ClientMessage | ProtocolError)
            for action in actions
        )


TEXTS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), max_size=5
)


@given(st.lists(st.tuples(st.booleans(), TEXTS), max_size=8), st.data())
def test_every_text_is_said_once_and_every_utterance_ends(
    utterances: list[tuple[bool, list[str]]], draw: st.DataObject
) -> None:
    """Streams and whole texts, in any order on one connection."""
    dialect = Wyoming(NAMES)
    actions: list[Action] = []
    for is_stream, chunks in utterances:
        text = "".join(chunks)
        if is_stream:
            actions += dialect.hear(encode("synthesize-start"))
            for chunk in chunks:
                actions += dialect.hear(encode("synthesize-chunk", {"text": chunk}))
            actions += dialect.hear(encode("synthesize", {"text": text}))
            actions += dialect.hear(encode("synthesize-stop"))
        else:
            actions += dialect.hear(encode("synthesize", {"text": text}))
    said = [
        action.said
        for action in actions
        if isinstance(action, Say) and isinstance(action.said, ClientMessage)
    ]
    assert "".join(each.token for each in said) == "".join(
        "".join(chunks) for _, chunks in utterances
    )
    assert sum(each.flush for each in said) == len(utterances)

    for number, (is_stream, _) in enumerate(utterances, 1):
        sizes = draw.draw(st.lists(st.integers(1, 9), max_size=4))
        items: list[PcmFrame | Flushed] = [Flushed(number, 0)]
        items[:0] = [PcmFrame(bytes(2 * size), size, None) for size in sizes]
        told = [decode(event).type for item in items for event in _bytes(dialect, item)]
        ends = ["audio-stop", "synthesize-stopped"] if is_stream else ["audio-stop"]
        assert told == ["audio-start", *["audio-chunk"] * len(sizes), *ends]


def _bytes(dialect: Wyoming, item: PcmFrame | Flushed) -> list[bytes]:
    return [message for message in dialect.tell("", item) if isinstance(message, bytes)]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    reader = EventReader()
    reader.feed(data + b"\n" + json.dumps({"type": "ping"}).encode())
    try:
        while reader.next_event() is not None:
            pass
    except ProtocolError:
        pass
