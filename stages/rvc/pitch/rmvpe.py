"""``rmvpe``: pitch by a neural network, which noise and reverberation hardly disturb.

``rmvpe.pt`` is a plain state dict; the published one is in float16. The network judges 360 pitches
for each frame, 20 cents apart; around the likeliest their average is taken, each weighed by its
salience. Everything is done on the device, for any number of rows at once.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from stages.error_text import TO_GET_IT
from stages.errors import UnusableModel
from stages.install_hints import install_hints
from stages.neural.checkpoints import check_weights, load_state_dict
from stages.rvc.pitch.mel import MIN_SAMPLES, LogMel
from stages.rvc.pitch.rmvpe_network import FRAME_MULTIPLE, Rmvpe, RmvpeSize
from stages.rvc.speech import HOP

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from stages.audio.format import Samples

CENTS_APART = 20
LOWEST_CENTS = 1997.3794084376191
"""The first of the pitches, in cents over 10 Hz: 31.7 Hz."""
REACH = 4
"""Pitches on either side of the likeliest that are averaged with it."""
THRESHOLD = 0.03
"""Upstream's: where no pitch is more salient, the frame is unvoiced."""

FIRST = "unet.encoder.layers.0.conv.0.conv.0.weight"
"""A weight with as many rows as the network has channels at the top."""
COUNT = ".num_batches_tracked"
"""A normalisation's count of batches, for training only."""

MAX_SIZE = RmvpeSize()
"""The published network's; a smaller one is for tests."""


class RmvpePitch:
    """The network on its device."""

    name = "rmvpe"

    def __init__(self, network: Rmvpe, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype
        self._mel = LogMel().to(device)
        self._network = network.to(device)
        self._network.compute_in(dtype)
        for weight in self._network.parameters():
            if weight.dim() == 4:  # in float32 a CPU is twice as fast with the channels last
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self.n_bytes = sum(weight.nbytes for weight in self._network.parameters())

    def estimate(self, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        """See `PitchEstimator`."""
        row = torch.tensor(samples, device=self._device)[None]
        f0: NDArray[np.float32] = self.estimate_batch(row)[0].cpu().numpy()
        return f0

    @torch.inference_mode()
    def estimate_batch(self, samples: torch.Tensor) -> torch.Tensor:
        """Samples (b, n) at 16 kHz, float32 on the device, to Hz (b, n // 160), float32.

        The network takes whole multiples of 32 frames, of which there are n // 160 + 1: 63 * 160
        samples just fill two of them."""
        n_rows, n_samples = samples.shape
        n_frames = n_samples // HOP
        if n_samples < MIN_SAMPLES:
            return samples.new_zeros(n_rows, n_frames)
        mel = self._mel(samples)
        n_missing = -mel.shape[2] % FRAME_MULTIPLE
        mel = nn.functional.pad(mel, (0, n_missing))  # with 0, as upstream: that is a loud sound
        return decode(self._network(mel.to(self._dtype))[:, :n_frames])


def decode(salience: torch.Tensor) -> torch.Tensor:
    """Salience (..., 360) to Hz, float32."""
    salience = salience.float()
    highest, likeliest = salience.max(-1, keepdim=True)
    steps = torch.arange(-REACH, REACH + 1, device=salience.device)
    # Beyond either end nothing is salient.
    near = nn.functional.pad(salience, (REACH, REACH)).gather(-1, likeliest + REACH + steps)
    step = (near * steps).sum(-1) / near.sum(-1).clamp_min(THRESHOLD)
    cents = (likeliest[..., 0] + step) * CENTS_APART + LOWEST_CENTS
    return torch.where(highest[..., 0] > THRESHOLD, 10 * 2 ** (cents / 1200), 0.0)


def read_rmvpe(path: Path, device: torch.device, dtype: torch.dtype) -> RmvpePitch:
    """Read and check the file. Raises `UnusableModel`."""
    if not path.exists():
        raise UnusableModel(f"{path} is missing{TO_GET_IT}{install_hints().model(path.parent)}")
    weights = load_state_dict(path)
    size = _size(path, weights)
    with torch.device("meta"):  # neither memory nor time for random weights
        network = Rmvpe(size)
    shapes = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    counts = {name: torch.tensor(0) for name in shapes if name.endswith(COUNT)}
    checked = check_weights(
        path,
        "RMVPE",
        {name: weight for name, weight in weights.items() if not str(name).endswith(COUNT)},
        {name: shape for name, shape in shapes.items() if name not in counts},
    )
    for name, weight in checked.items():
        if name.endswith(".running_var") and (weight < 0).any():
            raise UnusableModel(f"{path}: {name} holds variances below 0")
    network.load_state_dict(checked | counts, assign=True)
    network.eval().requires_grad_(requires_grad=False)
    network.fuse()
    return RmvpePitch(network, device, dtype)


def _size(path: Path, weights: Mapping[Any, Any]) -> RmvpeSize:
    """Read off the names and shapes of the weights."""
    first = weights.get(FIRST)
    if not isinstance(first, torch.Tensor) or first.dim() != 4:
        raise UnusableModel(f"{path} is not RMVPE: it misses {FIRST}, a convolution")

    def highest(pattern: str) -> int:
        return max(
            (int(m[1]) for name in weights if (m := re.match(pattern, str(name)))), default=-1
        )

    size = RmvpeSize(
        n_blocks=1 + highest(r"unet\.encoder\.layers\.0\.conv\.(\d{1,3})\."),
        n_inner=1 + highest(r"unet\.intermediate\.layers\.(\d{1,3})\."),
        channels=first.shape[0],
    )
    for field in fields(size):
        value, most = getattr(size, field.name), getattr(MAX_SIZE, field.name)
        if not 0 < value <= most:
            raise UnusableModel(f"{path}: {field.name} is {value}, and RMVPE's is {most}")
    return size
