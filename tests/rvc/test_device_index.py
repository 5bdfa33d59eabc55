"""A search on the device finds what the one on the host finds, however lists are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.rvc.voices import device_index as index_module
from stages.rvc.voices.device_index import DeviceIndex
from stages.rvc.voices.index import FeatureIndex, read_index
from tests.neural.stand_in_device import DEVICE
from tests.random_rvc import build_index, features

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CPU = torch.device("cpu")
WIDTH = 16


def filled(lengths: list[int], n_probe: int) -> FeatureIndex:
    """An index with so many vectors in its lists, each around its own centroid."""
    centroids = features(len(lengths), WIDTH, seed=1)
    list_of = np.repeat(np.arange(len(lengths)), lengths)
    vectors = centroids[list_of] + 0.3 * features(len(list_of), WIDTH, seed=2)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return FeatureIndex(centroids, starts, vectors.astype(np.float32), n_probe)


def blended(
    index: FeatureIndex, spoken: NDArray[np.float32], rates: list[float]
) -> NDArray[np.float32]:
    on_device = DeviceIndex(index, CPU)
    made: NDArray[np.float32] = on_device.blend(
        torch.from_numpy(spoken), torch.tensor(rates)
    ).numpy()
    return made


@pytest.mark.parametrize(
    ("lengths", "n_probe"),
    [
        ([30] * 40, 1),  # short lists, of which one is gathered
        ([30] * 40, 3),
        ([3] * 60, 1),  # fewer in a list than are looked for
        ([0, 5, 0, 400, 7], 1),  # empty lists, and one that all are in
        ([0, 5, 0, 400, 7], 2),
        ([20, 30, 40], 3),  # all are looked into
        ([5], 1),
    ],
)
def test_it_draws_features_to_what_the_host_finds(lengths: list[int], n_probe: int) -> None:
    """Each row by its own rate, in as many parts as there is room for."""
    index = filled(lengths, n_probe)
    spoken = features(3 * 20, WIDTH, seed=3).reshape(3, 20, WIDTH)
    rates = [0.3, 1.0, 0.75]
    expected = [index.blend(row, rate) for row, rate in zip(spoken, rates, strict=True)]
    np.testing.assert_allclose(blended(index, spoken, rates), expected, rtol=1e-5, atol=1e-5)


def test_it_is_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    index = filled([30] * 40, 1)
    spoken = features(20, WIDTH, seed=3)[None]
    whole = blended(index, spoken, [1.0])
    monkeypatch.setattr(index_module, "CHUNK_VALUES", 7 * 30 * WIDTH)
    np.testing.assert_allclose(blended(index, spoken, [1.0]), whole, rtol=1e-6, atol=1e-6)


def test_an_exact_hit_is_all_that_counts() -> None:
    """Where upstream's formula has no number."""
    index = filled([30] * 40, 1)
    hit = index.vectors[65:66][None]
    np.testing.assert_array_equal(blended(index, hit, [1.0]), hit)


def test_a_feature_in_whose_lists_there_is_nothing_stays() -> None:
    index = filled([0, 400], 1)
    spoken = index.centroids[:1][None]
    np.testing.assert_array_equal(blended(index, spoken, [1.0]), spoken)


def test_it_waits_for_nothing_on_a_device(tmp_path: Path) -> None:
    """`meta` tensors raise where somebody looks into them."""
    index = DeviceIndex(read_index(build_index(tmp_path / "a.index", WIDTH, 400), WIDTH), DEVICE)
    spoken = torch.empty(2, 64, WIDTH, dtype=torch.bfloat16, device=DEVICE)
    made = index.blend(spoken, torch.empty(2, device=DEVICE))
    assert (made.shape, made.dtype, made.device) == (spoken.shape, spoken.dtype, DEVICE)
    assert index.n_bytes > 400 * WIDTH * 4
