"""Noise belongs to a frame and a seed, and nothing in it shows that."""

from __future__ import annotations

import torch

from stages.rvc.noise import Noise
from tests.rvc.conversions import CPU

WIDTH = 192
N_FRAMES = 1_000
NOISE = Noise(0, CPU)


def test_a_frame_has_its_noise_whoever_asks_for_what_else() -> None:
    whole = NOISE.frames([5, 6], [-100, 40], N_FRAMES, WIDTH)
    assert whole.shape == (2, N_FRAMES, WIDTH)
    assert whole.dtype == torch.float32
    assert torch.equal(NOISE.frames([5], [-3], 7, WIDTH)[0], whole[0, 97:104])
    assert torch.equal(NOISE.frames([6, 5], [50, 0], 2, WIDTH)[0], whole[1, 10:12])
    assert torch.equal(Noise(0, CPU).frames([5], [-100], 1, WIDTH), whole[:1, :1])


def test_seeds_frames_and_kinds_have_their_own() -> None:
    ours = NOISE.frames([5], [0], N_FRAMES, WIDTH)[0]
    others = [
        NOISE.frames([4], [0], N_FRAMES, WIDTH)[0],
        NOISE.frames([5 + 2**63], [0], N_FRAMES, WIDTH)[0],
        NOISE.frames([-5], [0], N_FRAMES, WIDTH)[0],
        NOISE.frames([5], [N_FRAMES], N_FRAMES, WIDTH)[0],
        Noise(1, CPU).frames([5], [0], N_FRAMES, WIDTH)[0],
    ]
    for other in others:
        # Of 192,000 pairs: 0.01 is four deviations.
        assert abs(float((ours * other).mean())) < 0.01


def test_it_is_gaussian_and_neighbours_are_strangers() -> None:
    noise = NOISE.frames([1, 2, 3], [0, 0, 0], N_FRAMES, WIDTH)
    assert abs(float(noise.mean())) < 0.01
    assert abs(float(noise.std()) - 1) < 0.01
    assert abs(float((noise.abs() < 1).float().mean()) - 0.6827) < 0.01
    for shift in (1, 2, 10):
        assert abs(float((noise[:, shift:] * noise[:, :-shift]).mean())) < 0.01
        assert abs(float((noise[..., shift:] * noise[..., :-shift]).mean())) < 0.01
    # Nor do they overlap: no frame begins near where another does, but by rare chance.
    same = (noise[:, :-1, :1] == noise[:, 1:]).any(dim=2).sum()
    assert int(same) <= 2
