"""A conversation that goes on behind a connection that was lost."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio
import trio.testing

from stages.audio.format import StreamFormat
from stages.errors import ProtocolError
from stages.items import (
    Cancelled,
    ClientMessage,
    Flush,
    Flushed,
    PcmFrame,
    SegmentEnded,
    SegmentStarted,
    Style,
)
from stages.pitch_only import PitchOnlyConverter
from stages.resume import MAX_RESUME_S, Resume
from stages.sender.packing import Packer
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.soprano.engine import SopranoEngine
from stages.tts.soprano.model import SopranoOptions
from stages.tts.soprano.sampling import Sampling
from stages.voices import Voice
from tests.audio.listening import hear_packets, voice_like
from tests.fakes import (
    CANCEL,
    FLUSH,
    ListPeer,
    TellingEngine,
    chunk,
    converse,
    segment,
    service,
    token,
)
from tests.inline_models import InlineModels
from tests.random_soprano import TINY, build
from tests.timed_models import SENTENCE, Figures, SlowSpeaker, TimedPeer, slow_service

if TYPE_CHECKING:
    from trio.testing import MockClock

    from stages.audio.format import Samples
    from stages.engine import Engine

PACKET = 960


@functools.cache
def soprano() -> Engine:
    """With a temperature: it draws its tokens."""
    options = SopranoOptions(sampling=Sampling(temperature=0.8), n_slots=4)
    with tempfile.TemporaryDirectory() as folder:
        model = build(Path(folder), TINY)
        engine = SopranoEngine(model, options, force_length=lambda text: 2 + len(text) % 9)
        engine.load()
    engine.install()
    return engine


@functools.cache
def espeak() -> Engine:
    engine = EspeakEngine()
    engine.load()
    engine.install()
    return engine


@pytest.mark.parametrize("engine", [espeak, soprano])
async def test_a_real_voice_goes_on_at_the_sample(
    autojump_clock: MockClock, engine: functools._lru_cache_wrapper[Engine]
) -> None:
    """In another pitch, at another speed and rate; the second segment was torn."""
    text = "Dr. Rivera paid $29.95, twice! Was it **3:22 p.m.**? See: go on. And"
    made = service(InlineModels(), engine())
    made.converter = PitchOnlyConverter()
    name = "en-us+f3" if engine is espeak else "soprano"
    made.voices = {name: Voice(name, engine().name, "en", None, "for tests", 0)}
    config = {"voice": name, "seed": 7, "pitch_shift": 3.0, "speed": 1.2, "sample_rate": 24_000}
    peer, again = ListPeer(token(text), FLUSH), ListPeer(token(text), FLUSH)
    made.style = Style(name)
    await converse(peer, made, **config)
    first, torn = peer.heard_of(SegmentEnded)[:2]
    n_torn = torn.n_samples // 2
    await converse(
        again, made, **config,
        resume_samples=n_torn,
        resume_heard_chars=len(first.segment.source),
        resume_torn_chars=len(torn.segment.source),
    )  # fmt: skip
    rest = peer.pcm[torn.sample_offset + n_torn :]
    assert len(rest) > n_torn
    assert np.array_equal(again.pcm, rest)


async def test_counts_are_as_if_all_had_been_sent(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("One! Two! Three!"), FLUSH)
    await converse(peer, resume_samples=150, resume_heard_chars=4, resume_torn_chars=5)
    starts = [(item.segment.source, item.sample_offset) for item in peer.heard_of(SegmentStarted)]
    assert starts == [("One!", 0), (" Two!", 0), (" Three!", 400)]
    ends = [item.n_samples for item in peer.heard_of(SegmentEnded)]
    assert ends == [0, 400, 600]
    assert peer.heard_of(Flushed)[0].sample_offset == 1_000
    assert len(peer.pcm) == 850


class Short(TellingEngine):
    """Speaks short texts badly."""

    least_chars = 20


async def test_a_reply_that_goes_on_has_no_first_segment(autojump_clock: MockClock) -> None:
    """Under ``auto`` that is cut as soon as can be; what goes on is cut as what follows it."""

    async def sources(**config: object) -> list[str]:
        made = service(synthesizer=Short())
        peer = ListPeer(token("Yes. I think so. It is."), FLUSH)
        await converse(peer, made, segmentation="auto", **config)
        return [item.segment.source for item in peer.heard_of(SegmentStarted)]

    assert await sources() == ["Yes.", " I think so. It is."]
    assert await sources(resume_samples=0) == ["Yes. I think so. It is."]
    again = await sources(resume_samples=100, resume_heard_chars=0, resume_torn_chars=4)
    assert again == ["Yes.", " I think so. It is."]


@pytest.mark.parametrize(
    ("played_ms", "spoken"), [(None, "One! Two!"), (9.0, "One! Two!"), (0.0, "One!")]
)
async def test_what_was_skipped_counts_as_played(
    autojump_clock: MockClock, played_ms: float | None, spoken: str
) -> None:
    """A barge-in tells of the whole utterance; `played_ms` counts from the torn segment's start."""
    peer = ListPeer(token("One! Two! Three"), ends=False)
    config: dict[str, object] = {
        "resume_samples": 400,
        "resume_heard_chars": 4,
        "resume_torn_chars": 5,
    }

    async with trio.open_nursery() as nursery:
        nursery.start_soon(functools.partial(converse, peer, None, **config))
        while len(peer.heard_of(SegmentEnded)) < 2:
            await trio.testing.wait_all_tasks_blocked()
        peer.say(ClientMessage(cancel=True, played_ms=played_ms))
        peer.hang_up()
    [cancelled] = peer.heard_of(Cancelled)
    assert cancelled.text_spoken == spoken
    assert cancelled.text_spoken + cancelled.text_remaining == "One! Two! Three"
    assert cancelled.sample_offset == 400


async def test_a_cancel_ends_it(autojump_clock: MockClock) -> None:
    """What is said behind it is another utterance."""
    peer = ListPeer(CANCEL, token("Hello!"), FLUSH)
    await converse(peer, resume_samples=300, resume_heard_chars=3)
    assert len(peer.pcm) == 600


@pytest.mark.parametrize("n_samples", [MAX_RESUME_S * 8_000 + 1, 2**53 - 1])
async def test_more_than_anybody_needs_is_refused(n_samples: int) -> None:
    """It would be made at once for a listener who need not read."""
    conversation = service().new_conversation("eager")
    with pytest.raises(ProtocolError, match="resume_samples: must be at most 300 seconds"):
        conversation.configure({"sample_rate": 8_000, "resume_samples": n_samples})
    conversation.configure({"sample_rate": 8_000, "resume_samples": MAX_RESUME_S * 8_000})
    conversation.take(token("Hello"))
    with pytest.raises(ProtocolError, match="resume_samples: can only be set before"):
        conversation.configure({"resume_samples": 0})


@pytest.mark.parametrize("n_skipped_s", [0.0, 1.0, 3.0])
async def test_only_the_rest_is_waited_for(autojump_clock: MockClock, n_skipped_s: float) -> None:
    """A sentence of 5 s is made in 10. Who has 3 s of it hears the other two without a gap, and
    before they have all been made."""
    server = await slow_service(SlowSpeaker(2.0))
    peer = TimedPeer(token(SENTENCE), FLUSH)
    rate = 48_000
    await converse(peer, server, resume_samples=round(n_skipped_s * rate), resume_torn_chars=0)
    assert Figures(server)("gap_seconds_total") < 0.05
    [(told, real)] = peer.waits()
    assert told == pytest.approx(real, rel=0.2, abs=0.5)
    assert real == pytest.approx(10.0 - (5.0 - n_skipped_s), abs=1.2)


@pytest.mark.parametrize("n_packets", [6, 7, 20])
def test_opus_goes_on_where_the_decoder_is(n_packets: int) -> None:
    """The second segment was torn, which began within a packet. What is heard differs from the
    whole by less than the codec does from the speech, and without a burst."""
    first, second = voice_like(10_000), voice_like(60_000)

    def frames(resume: Resume | None, *sounds: Samples) -> list[bytes]:
        packer = Packer(StreamFormat("opus"), 0)
        items = [] if resume is None else list(packer.pack(resume))
        for sound in sounds:
            items += packer.pack(chunk(sound, segment("voice"), is_last=True))
        items += packer.pack(Flush(1))
        return [item.data for item in items if isinstance(item, PcmFrame)]

    whole = frames(None, first, second)
    n_before = len(first) // PACKET + n_packets
    resume = Resume(samples=n_before * PACKET - len(first))
    joined = whole[:n_before] + frames(resume, second)
    assert len(joined) == len(whole)
    sound = np.concatenate([first, second])
    heard, expected = hear_packets(joined, 1)[0], hear_packets(whole, 1)[0]
    seam = slice(n_before * PACKET, (n_before + 5) * PACKET)
    codec = np.abs(expected[312:][: len(sound)] - sound[: len(expected) - 312]).max()
    assert np.abs(heard[seam] - expected[seam]).max() < codec


def test_opus_begins_with_silence_where_the_encoder_cannot_know_the_decoder() -> None:
    """It was torn after 20 ms. Without the silence the first sound would be a burst."""
    spoken = voice_like(60_000)
    packer = Packer(StreamFormat("opus"), 0)
    items = [
        *packer.pack(Resume(samples=PACKET)),
        *packer.pack(chunk(spoken, segment("voice"), is_last=True)),
        *packer.pack(Flush(1)),
    ]
    [started] = [item for item in items if isinstance(item, SegmentStarted)]
    assert started.sample_offset == PACKET
    before = Packer(StreamFormat("opus"), 0)
    whole = [*before.pack(chunk(spoken, segment("voice"), is_last=True)), *before.pack(Flush(1))]
    packets = [item.data for item in whole if isinstance(item, PcmFrame)][:1]
    packets += [item.data for item in items if isinstance(item, PcmFrame)]
    heard = hear_packets(packets, 1)[0]
    rest = spoken[PACKET:]
    late = heard[2 * PACKET + 312 :][: len(rest)]
    assert np.corrcoef(late, rest)[0, 1] > 0.98
    assert np.abs(late).max() <= 1.2 * np.abs(spoken).max()
