"""The decoder as a stream: the same as a window that slides, and as the whole at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from soprano.vocos.decoder import SopranoDecoder

from stages.neural.graphs import Graphs
from stages.tts.soprano.decoder import (
    FLUSH_UNITS,
    Piece,
    StreamingDecoder,
    StreamingDecoderState,
    n_final_samples,
    n_samples_of,
    sounds_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stages.audio.format import Samples

LEFT_STATES = 6
"""That a window needs before the first state whose sound is wanted."""

CPU = torch.device("cpu")
N_SLOTS = 4


class Decoders:
    """The package's and ours, with the same weights."""

    def __init__(self, folder: Path) -> None:
        weights = torch.load(folder / "decoder.pth", weights_only=True)
        for name in [name for name in weights if name.endswith("gamma")]:
            weights[name] *= 8  # so that even the farthest frame that counts can be heard
        self.whole = SopranoDecoder()
        self.whole.load_state_dict(weights)
        self.stream = StreamingDecoder(weights)

    def offline(self, states: torch.Tensor) -> Samples:
        """The package's, of the whole: (n, 512) to samples."""
        with torch.no_grad():
            sound: Samples = self.whole(states.T[None])[0].numpy()
        return sound

    def windowed(self, states: torch.Tensor, pieces: list[Piece]) -> Iterator[Samples]:
        """The package's, piece by piece, each with what comes before it decoded again."""
        for piece in pieces:
            start = max(0, piece.begin - LEFT_STATES)
            sound = self.offline(states[start : piece.end])
            begin, end = piece.sound
            yield sound[begin - 2048 * start : end - 2048 * start]

    def streamed(
        self,
        states: torch.Tensor,
        pieces: list[Piece],
        kept: StreamingDecoderState | None = None,
    ) -> Iterator[Samples]:
        """Ours, piece by piece, each state once."""
        kept = kept or self.stream.start(N_SLOTS)
        all_states = torch.zeros(N_SLOTS, len(states), 512)
        all_states[pieces[0].slot] = states
        for piece in pieces:
            n_units = piece.end - piece.begin + FLUSH_UNITS * piece.is_last
            with torch.inference_mode():
                made = self.stream.decode(Graphs(CPU), kept, all_states, [piece], n_units=n_units)
            yield from sounds_of([piece], made)


@pytest.fixture(scope="module")
def decoders(tiny_model: Path) -> Decoders:
    return Decoders(tiny_model)


def cut(n_states: int, first: int, later: int, slot: int = 1) -> list[Piece]:
    """Pieces of these sizes, up to one that is last and may be empty."""
    ends = list(range(first, n_states + 1, later))
    begins = [0, *ends]
    return [
        *(Piece(slot, b, e, is_last=False) for b, e in zip(begins, ends, strict=False)),
        Piece(slot, begins[-1], n_states, is_last=True),
    ]


def random_states(n: int) -> torch.Tensor:
    return torch.randn(n, 512, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize("n_states", [2, 3, 4, 5, 9, 23, 24])
@pytest.mark.parametrize("chunk", [1, 3, 5, 16])
def test_streamed_and_windowed_sound_is_that_of_the_whole(
    decoders: Decoders, n_states: int, chunk: int
) -> None:
    states = random_states(n_states)
    pieces = cut(n_states, 4, chunk)
    wanted = decoders.offline(states)
    windowed = np.concatenate(list(decoders.windowed(states, pieces)))
    streamed = np.concatenate(list(decoders.streamed(states, pieces)))
    np.testing.assert_allclose(windowed, wanted, atol=2e-6)
    np.testing.assert_allclose(streamed, windowed, atol=2e-6)
    assert len(wanted) == n_samples_of(n_states)


def test_the_first_sound_needs_four_states() -> None:
    assert [n_final_samples(n) for n in range(6)] == [0, 0, 0, 0, 1536, 3584]


def test_what_is_final_stays_whatever_follows(decoders: Decoders) -> None:
    states = random_states(12)
    other = torch.cat((states[:7], random_states(5)))
    n_final = n_final_samples(7)
    first, second = decoders.offline(states), decoders.offline(other)
    np.testing.assert_allclose(first[:n_final], second[:n_final], atol=2e-6)
    after = slice(n_final, n_final + 1024)
    assert np.abs(first[after] - second[after]).max() > 1e-5


def test_sentences_decoded_together_do_not_hear_each_other(decoders: Decoders) -> None:
    """Bit for bit, in whatever slot and beside whomever."""
    states = random_states(11)
    (alone,) = [np.concatenate(list(decoders.streamed(states, cut(11, 4, 3))))]
    all_states = torch.randn(N_SLOTS, 11, 512)
    all_states[2] = states
    kept = decoders.stream.start(N_SLOTS)
    kept.frames[:] = torch.randn(kept.frames.shape)
    kept.sound[:] = torch.randn(kept.sound.shape)
    kept.reset(2)
    together = []
    for piece in cut(11, 4, 3, slot=2):
        others = [Piece(slot, piece.begin, piece.end, piece.is_last) for slot in (0, 3)]
        n_units = piece.end - piece.begin + FLUSH_UNITS * piece.is_last
        pieces = [others[0], piece, others[1]]
        with torch.inference_mode():
            made = decoders.stream.decode(Graphs(CPU), kept, all_states, pieces, n_units=n_units)
        together.append(sounds_of(pieces, made)[1])
    np.testing.assert_array_equal(np.concatenate(together), alone)


def test_a_used_slot_starts_afresh(decoders: Decoders) -> None:
    kept = decoders.stream.start(N_SLOTS)
    states = random_states(9)
    pieces = cut(9, 4, 3)
    once = list(decoders.streamed(states, pieces, kept))
    kept.frames[1] = torch.nan
    kept.sound[1] = torch.nan
    kept.reset(1)
    again = list(decoders.streamed(states, pieces, kept))
    np.testing.assert_array_equal(np.concatenate(once), np.concatenate(again))


@pytest.mark.parametrize(
    ("piece", "n_units"),
    [(Piece(0, 0, 4, is_last=False), 5), (Piece(0, 0, 4, is_last=True), 5)],
)
def test_a_piece_that_does_not_fit_is_refused(
    decoders: Decoders, piece: Piece, n_units: int
) -> None:
    states, kept = torch.zeros(N_SLOTS, 8, 512), decoders.stream.start(N_SLOTS)
    with pytest.raises(ValueError, match="does not fit 5 units"):
        decoders.stream.decode(Graphs(CPU), kept, states, [piece], n_units=n_units)
