"""What is heard in slots is what streams hear with the same blocks, but for rounding. Features of
speech at 16 kHz were 1e-6 of the largest apart; of one sample 5e-5, of which the convolutions make
a steady sound that is nothing but rounding once it is normalised."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.audio.resample import Resampler, resampled_length
from stages.rvc.network.content import ContentEncoder
from stages.rvc.pitch.rmvpe import read_rmvpe
from stages.rvc.slots.listening import KEPT, Listening, ListenRows
from tests.neural.recorded_graphs import RecordedGraphs
from tests.neural.stand_in_device import DEVICE, StandInGraphs
from tests.random_rvc_features import TINY_RMVPE, build_rmvpe
from tests.rvc.conversions import CPU, Kind, content_encoder, content_model
from tests.rvc.slots.hearing import N_SLOTS, SHAPE, Slots, Window, streamed
from tests.rvc.voices import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stages.audio.format import Samples
    from stages.rvc.pitch.rmvpe import RmvpePitch

RATE = 16_000
SPEECH = (words(40_000) + 0.1 * np.sin(np.arange(40_000) / 127)).astype(np.float32)
"""With rumble of 20 Hz."""
NEVER = 1 << 40


@pytest.fixture(scope="module")
def rmvpe(tmp_path_factory: pytest.TempPathFactory) -> RmvpePitch:
    path = build_rmvpe(tmp_path_factory.mktemp("rmvpe") / "rmvpe.pt", TINY_RMVPE)
    return read_rmvpe(path, CPU, torch.float32)


def listening_for(
    kind: Kind | None = None, in_rate: int = RATE, rmvpe: RmvpePitch | None = None
) -> Listening:
    kind = kind or Kind()
    encoder = content_encoder(kind.hubert)
    return Listening(encoder, rmvpe, N_SLOTS, SHAPE, in_rate, version=kind.version)


def heard(slots: Slots, slot: int, speech: Samples, *others: int) -> list[Window]:
    """All windows of a segment; `others` are slots that go on beside it, as long as they can."""
    slots.begin(slot, speech)
    windows = []
    while slots.has_more(slot):
        beside = [other for other in others if slots.has_more(other)]
        windows.append(slots.step([*beside, slot])[slot])
    return windows


def check_alike(made: Sequence[Window], wanted: Iterable[Window], tolerance: float) -> None:
    for own, other in zip(made, wanted, strict=False):
        for a, b in zip(own, other, strict=True):
            assert a.shape == b.shape
            assert (a - b).abs().max() <= tolerance * b.abs().max()


def identical(windows: Sequence[Window], others: Sequence[Window]) -> bool:
    return len(windows) == len(others) and all(
        torch.equal(a, b)
        for own, other in zip(windows, others, strict=True)
        for a, b in zip(own, other, strict=True)
    )


@pytest.mark.parametrize(
    ("kind", "n_samples", "n_blocks"),
    [
        (Kind(), 1, 1),
        (Kind(), 5, 1),
        (Kind(), 100, 1),
        (Kind(), 3_000, 2),
        (Kind(), 17_777, 6),
        (Kind(), 40_000, 10),
        (Kind("v2"), 12_345, 5),
    ],
)
@torch.inference_mode()
def test_slots_hear_what_streams_hear(kind: Kind, n_samples: int, n_blocks: int) -> None:
    """In every block, from the first ones, which are shorter, to a last one that is mostly mirror:
    content features, pitch, part of which was found in earlier blocks, and energies."""
    windows = heard(Slots(listening_for(kind)), 1, SPEECH[:n_samples])
    assert len(windows) == n_blocks
    tolerance = 3e-6 if n_samples > 1 else 1e-4
    check_alike(windows, streamed(SPEECH[:n_samples], kind), tolerance)


@pytest.mark.parametrize("n_samples", [100, 4_000, 30_000])
@torch.inference_mode()
def test_rmvpe_hears_a_second_of_speech(rmvpe: RmvpePitch, n_samples: int) -> None:
    slots = Slots(listening_for(rmvpe=rmvpe), is_pitch_given=False)
    windows = heard(slots, 0, SPEECH[:n_samples])
    assert any((window.f0 > 0).any() for window in windows)
    check_alike(windows, streamed(SPEECH[:n_samples], Kind(), rmvpe), 1e-4)


def test_pitch_that_the_host_finds_goes_before_rmvpe(rmvpe: RmvpePitch) -> None:
    with_network = heard(Slots(listening_for(rmvpe=rmvpe)), 0, SPEECH[:6_000])
    assert identical(with_network, heard(Slots(listening_for()), 0, SPEECH[:6_000]))


def test_a_segment_is_heard_as_if_it_were_alone() -> None:
    """Bit for bit, whoever is in the other rows and wherever they are in theirs, and in another
    slot, in which there was something else."""
    alone = heard(Slots(listening_for()), 1, SPEECH[5_000:20_000])
    slots = Slots(listening_for())
    slots.begin(0, SPEECH)
    slots.begin(3, SPEECH[20_000:27_000])
    for _ in range(3):
        slots.step([0])
    slots.step([3, 0])
    heard(slots, 4, SPEECH[:9_000])
    assert identical(heard(slots, 4, SPEECH[5_000:20_000], 3, 0), alone)


@pytest.mark.parametrize("n_samples", [2, 6_000])
def test_nothing_is_left_of_who_had_the_slot(n_samples: int) -> None:
    """Not even if it was no number. What rows leave in the spare slot is nothing to others."""
    wanted = heard(Slots(listening_for()), 2, SPEECH[:n_samples])
    listening = listening_for()
    for field in fields(listening.memory):
        memory = getattr(listening.memory, field.name)
        memory.fill_(torch.nan if memory.is_floating_point() else 12_345)
    assert identical(heard(Slots(listening), 2, SPEECH[:n_samples]), wanted)


def test_rows_that_nobody_uses_are_harmless() -> None:
    """Whatever is in them, and in as many as there are."""
    listening = listening_for()
    wanted = heard(Slots(listening, size=4), 0, SPEECH[:9_000])

    def launch(rows: ListenRows) -> None:
        noise = torch.Generator().manual_seed(0)
        for name, column in rows._asdict().items():
            if name == "raw":
                column[1:] = torch.nan
            elif column.dtype is torch.int64 and name != "slot":
                column[1:] = torch.randint(-9_000, 9_000, (3,), generator=noise) * 2
        rows.n_raw[1:] = rows.n_raw[1:].clamp(0, rows.raw.shape[1])
        rows.n_new[1:] = rows.n_new[1:].clamp(0, SHAPE.computed)
        listening(rows)

    assert identical(heard(Slots(listening, size=4, launch=launch), 0, SPEECH[:9_000]), wanted)


@pytest.mark.parametrize("in_rate", [16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("n_samples", [1, 2_000, 30_001])
def test_speech_at_other_rates_is_resampled_as_by_soxr(in_rate: int, n_samples: int) -> None:
    """Whatever the blocks cut it into, to its end. Near both ends, where speech breaks off, all of
    the spectrum is loud, and the filters differ."""
    up, down = Resampler(RATE, in_rate), Resampler(in_rate, RATE)
    whole = np.concatenate([up.push(words(31_000)), up.flush()])
    speech = whole[:n_samples]
    wanted = np.concatenate([down.push(speech), down.flush()])
    slots = Slots(listening_for(in_rate=in_rate), in_rate)
    windows = heard(slots, 0, speech)
    assert all(values.isfinite().all() for window in windows for values in window)
    n_speech = int(slots.memory.n_speech[0])
    assert n_speech == len(wanted) == resampled_length(n_samples, in_rate, RATE)
    made = slots.memory.speech[0, max(0, KEPT - n_speech) :].numpy()
    off = np.abs(made - wanted[-KEPT:])
    if in_rate == RATE:
        assert not off.any()
    assert off.max(initial=0) < 0.02
    assert off[100:-100].max(initial=0) < 2e-3
    assert not slots.memory.speech[0, : max(0, KEPT - n_speech)].any()


@pytest.mark.parametrize("in_rate", [11_025, 16_000, 22_050, 48_000])
def test_no_less_speech_than_needed_makes_a_sample_final(in_rate: int) -> None:
    listening = listening_for(in_rate=in_rate)
    assert listening.needed(0) == 0
    for wanted in (1, 2, 79, 160, 5_000):
        n_raw = torch.tensor([listening.needed(wanted) - 1, listening.needed(wanted)])
        nothing = torch.zeros(2, dtype=torch.int64)
        listening(
            ListenRows(
                slot=torch.tensor([0, 1]),
                is_first=torch.tensor([True, True]),
                raw=torch.zeros(2, SHAPE.max_in(in_rate)),
                n_raw=n_raw,
                n_in=nothing,
                n_total=nothing + NEVER,
                start=nothing,
                stop=nothing + 32,
                n_new=nothing + 32,
                keep_pitch_from=nothing,
                f0_given=torch.zeros(2, SHAPE.window),
                has_f0_given=nothing == 0,
                ratio=torch.ones(2),
            )
        )
        less, enough = listening.memory.n_speech[:2].tolist()
        assert less < wanted <= enough < wanted + 3


def test_rates_can_share_their_slots() -> None:
    encoder = content_encoder()
    first = Listening(encoder, None, N_SLOTS, SHAPE, RATE, version="v1")
    second = Listening(encoder, None, N_SLOTS, SHAPE, 48_000, version="v1", memory=first.memory)
    wanted = heard(Slots(first), 0, SPEECH[:6_000])
    up = Resampler(RATE, 48_000)
    heard(Slots(second, 48_000), 0, np.concatenate([up.push(SPEECH[:9_000]), up.flush()]))
    assert identical(heard(Slots(first), 0, SPEECH[:6_000]), wanted)
    with pytest.raises(ValueError, match="too little is kept of speech at 96000 Hz"):
        Listening(encoder, None, N_SLOTS, SHAPE, 96_000, version="v1")


def test_memory_is_counted() -> None:
    memory = listening_for().memory
    assert memory.n_bytes == sum(getattr(memory, field.name).nbytes for field in fields(memory))
    assert len(memory.f0) == N_SLOTS + 1


@pytest.mark.parametrize("in_rate", [16_000, 22_050])
def test_a_graph_does_the_same(in_rate: int, rmvpe: RmvpePitch) -> None:
    """It is recorded with rows that nobody uses, and then serves segments at any position."""
    eager = Slots(listening_for(in_rate=in_rate, rmvpe=rmvpe), in_rate, is_pitch_given=False)
    wanted = heard(eager, 0, SPEECH[:17_000])
    listening, graphs = listening_for(in_rate=in_rate, rmvpe=rmvpe), RecordedGraphs()

    def listen(*rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        listening(ListenRows(*rows))
        return ()

    def launch(rows: ListenRows) -> None:
        spare = rows._replace(
            slot=torch.full_like(rows.slot, N_SLOTS), is_first=torch.ones_like(rows.is_first)
        )
        with graphs.stream(), torch.inference_mode():
            if not graphs.keys:
                graphs.run("listen", listen, *spare)
            graphs.run("listen", listen, *rows)

    recorded = Slots(listening, in_rate, launch=launch, is_pitch_given=False)
    assert identical(heard(recorded, 0, SPEECH[:17_000]), wanted)
    assert graphs.in_use


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_nothing_of_it_waits_for_the_host(dtype: torch.dtype) -> None:
    """On the device that stands in for a GPU, in batches of two sizes. rmvpe, whose recurrent layer
    takes seconds there, has a test of its own."""
    encoder = ContentEncoder(content_model(), dtype, DEVICE)
    listening = Listening(encoder, None, N_SLOTS, SHAPE, 32_000, version="v1")
    graphs = StandInGraphs(DEVICE)

    def listen(*rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        listening(ListenRows(*rows))
        return ()

    for size in (1, 4):
        slots = Slots(
            listening,
            32_000,
            size=size,
            launch=lambda rows: graphs.run(len(rows.slot), listen, *rows),
        )
        slots.begin(0, SPEECH)
        for _ in range(3):
            slots.step([0])
    assert graphs.keys == [1, 4]
    assert listening.memory.features.dtype is dtype
