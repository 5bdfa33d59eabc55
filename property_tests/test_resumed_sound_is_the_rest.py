"""The law of resuming: what came before a connection was lost, and what comes on the next one, is
the whole sound, wherever it broke and however often."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from pipeline.connection import hold_conversation
from property_tests.effort import NEURAL
from stages.items import PcmFrame, SegmentEnded, SegmentStarted, WordTimes
from tests.fakes import FLUSH, ListPeer, TellingEngine, service, token
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.audio.format import Samples
    from stages.engine import Request
    from stages.items import Answer, Outgoing

TEXT = """Hello there, you! It was **late. Very late** by then; and
she said: "Go on. Now."

```py
print("nothing of this. Is heard!")
```
1. Eggs
2. Milk, and <break time="0.3s"/> butter
The end"""

NOISE = np.random.default_rng(0).uniform(-1, 1, 41_000).astype(np.float32)

LEAST_SAMPLES = 32
"""Of a message without `frame_ms`: a shorter rest of a segment is filled up with silence."""


class Humming(TellingEngine):
    """Noise that is a text's own, as long as the text."""

    def _say(self, request: Request) -> None:
        text = request.segment.spoken
        position = self._said.get(request, 0)
        if position == len(text):
            request.finish()
            return
        self._said[request] = position + 1
        place = zlib.crc32(f"{position}{text}".encode()) % 40_000
        request.emit(NOISE[place : place + 700 + 30 * (position % 7)])


@dataclass(frozen=True)
class Had:
    """What a listener has of the utterance, as docs/resume.md has it."""

    heard_chars: int = 0
    torn_chars: int = 0
    samples: int = 0

    def after(self, items: Sequence[Outgoing | Answer]) -> Had:
        """The same, and these came on the next connection before it was lost."""
        had, n_heard, n_received = self, 0, self.samples
        is_open: deque[SegmentStarted] = deque()
        for item in items:
            match item:
                case PcmFrame():
                    n_received += item.n_samples
                case SegmentStarted():
                    is_open.append(item)
                case SegmentEnded():
                    n_heard += len(is_open.popleft().segment.source)
            if n_heard >= self.heard_chars and is_open:
                n_torn = max(0, n_received - is_open[0].sample_offset)
                had = Had(n_heard, len(is_open[0].segment.source), n_torn)
            elif n_heard > self.heard_chars:
                had = Had(n_heard)
        return had


def speak(had: Had | None, config: dict[str, object]) -> list[Outgoing | Answer]:
    """All that comes on one connection."""
    server = service(InlineModels(), Humming())
    conversation = server.new_conversation("eager")
    conversation.configure({"events": True, **config})
    if had is not None:
        resumed = {f"resume_{name}": value for name, value in vars(had).items()}
        conversation.configure(resumed)
    peer = ListPeer(token(TEXT), FLUSH)
    trio.run(hold_conversation, peer, server, conversation, clock=MockClock(autojump_threshold=0))
    return peer.heard


def frames(items: Sequence[Outgoing | Answer]) -> list[PcmFrame]:
    return [item for item in items if isinstance(item, PcmFrame)]


def heard_of(
    items: Sequence[Outgoing | Answer], n_skipped: int, config: dict[str, object]
) -> dict[str, Samples]:
    """The sound of each segment by its text, as far as it came; of what was skipped, nothing."""
    channels = 2 if config.get("channels") == 2 else 1
    width = np.dtype("<f4").itemsize * channels
    stream = b"".join(frame.data for frame in frames(items))
    starts = [item for item in items if isinstance(item, SegmentStarted)]
    ends = [item.end for item in items if isinstance(item, SegmentEnded)]
    ends += [n_skipped + len(stream) // width] * (len(starts) - len(ends))
    sounds = {}
    for start, end in zip(starts, ends, strict=True):
        begin = max(0, start.sample_offset - n_skipped)
        data = stream[width * begin : width * max(0, end - n_skipped)]
        if start.segment.spoken:  # else it was heard before, or is a silent one
            sounds[start.segment.source] = np.frombuffer(data, "<f4")
    return sounds


FORMS = st.fixed_dictionaries(
    {},
    optional={
        "sample_rate": st.sampled_from([8000, 16000, 44100]),
        "channels": st.just(2),
        "volume": st.sampled_from([-6.0, 12.0]),
        "segmentation": st.sampled_from(["sentence", "auto"]),
    },
)


@NEURAL
@given(FORMS, st.lists(st.floats(0, 1), min_size=1, max_size=2))
def test_each_segment_is_whole(config: dict[str, object], breaks: list[float]) -> None:
    """But for the silence that fills up a message of less than 32 samples: whether a segment ends
    in one depends on where its messages begin."""
    whole = heard_of(speak(None, config), 0, config)
    had, is_first = Had(), True
    joined: dict[str, Samples] = {}
    for at in [*breaks, 1.0]:
        items = speak(None if is_first else had, config)
        is_first = False
        items = items[: round(at * len(items))]
        for text, sound in heard_of(items, had.samples, config).items():
            joined[text] = np.concatenate([joined.get(text, sound[:0]), sound])
        had = had.after(items)
    assert joined.keys() == whole.keys()
    for text, expected in whole.items():
        n_samples = min(len(expected), len(joined[text]))
        assert np.array_equal(joined[text][:n_samples], expected[:n_samples])
        for rest in (joined[text][n_samples:], expected[n_samples:]):
            assert len(rest) < 2 * LEAST_SAMPLES
            assert not rest.any()


EXACT = st.fixed_dictionaries(
    {"frame_ms": st.sampled_from([20, 100])},
    optional={
        "sample_rate": st.sampled_from([8000, 16000]),
        "encoding": st.sampled_from(["s16le", "mulaw"]),
        "channels": st.just(2),
    },
)


@NEURAL
@given(EXACT, st.lists(st.floats(0, 1), min_size=1, max_size=2))
def test_exact_messages_go_on_bit_by_bit(config: dict[str, object], breaks: list[float]) -> None:
    """With segments that share a message, and the silence at the utterance's end."""
    whole = b"".join(frame.data for frame in frames(speak(None, config)))
    had, joined, is_first = Had(), b"", True
    for at in [*breaks, 1.0]:
        items = speak(None if is_first else had, config)
        items = items[: round(at * len(items))]
        joined += b"".join(frame.data for frame in frames(items))
        had, is_first = had.after(items), False
    assert joined == whole


@NEURAL
@given(st.floats(0, 1))
def test_words_come_again_from_the_segment_that_was_torn(at: float) -> None:
    """A word that was told twice is told the same, behind its segment's start."""

    def words(items: Sequence[Outgoing | Answer], before: int) -> list[tuple[str, int]]:
        told = [item for item in items if isinstance(item, WordTimes)]
        return [
            (word.text, before + round(word.start_s * 48_000))
            for item in told for word in item.words
        ]  # fmt: skip

    config: dict[str, object] = {"words": True}
    items = speak(None, config)
    whole, lost = words(items, 0), items[: round(at * len(items))]
    had = Had().after(lost)
    n_received = sum(frame.n_samples for frame in frames(lost))
    again = words(speak(had, config), n_received - had.samples)
    assert whole[len(whole) - len(again) :] == again
    assert len(words(lost, 0)) + len(again) >= len(whole)


def test_a_listener_who_has_more_than_there_is_hears_the_next_utterance_whole() -> None:
    """As on a machine whose sound is shorter."""
    server = service(InlineModels(), Humming())

    def sound(*texts: str, **config: object) -> Samples:
        conversation = server.new_conversation("eager")
        conversation.configure({"events": True, **config})
        messages = [message for text in texts for message in (token(text), FLUSH)]
        peer = ListPeer(*messages)
        trio.run(
            hold_conversation, peer, server, conversation, clock=MockClock(autojump_threshold=0)
        )
        return peer.pcm

    both = sound("Hello!", "You there?", resume_samples=48_000)
    assert np.array_equal(both, sound("You there?"))
