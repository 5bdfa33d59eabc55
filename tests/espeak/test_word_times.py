"""When espeak-ng says each word, against what is heard: sound begins where a word does behind a
pause, whatever was done to it on its way."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from pipeline.service import Service
from stages.items import Cancelled, ClientMessage, Flushed, PcmFrame, Style, WordTimes
from stages.pitch_only import PitchOnlyConverter
from stages.segmenter import SegmenterOptions
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.languages import Languages
from stages.tts.word_times import Timescale, told_words
from tests.audio.listening import hear_packets
from tests.engine_driver import DrivenRequest, make_segment, run
from tests.fakes import FLUSH, ListPeer, converse, token
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.audio.format import Samples
    from stages.word_clock import Word

NEAR_S = 0.04
TEXT = "Take apples, pears, big bananas; cherries, plums."
BEHIND_PAUSES = ["Take", "pears,", "big", "cherries,", "plums."]


@pytest.fixture(scope="module")
def espeak() -> Iterator[EspeakEngine]:
    engine = EspeakEngine()
    engine.load()
    engine.install()
    yield engine
    engine.close()


def server(engine: EspeakEngine) -> Service:
    return Service(
        executor=InlineModels(),  # type: ignore[arg-type]  # a thread is not needed here
        synthesizers=[engine],
        converter=PitchOnlyConverter(),
        voices={voice.name: voice for voice in engine.voices()},
        style=Style("en-us"),
        segmenter_options=SegmenterOptions(),
        max_listeners=1,
        max_pending_bytes=1 << 18,
        idle_timeout_s=60,
        languages=Languages(),
    )


def onsets(sound: Samples, rate: int, speed: float = 1.0) -> list[float]:
    """When sound begins, in seconds, at the start or behind 80 ms of silence at speed 1."""
    hop = rate // 200
    levels = np.abs(sound[: len(sound) // hop * hop]).reshape(-1, hop).max(axis=1)
    loud = np.flatnonzero(levels > 0.02 * levels.max())
    first = [loud[0], *(b for a, b in pairwise(loud) if b - a > 16 / speed)]
    return [float(hop * at) / rate for at in first]


def words_of(engine: EspeakEngine, text: str, voice: str = "en-us") -> list[Word]:
    request = run(engine, DrivenRequest(make_segment(text, voice)))
    return told_words(request.segment, request.words, Timescale(engine.sample_rate))


@pytest.mark.parametrize("voice", ["en-us", "en-us+f3", "en-gb+whisper"])
def test_a_word_behind_a_pause_begins_where_it_is_heard(espeak: EspeakEngine, voice: str) -> None:
    request = run(espeak, DrivenRequest(make_segment(TEXT, voice)))
    words = told_words(request.segment, request.words, Timescale(espeak.sample_rate))
    assert [word.text for word in words] == TEXT.split()
    assert all(word.is_exact for word in words)
    starts = [word.start_s for word in words if word.text in BEHIND_PAUSES]
    assert onsets(request.sound, espeak.sample_rate) == pytest.approx(starts, abs=NEAR_S)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"pitch_shift": 5.0},
        {"pitch_shift": -12.0, "speed": 0.5},
        {"speed": 1.25},
        {"speed": 2.0},
        {"sample_rate": 8000},
        {"sample_rate": 22050, "encoding": "s16le", "channels": 2},
        {"frame_ms": 20},
        {"encoding": "opus"},
        {"volume": 10.0},
    ],
    ids=str,
)
async def test_words_are_where_they_are_heard_in_the_stream(
    espeak: EspeakEngine, config: dict[str, Any], autojump_clock: object
) -> None:
    """Behind a pause that the text asks for, at another pitch, speed, rate and in another encoding:
    two segments, the second of which begins in the middle of a frame."""
    peer = ListPeer(token(f'One. <break time="500ms"/> {TEXT}'), FLUSH)
    settings = {"segmentation": "sentence", "words": True, **config}
    await converse(peer, server(espeak), **settings)
    times = peer.heard_of(WordTimes)
    words = [word for item in times for word in item.words]
    assert [word.text for word in words] == ["One.", *TEXT.split()]
    rate = times[0].sample_rate
    if config.get("encoding") == "opus":
        packets = [frame.data for frame in peer.heard_of(PcmFrame)]
        sound = hear_packets(packets, channels=1)[0]
    elif config.get("encoding") == "s16le":
        data = b"".join(frame.data for frame in peer.heard_of(PcmFrame))
        sound = np.frombuffer(data, "<i2")[::2].astype(np.float32)
    else:
        sound = peer.pcm
    starts = [word.start_s for word in words if word.text in {"One.", *BEHIND_PAUSES}]
    assert onsets(sound, rate, float(settings.get("speed", 1.0))) == pytest.approx(
        starts, abs=NEAR_S
    )


@pytest.mark.parametrize(
    ("text", "voice", "exact", "estimated"),
    [
        ("The cat is in the house.", "en-us", {"The", "cat", "is", "house."}, {"in", "the"}),
        ("今天天气很好，我们去Python公园。", "cmn", {"今天", "天气", "很好，", "Python"}, set()),
        ("今日は天気がいい。", "ja", set(), {"今日", "天気"}),
        ("วันนี้อากาศดีมาก", "th", set(), {"วัน", "อากาศ", "มาก"}),
        ("Say [New York](/nuː ˈjɔɹk/) or [it](/ɪt/).", "en-us", {"Say", "New York", "or"}, set()),
        ("Am 5. Mai ist Herr Dr. Maier zum Beispiel da.", "de", {"5.", "Mai", "Dr."}, set()),
        ("It is 123456789 now.", "en-us", {"It", "is", "123456789", "now."}, set()),
        ("He said “yes!” and (maybe) left…", "en-us", {"“yes!”", "(maybe)", "left…"}, set()),
        ("Ünïcödé 👍 e\u0301te\u0301 & \x01 that", "fr-fr", {"Ünïcödé", "e\u0301te\u0301"}, set()),
    ],
)
def test_words_of_any_script_have_times(
    espeak: EspeakEngine, text: str, voice: str, exact: set[str], estimated: set[str]
) -> None:
    """What espeak-ng says in one ("in the", all of a Thai text) is shared out, and said to be."""
    words = words_of(espeak, text, voice)
    assert exact <= {word.text for word in words if word.is_exact}
    assert estimated <= {word.text for word in words if not word.is_exact}
    assert all(text[word.begin : word.end] == word.text for word in words)
    assert all(one.end_s <= following.start_s + 1e-9 for one, following in pairwise(words))
    assert all(word.start_s < word.end_s for word in words)


def test_a_word_ends_before_the_pause_behind_it(espeak: EspeakEngine) -> None:
    before, behind, *_ = words_of(espeak, "Yes, no.")
    assert 0.1 < behind.start_s - before.end_s < 0.4


@pytest.mark.parametrize("number", range(len(TEXT.split())))
async def test_what_was_heard_at_a_barge_in_ends_with_the_word_that_was_heard_last(
    espeak: EspeakEngine, number: int, autojump_clock: object
) -> None:
    """With events alone: the words need not be asked for."""
    said = words_of(espeak, TEXT)[number]
    peer = ListPeer(token(TEXT), FLUSH, ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(converse, peer, server(espeak), segmentation="sentence"))
        await wait_all_tasks_blocked()
        assert peer.heard_of(Flushed)
        peer.say(ClientMessage(cancel=True, played_ms=1000 * (said.end_s + 0.01)))
        peer.hang_up()
    (answer,) = peer.heard_of(Cancelled)
    assert answer.text_spoken == TEXT[: said.end]
