"""A voice's index: content features of its training, of which those nearest to the speech's own are
mixed into them.

The file is one that faiss wrote, ``IVF{n},Flat`` with distances L2: vectors in as many lists as
there are centroids, each in the list of its nearest one (faiss/impl/index_write.cpp). It is read
here in plain Python, and searched with numpy. faiss itself is native code that trusts what it
reads, holds everything twice where the vectors are wanted too, as here, and gains little: for the
16 features of 320 ms, 0.5 ms instead of 0.8 among 20,000 vectors.

Larger products are torch's: numpy's own threads would go on turning for a while after each, and
take a core from the networks, whose blocks then took half as long again.

All numbers are little-endian. An index is ``IwFl``, a header, the number of lists and how many of
them a search looks into (u64 each), the centroids as an index of their own, a direct map (u8 type,
u64 length) and the lists: ``ilar``, their number and the bytes of a vector (u64 each), their
lengths, and then for each list its vectors and their numbers (i64 each). A header is the width
(i32), the number of vectors (i64), 16 unused bytes, whether it is trained (u8) and the metric
(i32). ``IxF2`` is a header, a count of floats (u64) and the vectors.
"""

from __future__ import annotations

import io
import itertools
import struct
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch

from stages.error_text import one_line
from stages.errors import UnusableModel

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_INDEX_BYTES = 1_000_000_000
"""RVC's training reduces more than 200,000 vectors to 10,000: that is 620 MB."""
MAX_VALUE = 1e4
"""Content features stay under 100, and their squares must not overflow."""
N_NEIGHBOURS = 8
"""Upstream's."""
METRIC_L2 = 1
NO_MAP, ARRAY_MAP = 0, 1
"""Maps from a vector's number to its place, which are skipped."""


class FeatureIndex:
    """Vectors in lists. Searching changes nothing, so threads may share it."""

    def __init__(
        self,
        centroids: NDArray[np.float32],
        starts: NDArray[np.int64],
        vectors: NDArray[np.float32],
        n_probe: int,
    ) -> None:
        """`vectors` (n_vectors, width) are in order of their lists. `starts` (n_lists + 1,): where
        each list begins among them, and where the last ends. `n_probe`: lists that a search looks
        into, of those with the nearest `centroids` (n_lists, width)."""
        self.vectors = vectors
        # (n_vectors,): squared lengths
        self._squares: NDArray[np.float32] = np.einsum("ij,ij->i", vectors, vectors)
        self.centroids = centroids
        self._centroid_squares = np.square(centroids).sum(axis=1)
        self.starts = starts
        self.n_probe = n_probe

    @property
    def n_bytes(self) -> int:
        """The memory that it takes."""
        return self.vectors.nbytes + self._squares.nbytes + self.centroids.nbytes

    def blend(self, features: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
        """Content features, (n, width), drawn to the nearest in the index by `rate` (0: as they
        are; 1: only these).

        Upstream's formula (`Pipeline.vc`): of eight neighbours each weighs 1 / distance², where
        faiss's distance is itself squared. An exact hit, where that has no number, is all that
        counts here; a feature in whose list there is nothing stays as it is."""
        if rate == 0 or not len(features):
            return features
        nearest = np.empty_like(features)
        for row, (feature, lists) in enumerate(zip(features, self._lists(features), strict=True)):
            nearest[row] = self._mean_of_nearest(feature, lists)
        blended: NDArray[np.float32] = features + np.float32(rate) * (nearest - features)
        return blended

    def _lists(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """(n, n_probe): the lists of the nearest centroids."""
        if self.n_probe == len(self.centroids):
            return np.tile(np.arange(self.n_probe), (len(features), 1))
        products = torch.from_numpy(features) @ torch.from_numpy(self.centroids).T
        distances = self._centroid_squares - 2 * products.numpy()
        order: NDArray[np.int64] = distances.argpartition(self.n_probe - 1, axis=1)
        return order[:, : self.n_probe]

    def _mean_of_nearest(
        self, feature: NDArray[np.float32], lists: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        found = np.concatenate([self._nearest(feature, number) for number in lists])
        if not len(found):
            return feature
        distances = np.square(found - feature).sum(axis=1)
        if len(found) > N_NEIGHBOURS:
            best = distances.argpartition(N_NEIGHBOURS)[:N_NEIGHBOURS]
            found, distances = found[best], distances[best]
        least = distances.min()
        weights = (distances == 0) if least == 0 else np.square(least / distances)
        mean: NDArray[np.float32] = (weights / weights.sum()) @ found
        return mean

    def _nearest(self, feature: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        """Up to `N_NEIGHBOURS` vectors of a list."""
        here = slice(self.starts[number], self.starts[number + 1])
        vectors = self.vectors[here]
        if len(vectors) <= N_NEIGHBOURS:
            return vectors
        products: NDArray[np.float32] = np.einsum("ij,j->i", vectors, feature)
        distances = self._squares[here] - 2 * products
        return vectors[distances.argpartition(N_NEIGHBOURS)[:N_NEIGHBOURS]]


def read_index(path: Path, width: int) -> FeatureIndex:
    """Read and check an index of features this wide. Raises `UnusableModel`."""
    try:
        with path.open("rb") as file:
            return _Reader(path, file, width).index()
    except OSError as error:
        raise UnusableModel(f"{path} cannot be read: {error.strerror}") from error


class _Reader:
    """Reads a file once, from its start. Nothing is allocated before the file is known to be as
    long."""

    def __init__(self, path: Path, file: BinaryIO, width: int) -> None:
        self._path = path
        self._file = file
        self._width = width
        self._n_left = file.seek(0, io.SEEK_END)
        file.seek(0)

    def index(self) -> FeatureIndex:
        if self._n_left > MAX_INDEX_BYTES:
            raise self._refusal(f"has {self._n_left} bytes; no index has {MAX_INDEX_BYTES}")
        match kind := self._bytes(4):
            case b"IwFl":
                index = self._inverted_lists()
            case b"IxF2":
                vectors = self._flat()
                index = FeatureIndex(vectors[:1], np.array([0, len(vectors)]), vectors, n_probe=1)
            case _:
                what = one_line(repr(kind.decode("latin-1")), 10)
                raise self._refusal(
                    f"is not an index of the kind IVF,Flat, which RVC makes ({what})"
                )
        if self._n_left:
            raise self._refusal(f"has {self._n_left} bytes more than an index of its kind")
        if not len(index.vectors):
            raise self._refusal("is empty: a `trained_` index; the one to use is called `added_`")
        return index

    def _inverted_lists(self) -> FeatureIndex:
        n_vectors, n_lists, n_probe = self._header("QQ")
        if self._bytes(4) != b"IxF2":
            raise self._refusal("does not keep its centroids flat, as RVC does")
        centroids = self._flat()
        if len(centroids) != n_lists or not 1 <= n_probe <= n_lists:
            raise self._refusal(
                f"has {n_lists} lists, {len(centroids)} centroids, and looks into {n_probe}"
            )
        map_kind, n_mapped = self._numbers("<BQ")
        if (map_kind, n_mapped) not in {(NO_MAP, 0), (ARRAY_MAP, n_vectors)}:
            raise self._refusal(f"has a map of kind {map_kind} with {n_mapped} entries")
        self._bytes(8 * n_mapped)
        if self._bytes(4) != b"ilar" or self._numbers("<QQ") != (n_lists, 4 * self._width):
            raise self._refusal("does not have lists of vectors where they should be")
        lengths = self._lengths(n_lists, n_vectors)
        self._need(n_vectors * (4 * self._width + 8))
        vectors = np.empty((n_vectors, self._width), np.float32)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        for start, end in itertools.pairwise(starts.tolist()):
            self._fill(vectors[start:end])
            self._bytes(8 * (end - start))
        return FeatureIndex(centroids, starts, vectors, n_probe)

    def _flat(self) -> NDArray[np.float32]:
        n_vectors, n_values = self._header("Q")
        if n_values != n_vectors * self._width:
            raise self._refusal(f"has {n_values} values in {n_vectors} vectors of {self._width}")
        self._need(4 * n_values)
        vectors = np.empty((n_vectors, self._width), np.float32)
        self._fill(vectors)
        return vectors

    def _header(self, more: str) -> tuple[int, ...]:
        """The number of vectors, and the numbers behind the header."""
        width, n_vectors, _, _, is_trained, metric, *rest = self._numbers("<iqqqBi" + more)
        if width != self._width:
            raise self._refusal(f"holds features {width} wide; the voice's are {self._width} wide")
        if metric != METRIC_L2:
            raise self._refusal(f"measures by metric {metric}, not by distance (L2), as RVC does")
        if is_trained != 1 or not 0 <= n_vectors <= MAX_INDEX_BYTES:
            raise self._refusal(f"says that it has {n_vectors} vectors, and trained: {is_trained}")
        return n_vectors, *rest

    def _lengths(self, n_lists: int, n_vectors: int) -> NDArray[np.int64]:
        kind, (count,) = self._bytes(4), self._numbers("<Q")
        if (kind, count) != (b"full", n_lists) and (
            kind != b"sprs" or count % 2 or count > 2 * n_lists
        ):
            raise self._refusal(f"has the lengths of {count} lists, of {n_lists}")
        lengths = np.frombuffer(self._bytes(8 * count), "<u8")
        if kind == b"sprs":  # pairs: which list is not empty, and how long it is
            numbers, filled = lengths.reshape(-1, 2).T
            if (numbers >= n_lists).any():
                raise self._refusal(f"fills a list beyond its {n_lists}")
            lengths = np.zeros(n_lists, "<u8")
            lengths[numbers] = filled
        # Each one first, so that the sum cannot overflow.
        if (lengths > n_vectors).any() or lengths.sum() != n_vectors:
            raise self._refusal(f"does not have in its lists the {n_vectors} vectors it speaks of")
        return lengths.astype(np.int64)

    def _fill(self, vectors: NDArray[np.float32]) -> None:
        values = np.frombuffer(self._bytes(vectors.nbytes), "<f4")
        # Not the other way round: what is no number is not larger either.
        if not np.abs(values).max(initial=0) <= MAX_VALUE:
            raise self._refusal("holds values that no content feature has")
        vectors[:] = values.reshape(vectors.shape)

    def _numbers(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self._bytes(struct.calcsize(layout)))

    def _bytes(self, count: int) -> bytes:
        self._need(count)
        self._n_left -= count
        data = self._file.read(count)
        if len(data) != count:  # it has been cut while we read
            raise self._refusal("is cut short")
        return data

    def _need(self, count: int) -> None:
        if count > self._n_left:
            raise self._refusal("is cut short")

    def _refusal(self, what: str) -> UnusableModel:
        return UnusableModel(f"{self._path} {what}")
