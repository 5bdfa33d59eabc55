"""Nothing in the sound tells where a stream's blocks meet.

There are two kinds of border: where the decoder's frames come from another window, and where one
piece of sound ends. At both, and everywhere else, in frames of 10 ms:

- flux: how much the spectrum, as logarithms, changes from the 10 ms before to those behind;
- kinks: how far a sample within 0.5 ms is off its two neighbours' line.

At borders both were, in the mean over four recordings of 3 s, 0.83 to 1.10 times what they are
elsewhere, flux never more than 1.04; and the highest was never higher than the highest elsewhere.
Where a decoder forgets its state between blocks, flux at the ends of pieces is 3.7 times as much;
where the excitation begins anew, kinks are 1.5 times as high. The gates lie between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.rvc.network.decoder_state import DecoderState
from tests.rvc.conversions import Kind, converter, start, synthesizer
from tests.rvc.voices import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.streaming import ConversionStream

FRAME = 480
"""Samples at 48 kHz of 10 ms."""
NEAR = 24
"""Samples: 0.5 ms."""
EDGE = 2_000
"""Samples at both ends of the recording that are not looked at."""
N_SECONDS = 3
SEEDS = range(4)

FLUX_GATE = 1.15
KINK_GATE = 1.3


@dataclass(frozen=True)
class Measured:
    """Of all borders of a kind, and of all other places."""

    at_borders: NDArray[np.float64]
    elsewhere: NDArray[np.float64]

    @property
    def ratio(self) -> float:
        return float(self.at_borders.mean() / self.elsewhere.mean())

    @property
    def highest(self) -> float:
        return float(self.at_borders.max() / self.elsewhere.max())


def sound_with_borders(
    kind: Kind, block_frames: int, seed: int, after_block: Callable[[ConversionStream], None]
) -> tuple[Samples, NDArray[np.int64], NDArray[np.int64]]:
    """A recording; where another window's frames begin, and where pieces end."""
    # A pitch that does not fit into frames, so that a sine that begins anew is heard.
    stream = start(synthesizer(kind), 190.0, block_frames=block_frames, seed=seed)
    stream.push(np.roll(words(N_SECONDS * 16_000), 7_000 * seed))
    stream.end()
    pieces, windows = [], []
    while stream.is_due:
        windows.append(stream.block.push_to * FRAME)
        pieces += converter(kind.hubert).advance([stream])
        after_block(stream)
    ends = np.cumsum([len(piece) for piece in pieces])
    return np.concatenate(pieces), np.array(windows[:-1]), ends[:-1]


def flux(sound: Samples, places: NDArray[np.int64]) -> NDArray[np.float64]:
    def spectrum(start: int) -> NDArray[np.float64]:
        lines = np.fft.rfft(sound[start : start + FRAME] * np.hanning(FRAME))
        # 1e-4 is below all that is heard in these.
        logs: NDArray[np.float64] = np.log(np.abs(lines) + 1e-4)
        return logs

    changes = [spectrum(place) - spectrum(place - FRAME) for place in places]
    mean: NDArray[np.float64] = np.sqrt(np.square(changes).mean(axis=1))
    return mean


def kinks(sound: Samples, places: NDArray[np.int64]) -> NDArray[np.float64]:
    off = np.abs(np.diff(sound.astype(np.float64), n=2))
    return np.array([off[place - NEAR : place + NEAR].max() for place in places])


def measure(
    kind: Kind, block_frames: int, after_block: Callable[[ConversionStream], None] = lambda _: None
) -> dict[str, Measured]:
    """By what is measured and at which borders."""
    found: dict[str, list[Measured]] = {}
    for seed in SEEDS:
        sound, windows, ends = sound_with_borders(kind, block_frames, seed, after_block)
        for name, all_borders in (("windows", windows), ("ends", ends)):
            last = len(sound) - EDGE
            borders = all_borders[(all_borders > EDGE) & (all_borders < last)]
            # At the same place within a frame, in which a random voice is not everywhere alike.
            others = np.arange(EDGE + (borders[0] - EDGE) % FRAME, last, FRAME)
            near = np.abs(others[:, None] - np.concatenate([windows, ends])).min(axis=1) < 3 * FRAME
            others = others[~near]
            for of in (flux, kinks):
                measured = Measured(of(sound, borders), of(sound, others))
                found.setdefault(f"{of.__name__} at {name}", []).append(measured)
    return {
        name: Measured(
            np.concatenate([one.at_borders for one in all_of]),
            np.concatenate([one.elsewhere for one in all_of]),
        )
        for name, all_of in found.items()
    }


def forget_decoder(stream: ConversionStream) -> None:
    """What a decoder without state would have: nothing before the block."""
    state = stream.state.decoder
    stream.state.decoder = DecoderState(
        torch.zeros_like(state.latents),
        [torch.zeros_like(own) for own in state.before],
        [torch.zeros_like(own) for own in state.within],
        torch.zeros_like(state.source),
        torch.zeros_like(state.after),
    )


def forget_phase(stream: ConversionStream) -> None:
    stream.state.phase = torch.zeros(1, 1, dtype=torch.float64)


@pytest.mark.parametrize("block_frames", [32, 64])
@pytest.mark.parametrize("kind", [Kind(), Kind(has_pitch=False)])
def test_borders_are_like_all_other_places(kind: Kind, block_frames: int) -> None:
    for name, measured in measure(kind, block_frames).items():
        gate = FLUX_GATE if "flux" in name else KINK_GATE
        assert measured.ratio < gate, name
        assert measured.highest < gate, name


def test_a_decoder_that_forgets_is_heard() -> None:
    assert measure(Kind(), 32, forget_decoder)["flux at ends"].ratio > 2 * FLUX_GATE


def test_a_sine_that_begins_anew_is_heard() -> None:
    assert measure(Kind(), 64, forget_phase)["kinks at ends"].ratio > KINK_GATE
