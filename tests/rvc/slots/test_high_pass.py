"""The high pass in slots is scipy's. In float64 it is 1e-13 off scipy's own second-order sections,
from which the `filtfilt` that streams use, a recursion of eleven coefficients, is 2e-8 off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import signal

from stages.rvc.slots.high_pass import N_MIRRORED, HighPass, RecursiveFilter
from stages.rvc.speech import CUTOFF_HZ, HIGH_PASS, ORDER, RATE, SHORTEST
from tests.neural.stand_in_device import DEVICE, capturing
from tests.rvc.voices import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

CPU = torch.device("cpu")
N = 4_000
"""Samples in a frame."""
RUMBLE = 0.2 * np.sin(2 * np.pi * 20 * np.arange(N) / RATE) + 0.1
SOUND = (words(N) + RUMBLE).astype(np.float32)
HIGH = HighPass(N, CPU)
ENDS = [
    (0, N),
    (0, N // 2),
    (1, N),
    (N // 3, N),
    (N - 1_601, N - 1),
    (159, 2 * 160 + 1),
    *((at, at + n) for at in (0, 777, N - 40) for n in (0, 1, 18, 19, 20, 40)),
    (N, N),
]


def columns(pieces: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    begin, end = torch.tensor(pieces).T
    return begin, end


def of_scipy(piece: NDArray[np.float32]) -> NDArray[np.float64]:
    if len(piece) < SHORTEST:
        return piece.astype(np.float64)
    filtered: NDArray[np.float64] = signal.filtfilt(*HIGH_PASS, piece)
    return filtered


def test_a_filter_as_products_is_the_recursion() -> None:
    """Forwards from rest, and backwards."""
    zeros, poles, gain = signal.butter(ORDER, CUTOFF_HZ, "highpass", fs=RATE, output="zpk")
    filtering = RecursiveFilter(zeros, poles, gain, 20, CPU)
    sound = np.random.default_rng(0).normal(size=(2, filtering.n_samples))
    sections = signal.zpk2sos(zeros, poles, gain)
    wanted = signal.sosfilt(sections, sound)
    np.testing.assert_allclose(filtering(torch.from_numpy(sound)), wanted, rtol=0, atol=1e-12)
    wanted = signal.sosfilt(sections, sound[:, ::-1])[:, ::-1]
    made = filtering.backwards(torch.from_numpy(sound))
    np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-12)


def test_pieces_anywhere_are_filtered_as_scipy_filters_them() -> None:
    """All at once, and what is too short stays as it is."""
    made = HIGH(torch.from_numpy(SOUND).expand(len(ENDS), N), *columns(ENDS)).numpy()
    assert np.isfinite(made).all()
    for row, (begin, end) in zip(made, ENDS, strict=True):
        wanted = of_scipy(SOUND[begin:end])
        np.testing.assert_allclose(row[begin:end], wanted, rtol=0, atol=5e-8)
        if end - begin < SHORTEST:
            assert np.array_equal(row[begin:end], SOUND[begin:end])
    assert SHORTEST == N_MIRRORED + 1


def test_nothing_outside_a_piece_is_heard_in_it() -> None:
    """Neither what lies beside it nor who is in the other rows."""
    sounds = torch.from_numpy(SOUND).repeat(3, 1)
    begin, end = columns([(0, N), (1_000, 3_000), (5, 60)])
    made = HIGH(sounds, begin, end)[1, 1_000:3_000]
    sounds[0] = 0.3
    sounds[1, :1_000] = 1.0
    sounds[1, 3_000:] = -1.0
    again = HIGH(sounds, begin.clone(), end - torch.tensor([7, 0, 0]))[1, 1_000:3_000]
    assert torch.equal(made, again)


@pytest.mark.parametrize("size", [1, 4])
def test_a_graph_can_record_it(size: int) -> None:
    high = HighPass(N, DEVICE)
    sounds = torch.zeros(size, N, device=DEVICE)
    ends = torch.zeros(size, dtype=torch.int64, device=DEVICE)
    with capturing():
        made = high(sounds, ends, ends)
    assert made.shape == (size, N)
    assert made.dtype == torch.float32
