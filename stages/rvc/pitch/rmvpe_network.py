"""RMVPE's network (Wei et al., 2023): a U-net over a spectrogram, then a recurrent layer.

rvc-python has it too, in a module that imports librosa: 1.1 s and 200 MB at each start, and 12 s
at the first, for a table of triangles. Hence this one; a test holds the two equal. The weights have
the same names here as there, which are the names in the published file.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stages.rvc.pitch.mel import N_BANDS

N_LEVELS = 5
"""Levels of the U-net; each halves both axes."""
FRAME_MULTIPLE = 2**N_LEVELS
"""The number of frames must be a multiple of this."""
N_SALIENCES = 360
"""Pitches that a frame is judged for, 20 cents apart."""
N_FOLDED = 3
"""Channels that the U-net ends in."""
GRU_SIZE = 256
"""The recurrent layer's width in each direction."""


@dataclass(frozen=True, slots=True)
class RmvpeSize:
    """The dimensions of the network: those of the published one, and smaller ones for tests."""

    n_blocks: int = 4
    """Blocks in each level."""
    n_inner: int = 4
    """Levels at the bottom."""
    channels: int = 16
    """Channels at the top; each level below has twice as many."""


class Rmvpe(nn.Module):
    """The whole network, from spectrogram to salience."""

    def __init__(self, size: RmvpeSize) -> None:
        super().__init__()
        self.unet = _UNet(size)
        self.cnn = nn.Conv2d(size.channels, N_FOLDED, 3, padding=1)
        recurrent = _BiGru(N_FOLDED * N_BANDS, GRU_SIZE)
        self.fc = nn.Sequential(recurrent, nn.Linear(2 * GRU_SIZE, N_SALIENCES))

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """(b, 128, frames), a multiple of 32 of them, to (b, frames, 360) in (0, 1)."""
        folded = self.cnn(self.unet(mel.transpose(1, 2).unsqueeze(1)))  # (b, 3, frames, 128)
        salience: torch.Tensor = self.fc(folded.transpose(1, 2).flatten(2))
        return salience.sigmoid()

    def compute_in(self, dtype: torch.dtype) -> None:
        """Convert all but the recurrent layer, a small part of the work: torch lays its weights out
        for cuDNN in float32 only; in bfloat16 they would be laid out for each call."""
        for part in (self.unet, self.cnn, self.fc[1]):
            part.to(dtype)

    def fuse(self) -> None:
        """Fold each normalisation into the convolution before it, for good; in eval mode."""
        for module in self.modules():
            if isinstance(module, nn.Sequential):
                _fuse(module)


class _UNet(nn.Module):
    def __init__(self, size: RmvpeSize) -> None:
        super().__init__()
        self.encoder = _UNetEncoder(size)
        widest = size.channels * 2 ** (N_LEVELS - 1)
        more = (_level(2 * widest, 2 * widest, size.n_blocks) for _ in range(size.n_inner - 1))
        self.intermediate = _under("layers", _level(widest, 2 * widest, size.n_blocks), *more)
        self.decoder = _UNetDecoder(2 * widest, size)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        below, sides = self.encoder(image)
        out: torch.Tensor = self.decoder(self.intermediate(below), sides)
        return out


class _UNetEncoder(nn.Module):
    def __init__(self, size: RmvpeSize) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(1)
        widths = [1, *(size.channels * 2**level for level in range(N_LEVELS))]
        self.layers = nn.ModuleList(
            _level(narrow, wide, size.n_blocks) for narrow, wide in pairwise(widths)
        )

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The output of the bottom, and what each level hands across, from the top."""
        image = self.bn(image)
        sides = []
        for level in self.layers:
            side = level(image)
            sides.append(side)
            image = nn.functional.avg_pool2d(side, 2)
        return image, sides


class _UNetDecoder(nn.Module):
    def __init__(self, widest: int, size: RmvpeSize) -> None:
        super().__init__()
        widths = [widest // 2**level for level in range(N_LEVELS + 1)]
        self.layers = nn.ModuleList(
            _Rise(wide, narrow, size.n_blocks) for wide, narrow in pairwise(widths)
        )

    def forward(self, image: torch.Tensor, sides: list[torch.Tensor]) -> torch.Tensor:
        for rise, side in zip(self.layers, reversed(sides), strict=True):
            image = rise(image, side)
        return image


def _level(n_in: int, n_out: int, n_blocks: int) -> nn.Sequential:
    """Some blocks at one resolution."""
    more = (_ConvBlock(n_out, n_out) for _ in range(n_blocks - 1))
    return _under("conv", _ConvBlock(n_in, n_out), *more)


def _under(name: str, *layers: nn.Module) -> nn.Sequential:
    """The layers one after the other, under the name that they have in the file."""
    return nn.Sequential(OrderedDict({name: nn.Sequential(*layers)}))


class _Rise(nn.Module):
    """An upsampling to twice the resolution, joined with what its level handed across."""

    def __init__(self, n_in: int, n_out: int, n_blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.ConvTranspose2d(n_in, n_out, 3, 2, padding=1, output_padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
        )
        more = (_ConvBlock(n_out, n_out) for _ in range(n_blocks - 1))
        self.conv2 = nn.Sequential(_ConvBlock(2 * n_out, n_out), *more)

    def forward(self, image: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv2(torch.cat((self.conv1(image), side), dim=1))
        return out


class _ConvBlock(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
        )
        if n_in != n_out:
            self.shortcut = nn.Conv2d(n_in, n_out, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        past = self.shortcut(image) if hasattr(self, "shortcut") else image
        out: torch.Tensor = self.conv(image) + past
        return out


class _BiGru(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.gru = nn.GRU(n_in, n_out, batch_first=True, bidirectional=True)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.gru(frames.float())[0]
        return out.to(frames.dtype)


def _fuse(layers: nn.Sequential) -> None:
    for number, norm in enumerate(layers):
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        before = layers[number - 1]
        if isinstance(before, nn.ConvTranspose2d):
            layers[number - 1] = fuse_conv_bn_eval(before, norm, transpose=True)
        elif isinstance(before, nn.Conv2d):
            layers[number - 1] = fuse_conv_bn_eval(before, norm)
        layers[number] = nn.Identity()
