"""Loudness in slots is what `LoudnessMatch` makes of the same speech and sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.rvc.loudness import FRAME, LoudnessMatch
from stages.rvc.slots.loudness import SlotLoudness
from tests.rvc.conversions import CPU

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HOP = 160
N_FRAMES = 150
LEAD = 7
"""Frames before the segment."""
PUSHED = 32


@pytest.mark.parametrize("exponents", [(1.0, 0.0), (0.3, 1.0)])
@pytest.mark.parametrize("n_new", [32, 24, 5])
def test_it_is_the_loudness_match_of_each_segment(
    n_new: int, exponents: tuple[float, float]
) -> None:
    """Of two segments at different positions, one of which begins in the middle of a block, over
    more than the second that counts, and in slots where others were before."""
    random = np.random.default_rng(0)
    envelope = (np.abs(np.sin(np.arange(N_FRAMES) / 9)) + 0.01).astype(np.float32)
    wanted, sounds, energies = [], [], []
    for exponent in exponents:
        noise = random.normal(size=(N_FRAMES, HOP + FRAME)).astype(np.float32)
        speech = noise[:, :HOP] * envelope[:, None] * np.float32(0.1)
        sound = noise[:, HOP:] * envelope[::-1, None]
        match = LoudnessMatch(1 - exponent)
        match.take_speech(speech.ravel(), HOP)
        wanted.append(match.push(sound.ravel()))
        sounds.append(np.pad(sound, ((LEAD, PUSHED), (0, 0))))
        # What stands there for frames before the segment must not count.
        energy = np.square(speech).mean(axis=1)
        energies.append(np.pad(energy, (LEAD, PUSHED), constant_values=1e6))
    slots = SlotLoudness(4, CPU)
    slot, delays = torch.tensor([2, 0]), np.array([0, 3])
    slots.matched(  # somebody else, before
        slot,
        torch.ones(2, PUSHED, FRAME),
        torch.ones(2, PUSHED),
        first=torch.tensor([10, 300]),
        n_new=torch.tensor([32, 32]),
        exponent=torch.ones(2),
    )
    made: list[list[torch.Tensor]] = [[], []]
    for at in range(0, N_FRAMES + LEAD - n_new, n_new):
        places = np.maximum(at - delays * n_new, 0)  # the second comes later, and begins again
        matched = slots.matched(
            slot,
            _rows(sounds, places),
            _rows(energies, places),
            first=torch.from_numpy(places - LEAD),
            n_new=torch.full((2,), n_new),
            exponent=torch.tensor(exponents),
        )
        for pieces, row, place in zip(made, matched, places, strict=True):
            if place == 0:
                pieces.clear()
            pieces.append(row[:n_new])
    for pieces, own in zip(made, wanted, strict=True):
        sound = torch.cat(pieces).numpy()[LEAD:].ravel()
        assert len(sound) >= 25 * FRAME
        np.testing.assert_allclose(sound, own[: len(sound)], rtol=2e-6, atol=1e-7)


def _rows(segments: Sequence[NDArray[np.float32]], places: NDArray[np.int64]) -> torch.Tensor:
    """The frames of each segment from its place on."""
    cut = [own[place : place + PUSHED] for own, place in zip(segments, places, strict=True)]
    return torch.from_numpy(np.stack(cut))
