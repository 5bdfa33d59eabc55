"""An index is read as faiss reads it and mixed as upstream mixes it; another file is refused."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stages.errors import UnusableModel
from stages.rvc.voices import index as index_module
from stages.rvc.voices.index import N_NEIGHBOURS, read_index
from tests.random_rvc import (
    build_index,
    build_quick_index,
    build_trained_index,
    features,
    import_faiss,
    n_lists,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WIDTH = 16
N_VECTORS = 400

# Where things are in an index of IVF,Flat.
KIND, WIDTH_AT, COUNT, TRAINED, METRIC, LISTS, PROBE = 0, 4, 8, 32, 33, 37, 45
CENTROID_KIND, CENTROID_WIDTH, CENTROID_COUNT, CENTROID_VALUES, CENTROIDS = 53, 57, 61, 90, 98
MAP = CENTROIDS + 4 * WIDTH * n_lists(N_VECTORS)
MAP_LENGTH, LISTS_KIND, LISTS_AGAIN, VECTOR_BYTES, LENGTHS_KIND, N_LENGTHS, LENGTHS = (
    MAP + offset for offset in (1, 9, 13, 21, 29, 33, 41)
)
VECTORS = LENGTHS + 8 * n_lists(N_VECTORS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return build_index(tmp_path / "added_test.index", WIDTH, N_VECTORS)


def upstream_blend(
    index: Any,  # noqa: ANN401 - faiss has no types
    spoken: NDArray[np.float32],
    rate: float,
) -> NDArray[np.float32]:
    """The formula of rvc_python's `Pipeline.vc`, on faiss itself."""
    vectors = index.reconstruct_n(0, index.ntotal)
    distances, numbers = index.search(spoken, k=N_NEIGHBOURS)
    weights = np.square(1 / distances)
    weights /= weights.sum(axis=1, keepdims=True)
    found = np.sum(vectors[numbers] * weights[:, :, None], axis=1)
    blended: NDArray[np.float32] = found * rate + (1 - rate) * spoken
    return blended


def complaint(path: Path, width: int = WIDTH) -> str:
    with pytest.raises(UnusableModel) as refusal:
        read_index(path, width)
    said = str(refusal.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said


def poke(path: Path, offset: int, data: bytes) -> None:
    old = path.read_bytes()
    path.write_bytes(old[:offset] + data + old[offset + len(data) :])


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


@pytest.mark.parametrize("rate", [0.3, 1.0])
@pytest.mark.parametrize("n_probe", [1, 3, n_lists(N_VECTORS)])
def test_blending_is_upstreams(path: Path, n_probe: int, rate: float) -> None:
    poke(path, PROBE, u64(n_probe))
    spoken = features(50, WIDTH, seed=7)
    expected = upstream_blend(import_faiss().read_index(str(path)), spoken, rate)
    blended = read_index(path, WIDTH).blend(spoken, rate)
    assert blended.dtype == np.float32
    np.testing.assert_allclose(blended, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(blended - spoken).max() > 0.05


def test_an_index_of_full_size_blends_as_upstreams(tmp_path: Path) -> None:
    path = build_index(tmp_path / "a.index", 768, n_vectors=4000)
    spoken = features(16, 768, seed=7)
    expected = upstream_blend(import_faiss().read_index(str(path)), spoken, 0.75)
    index = read_index(path, 768)
    np.testing.assert_allclose(index.blend(spoken, 0.75), expected, rtol=1e-4, atol=1e-5)
    assert 4000 * 768 * 4 < index.n_bytes < 1.1 * path.stat().st_size


def test_a_flat_index_is_read_too(tmp_path: Path) -> None:
    faiss = import_faiss()
    flat = faiss.IndexFlatL2(WIDTH)
    flat.add(features(N_VECTORS, WIDTH, seed=1))
    path = tmp_path / "flat.index"
    faiss.write_index(flat, str(path))
    spoken = features(20, WIDTH, seed=7)
    blended = read_index(path, WIDTH).blend(spoken, 0.5)
    np.testing.assert_allclose(blended, upstream_blend(flat, spoken, 0.5), rtol=1e-4, atol=1e-5)


def test_an_index_that_was_searched_by_number_is_read_too(path: Path) -> None:
    """faiss then keeps a map with it."""
    faiss = import_faiss()
    index = faiss.read_index(str(path))
    index.make_direct_map()
    expected = read_index(path, WIDTH)
    faiss.write_index(index, str(path))
    assert np.array_equal(read_index(path, WIDTH).vectors, expected.vectors)


def test_an_index_with_mostly_empty_lists_is_read_too(path: Path) -> None:
    """faiss then writes the lengths of the others only."""
    faiss = import_faiss()
    index = faiss.read_index(str(path))
    index.reset()
    vectors = features(3, WIDTH, seed=1)
    index.add(vectors)
    faiss.write_index(index, str(path))
    assert b"sprs" in path.read_bytes()
    found = read_index(path, WIDTH)
    assert {row.tobytes() for row in found.vectors} == {row.tobytes() for row in vectors}
    # Few are found, and for most of what is spoken nothing; upstream makes no number of that.
    spoken = features(50, WIDTH, seed=7)
    with np.errstate(invalid="ignore"):
        expected = upstream_blend(index, spoken, 0.5)
    expected = np.where(np.isnan(expected), spoken, expected)
    np.testing.assert_allclose(found.blend(spoken, 0.5), expected, rtol=1e-4, atol=1e-5)


def test_an_exact_hit_is_all_that_counts(path: Path) -> None:
    """Upstream divides by its distance, which is zero."""
    index = read_index(path, WIDTH)
    spoken = np.concatenate([index.vectors[:5], features(2, WIDTH, seed=7)])
    blended = index.blend(spoken, 1.0)
    np.testing.assert_allclose(blended[:5], spoken[:5], rtol=1e-6)
    assert np.isfinite(blended).all()


def test_a_rate_of_zero_changes_nothing(path: Path) -> None:
    spoken = features(5, WIDTH, seed=7)
    assert np.array_equal(read_index(path, WIDTH).blend(spoken, 0.0), spoken)


def test_nothing_blends_to_nothing(path: Path) -> None:
    nothing = np.empty((0, WIDTH), np.float32)
    assert read_index(path, WIDTH).blend(nothing, 0.5).shape == (0, WIDTH)


def test_what_is_blended_does_not_depend_on_what_else_is(path: Path) -> None:
    index = read_index(path, WIDTH)
    spoken = features(40, WIDTH, seed=7)
    whole = index.blend(spoken, 0.75)
    alone = np.concatenate([index.blend(spoken[row : row + 1], 0.75) for row in range(40)])
    np.testing.assert_allclose(alone, whole, rtol=1e-6, atol=1e-7)


def test_the_index_that_training_leaves_beside_it_is_refused(tmp_path: Path) -> None:
    path = build_trained_index(tmp_path / "trained_test.index", WIDTH, N_VECTORS)
    assert "is empty: a `trained_` index; the one to use is called `added_`" in complaint(path)


def test_an_index_for_the_other_version_is_refused(path: Path) -> None:
    assert "holds features 16 wide; the voice's are 768 wide" in complaint(path, 768)


@pytest.mark.parametrize("kind", ["Flat", "IVF4,PQ4x4", "IVF4,SQ8", "HNSW8"])
def test_other_kinds_are_refused(tmp_path: Path, kind: str) -> None:
    faiss = import_faiss()
    index = faiss.index_factory(WIDTH, kind, faiss.METRIC_INNER_PRODUCT)
    vectors = features(N_VECTORS, WIDTH, seed=1)
    index.train(vectors)
    index.add(vectors)
    path = tmp_path / "other.index"
    faiss.write_index(index, str(path))
    assert "is not an index of the kind IVF,Flat, which RVC makes" in complaint(path)


@pytest.mark.parametrize("keep", [0, 3, 20, CENTROIDS + 5, LENGTHS + 5, VECTORS + 5, -1])
def test_a_truncated_index_is_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    assert "is cut short" in complaint(path)


def test_a_longer_file_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")
    assert "has 4 bytes more than an index of its kind" in complaint(path)


def test_garbage_is_refused(path: Path) -> None:
    path.write_bytes(b"\x80\x04garbage" * 100)
    assert "is not an index of the kind IVF,Flat" in complaint(path)


HUGE = u64(2**61)


@pytest.mark.parametrize(
    ("offset", "data", "said"),
    [
        (WIDTH_AT, b"\0\0\0\0", "holds features 0 wide"),
        (COUNT, u64(401), "does not have in its lists the 401 vectors it speaks of"),
        (COUNT, HUGE, "says that it has 2305843009213693952 vectors"),
        (COUNT, b"\xff" * 8, "says that it has -1 vectors"),
        (TRAINED, b"\0", "says that it has 400 vectors, and trained: 0"),
        (METRIC, b"\0", "measures by metric 0, not by distance (L2)"),
        (METRIC, b"\x02", "measures by metric 2"),
        (LISTS, HUGE, "has 2305843009213693952 lists, 10 centroids, and looks into 1"),
        (LISTS, u64(0), "has 0 lists, 10 centroids"),
        (PROBE, u64(0), "has 10 lists, 10 centroids, and looks into 0"),
        (PROBE, u64(11), "has 10 lists, 10 centroids, and looks into 11"),
        (PROBE, HUGE, "and looks into 2305843009213693952"),
        (CENTROID_KIND, b"IHNf", "does not keep its centroids flat"),
        (CENTROID_WIDTH, b"\x11", "holds features 17 wide; the voice's are 16 wide"),
        (CENTROID_COUNT, u64(9), "has 160 values in 9 vectors of 16"),
        (CENTROID_COUNT, HUGE, "says that it has 2305843009213693952 vectors"),
        (CENTROID_VALUES, HUGE, "has 2305843009213693952 values in 10 vectors of 16"),
        (MAP, b"\x02", "has a map of kind 2 with 0 entries"),
        (MAP, b"\x01", "has a map of kind 1 with 0 entries"),
        (MAP_LENGTH, HUGE, "has a map of kind 0 with 2305843009213693952 entries"),
        (LISTS_KIND, b"ilod", "does not have lists of vectors where they should be"),
        (LISTS_AGAIN, HUGE, "does not have lists of vectors where they should be"),
        (VECTOR_BYTES, HUGE, "does not have lists of vectors where they should be"),
        (LENGTHS_KIND, b"none", "has the lengths of 10 lists, of 10"),
        (N_LENGTHS, HUGE, "has the lengths of 2305843009213693952 lists, of 10"),
        (LENGTHS_KIND, b"sprs", "fills a list beyond its 10"),
        (LENGTHS, HUGE, "does not have in its lists the 400 vectors"),
        (LENGTHS, b"\xff" * 16, "does not have in its lists the 400 vectors"),
        (CENTROIDS, struct.pack("<f", np.nan), "holds values that no content feature has"),
        (VECTORS, struct.pack("<f", np.inf), "holds values that no content feature has"),
        (VECTORS, struct.pack("<f", -2e4), "holds values that no content feature has"),
    ],
)
def test_hostile_numbers_are_refused(path: Path, offset: int, data: bytes, said: str) -> None:
    poke(path, offset, data)
    assert said in complaint(path)


def test_lists_and_counts_that_agree_on_too_much_are_refused(path: Path) -> None:
    """All numbers fit each other, and not the file."""
    first = struct.unpack_from("<Q", path.read_bytes(), LENGTHS)[0]
    poke(path, COUNT, u64(N_VECTORS + 1000))
    poke(path, LENGTHS, u64(first + 1000))
    assert "is cut short" in complaint(path)


def test_too_large_an_index_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = path.stat().st_size
    monkeypatch.setattr(index_module, "MAX_INDEX_BYTES", size - 1)
    assert f"has {size} bytes; no index has {size - 1}" in complaint(path)


def test_a_missing_index_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory" in complaint(tmp_path / "no.index")


def test_an_index_that_is_written_without_faiss_is_one_of_its(tmp_path: Path) -> None:
    """The benches of a GPU build one on a machine that has no faiss."""
    path = build_quick_index(tmp_path / "quick.index", WIDTH, N_VECTORS)
    spoken = features(20, WIDTH, seed=7)
    theirs = import_faiss().read_index(str(path))
    assert theirs.ntotal == N_VECTORS
    expected = upstream_blend(theirs, spoken, 1.0)
    np.testing.assert_allclose(read_index(path, WIDTH).blend(spoken, 1.0), expected, atol=1e-4)
