"""Word times on their way to a client: asked for, behind their sound, in its samples."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.dialects import native
from stages.engine import SaidWord
from stages.errors import ProtocolError, SynthesisError
from stages.items import (
    Cancelled,
    ClientMessage,
    PcmFrame,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
    WordTimes,
)
from stages.pitch_only import PitchOnlyConverter
from tests.fakes import (
    CANCEL,
    FLUSH,
    SAMPLES_PER_CHAR,
    ListPeer,
    Negating,
    TellingEngine,
    converse,
    service,
    token,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.engine import Engine, Request
    from stages.word_clock import Word

pytestmark = pytest.mark.usefixtures("autojump_clock")


class KnowingEngine(TellingEngine):
    """Knows its words' times, and tells them before the first sound."""

    def step(self, batch: Sequence[Request]) -> None:
        for request in batch:
            request.tell_words(
                [
                    SaidWord(found.start(), *(SAMPLES_PER_CHAR * place for place in found.span()))
                    for found in re.finditer(r"\S+", request.segment.spoken)
                ]
            )
        super().step(batch)


class FailingConverter(Negating):
    """Fails behind the first six characters."""

    def step(self, batch: Sequence[Request]) -> None:
        super().step(batch)
        for request in batch:
            self._n_steps += 1
            if self._n_steps == 6:
                request.fail(SynthesisError("no"))

    _n_steps = 0


async def hear(
    *say: ClientMessage, synthesizer: Engine | None = None, **config: object
) -> ListPeer:
    peer = ListPeer(*say)
    server = service(synthesizer=synthesizer or KnowingEngine())
    server.converter = PitchOnlyConverter()
    await converse(peer, server, **{"words": True, **config})
    return peer


def words_of(peer: ListPeer) -> list[Word]:
    return [word for item in peer.heard_of(WordTimes) for word in item.words]


async def test_each_word_comes_once_with_its_place_in_the_sound() -> None:
    peer = await hear(token("Take five, **please**. Thanks"), FLUSH)
    rate = 48_000
    told = [
        (word.text, round(word.start_s * rate), round(word.end_s * rate)) for word in words_of(peer)
    ]
    assert told == [
        ("Take", 0, 400),
        ("five,", 500, 1000),
        ("please**.", 1000, 1700),
        ("Thanks", 1700, 2300),
    ]
    assert all(word.is_exact for word in words_of(peer))
    for item in peer.heard_of(WordTimes):
        assert all(item.segment.source[w.begin : w.end] == w.text for w in item.words)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"frame_ms": 20},
        {"frame_ms": 1000},
        {"sample_rate": 8000, "frame_ms": 20},
        {"encoding": "opus"},
        {"speed": 0.5},
        {"encoding": "mulaw", "sample_rate": 8000},
    ],
    ids=str,
)
async def test_words_come_behind_the_last_of_their_sound_and_before_the_segments_end(
    config: dict[str, Any],
) -> None:
    text = "The words of a rather long sentence, and then another one. Yes, it is! And so on"
    peer = await hear(token(text), FLUSH, **config)
    n_sent, open_segments = 0, list[int]()
    for item in peer.heard:
        match item:
            case PcmFrame():
                n_sent += item.n_samples
            case SegmentStarted(segment=segment):
                open_segments.append(segment.index)
            case SegmentEnded(segment=segment):
                assert open_segments.pop(0) == segment.index
            case WordTimes():
                assert item.segment.index == open_segments[0]
                assert all(round(w.end_s * item.sample_rate) <= n_sent for w in item.words)
    spans = {e.segment.index: (e.sample_offset, e.end) for e in peer.heard_of(SegmentEnded)}
    for item in peer.heard_of(WordTimes):
        start, end = spans[item.segment.index]
        for word in item.words:
            assert start <= word.start_s * item.sample_rate + 1e-6
            assert word.end_s * item.sample_rate <= end + 1e-6
    assert [word.text for word in words_of(peer)] == text.split()
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(words_of(peer)))


async def test_sound_is_the_same_with_words_as_without() -> None:
    say = token("One, two. Three"), FLUSH
    with_words, without = await hear(*say), await hear(*say, words=False)
    assert with_words.pcm.tobytes() == without.pcm.tobytes()
    frames = [item for item in with_words.heard if not isinstance(item, WordTimes)]
    assert [type(item) for item in frames] == [type(item) for item in without.heard]
    assert not without.heard_of(WordTimes)


async def test_what_an_engine_does_not_know_is_estimated_and_said_to_be() -> None:
    peer = await hear(token("Take five, please."), FLUSH, synthesizer=TellingEngine())
    assert [word.text for word in words_of(peer)] == ["Take", "five,", "please."]
    assert not any(word.is_exact for word in words_of(peer))


async def test_a_pause_that_the_text_asks_for_is_before_the_words() -> None:
    peer = await hear(token('<break time="1s"/>Yes'), FLUSH, speed=2.0)
    (word,) = words_of(peer)
    assert word.text == "Yes"
    assert word.start_s == pytest.approx(0.5)
    assert word.end_s == pytest.approx(0.5 + 150 / 48_000, abs=1e-4)


async def test_a_segment_that_fails_in_the_middle_has_the_words_that_were_said() -> None:
    peer = await hear(token("Well ab ~nn cd. Yes"), FLUSH)
    assert peer.heard_of(SegmentFailed)
    assert [word.text for word in words_of(peer)] == ["Well", "ab", "Yes"]
    failed, _ = peer.heard_of(SegmentEnded)
    assert failed.n_samples == len("Well ab ") * SAMPLES_PER_CHAR


async def test_a_conversion_that_fails_leaves_the_words_that_it_made() -> None:
    peer = ListPeer(token("Well said"), FLUSH)
    server = service(synthesizer=KnowingEngine())
    server.converter = FailingConverter()
    await converse(peer, server, words=True, pitch_shift=1.0)
    assert peer.heard_of(SegmentFailed)
    (ended,) = peer.heard_of(SegmentEnded)
    well, cut_off = words_of(peer)
    assert (well.text, cut_off.text) == ("Well", "said")
    assert cut_off.end_s * 48_000 == pytest.approx(ended.n_samples)


async def test_what_is_cancelled_has_no_words_behind_the_answer() -> None:
    peer = ListPeer(token("Some old text. "), ends=False)
    server = service(synthesizer=KnowingEngine())
    peer.say(CANCEL, token("New"), FLUSH)
    peer.hang_up()
    await converse(peer, server, words=True)
    (answer,) = peer.heard_of(Cancelled)
    behind = peer.heard[peer.heard.index(answer) :]
    words = [word for item in behind if isinstance(item, WordTimes) for word in item.words]
    assert [word.text for word in words] == ["New"]
    assert words[0].start_s * 48_000 == pytest.approx(answer.sample_offset)


def test_words_can_be_asked_for() -> None:
    message = native.parse('{"config": {"events": true, "words": true}}')
    assert message.config == {"events": True, "words": True}


async def test_the_words_of_an_event_are_in_seconds_and_samples() -> None:
    peer = await hear(token("Hi you"), FLUSH)
    (item,) = peer.heard_of(WordTimes)
    assert json.loads(native.render(item)) == {
        "event": "words",
        "segment": 0,
        "words": [
            {
                "word": "Hi",
                "start": 0.0,
                "end": 0.004167,
                "start_sample": 0,
                "end_sample": 200,
                "char": [0, 2],
                "exact": True,
            },
            {
                "word": "you",
                "start": 0.00625,
                "end": 0.0125,
                "start_sample": 300,
                "end_sample": 600,
                "char": [3, 6],
                "exact": True,
            },
        ],
    }


def test_words_without_events_are_an_error_that_says_so() -> None:
    conversation = service().new_conversation("eager")
    with pytest.raises(ProtocolError, match=r"^words: .*events"):
        conversation.configure({"words": True})
    conversation.configure({"events": True})
    conversation.configure({"words": True})
    with pytest.raises(ProtocolError, match=r"^words"):
        conversation.configure({"events": False})
    conversation.configure({"events": False, "words": False})
