"""A voice's index on a device: `FeatureIndex` for all features of a batch at once, without a look
at any of them from the host.

A search takes the lists of the nearest centroids, the eight nearest vectors in these, and their
mean, weighed as upstream does. Where lists are short, which they are in what RVC's training makes
(39 vectors on average), their vectors are gathered; where they are long, or all are looked into,
the products with all vectors cost less, of which those of other lists are left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from stages.rvc.voices.index import N_NEIGHBOURS

if TYPE_CHECKING:
    from stages.rvc.voices.index import FeatureIndex

CHUNK_VALUES = 1 << 25
"""Values of a search's largest tensor, 128 MB: more features are searched for one part after the
other."""
GATHERS_COST = 16
"""A vector that is gathered takes as long as so many in a large product. A guess: both are bound by
memory, a gather by three passes over it, a product by one for hundreds of features."""


class DeviceIndex:
    """The vectors of an index on a device. Searching changes nothing."""

    def __init__(self, index: FeatureIndex, device: torch.device) -> None:
        self._n_probe = index.n_probe
        lengths = np.diff(index.starts)
        self._longest = int(lengths.max())
        self._vectors = torch.from_numpy(index.vectors).to(device)
        self._squares = self._vectors.square().sum(1)
        self._centroids = torch.from_numpy(index.centroids).to(device)
        self._centroid_squares = self._centroids.square().sum(1)
        self._starts = torch.from_numpy(index.starts[:-1].astype(np.int64)).to(device)
        self._lengths = torch.from_numpy(lengths.astype(np.int64)).to(device)
        list_of = np.repeat(np.arange(len(lengths)), lengths)
        self._list_of = torch.from_numpy(list_of).to(device)
        n_gathered = self._n_probe * self._longest
        self._gathers = n_gathered * GATHERS_COST <= len(index.vectors)
        widest = n_gathered * self._vectors.shape[1] if self._gathers else len(index.vectors)
        self._n_at_once = max(1, CHUNK_VALUES // widest)

    @property
    def n_bytes(self) -> int:
        """The device's memory that it takes."""
        held = (
            self._vectors,
            self._squares,
            self._centroids,
            self._centroid_squares,
            self._starts,
            self._lengths,
            self._list_of,
        )
        return sum(tensor.nbytes for tensor in held)

    def blend(self, features: torch.Tensor, rates: torch.Tensor) -> torch.Tensor:
        """Features (batch, units, width) on the device, drawn to the nearest in the index by
        `rates` (batch,) float32; the same as `FeatureIndex.blend`."""
        flat = features.float().flatten(0, 1)
        nearest = torch.cat([self._nearest(part) for part in flat.split(self._n_at_once)])
        by = rates.repeat_interleave(features.shape[1])[:, None]
        drawn = flat + by * (nearest - flat)
        return drawn.view(features.shape).to(features.dtype)

    def _nearest(self, features: torch.Tensor) -> torch.Tensor:
        """(n, width): the weighed mean of what is nearest to each feature; itself, where there is
        nothing in its lists."""
        scores, places = self._gathered(features) if self._gathers else self._all(features)
        n_found = min(N_NEIGHBOURS, scores.shape[1])
        scores, best = scores.topk(n_found, dim=1, largest=False, sorted=False)
        found = self._vectors[best if places is None else places.gather(1, best)]
        distances = (found - features[:, None]).square().sum(2)
        distances = distances.masked_fill(scores.isinf(), math.inf)
        least = distances.amin(1, keepdim=True)
        # Where nothing was found this divides infinities, and counts for nothing.
        weights = (least / distances).square()
        weights = torch.where(least == 0, (distances == 0).to(weights.dtype), weights)
        weights = weights.masked_fill(scores.isinf(), 0.0)
        mean = (weights[:, None] @ found)[:, 0] / weights.sum(1, keepdim=True)
        return torch.where(least.isinf(), features, mean)

    def _probed(self, features: torch.Tensor) -> torch.Tensor:
        """(n, n_probe): the lists of the nearest centroids."""
        distances = self._centroid_squares - 2 * (features @ self._centroids.T)
        return distances.topk(self._n_probe, dim=1, largest=False, sorted=False).indices

    def _gathered(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of all vectors in the lists, (n, n_probe * longest), which order as distances do
        and are infinite where a list has ended, and the places of these vectors."""
        lists = self._probed(features)
        steps = torch.arange(self._longest, device=features.device)
        places = (self._starts[lists][:, :, None] + steps).flatten(1)
        is_there = (steps < self._lengths[lists][:, :, None]).flatten(1)
        places = places.clamp(max=len(self._vectors) - 1)
        products = (self._vectors[places] @ features[:, :, None])[:, :, 0]
        scores = self._squares[places] - 2 * products
        return scores.masked_fill(~is_there, math.inf), places

    def _all(self, features: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The same for all vectors, (n, n_vectors), in their order."""
        scores = self._squares - 2 * (features @ self._vectors.T)
        if self._n_probe == len(self._centroids):
            return scores, None
        is_probed = torch.zeros(
            len(features), len(self._centroids), dtype=torch.bool, device=features.device
        )
        is_probed.scatter_(1, self._probed(features), True)
        return scores.masked_fill(~is_probed[:, self._list_of], math.inf), None
