"""Convolutions over time with fixed weights, where most of a conversion's time goes.

`SoundConv` is for thousands of steps of few channels. Sound is (batch, channels, 1, time) there,
channels last in memory, so that oneDNN's and cuDNN's kernels for pictures run on it as it lies. On
a CPU the weights are laid out once, and what follows a convolution is done while its result is in
the cache; `bench/rvc.py` shows what that saves. The operators for it are those that torch's own
compiler emits, and not public: this file is the only one that knows them, and where they are
missing it does without.

`FrameConv` is for some hundred frames of many channels, (batch, n, channels), as one product:
there oneDNN's convolutions are no faster, and for some lengths fifty times as slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import nn

from stages.neural.linear import FixedLinear, can_pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.neural.linear import LinearThen

SoundThen: TypeAlias = Literal["none", "leaky_relu"]
"""An activation of a convolution's result."""

LEAK = 0.1
"""The slope of every leaky ReLU in RVC's networks but the last."""

NO_PADDING = [0, 0]

PACKED_FOR = 256
"""Time steps that oneDNN is told to lay weights out for; any number can follow."""


class SoundConv:
    """A convolution for inference: (batch, n_in, 1, time) to (batch, n_out, 1, time'), without
    padding. It stays where its weights are."""

    def __init__(
        self,
        weights: Mapping[str, torch.Tensor],
        name: str,
        *,
        stride: int = 1,
        dilation: int = 1,
        then: SoundThen = "none",
    ) -> None:
        """`name` in a state dict; the weight is (n_out, n_in, kernel), and there may be a bias."""
        weight = weights[f"{name}.weight"]
        self.kernel = weight.shape[2]
        self._bias = weights.get(f"{name}.bias")
        self._stride = [1, stride]
        self._dilation = [1, dilation]
        self._then = then
        laid_out = weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        self._is_packed = can_pack(weight)
        if self._is_packed:
            laid_out = torch.ops.mkldnn._reorder_convolution_weight(  # noqa: SLF001 - see the top
                laid_out,
                NO_PADDING,
                self._stride,
                self._dilation,
                1,
                [1, weight.shape[1], 1, PACKED_FOR],
            )
        self._weight = laid_out

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if not self._is_packed:
            made = nn.functional.conv2d(
                x, self._weight, self._bias, self._stride, NO_PADDING, self._dilation
            )
            return nn.functional.leaky_relu(made, LEAK) if self._then == "leaky_relu" else made
        convolve = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001 - see the top
        out: torch.Tensor = convolve(
            x,
            self._weight,
            self._bias,
            NO_PADDING,
            self._stride,
            self._dilation,
            1,
            self._then,
            [LEAK] if self._then == "leaky_relu" else [],
            "",
        )
        return out


class FrameConv:
    """A convolution for inference: (batch, n, n_in) to (batch, n', n_out)."""

    def __init__(
        self,
        weights: Mapping[str, torch.Tensor],
        name: str,
        *,
        stride: int = 1,
        is_padded: bool = True,
        then: LinearThen = "none",
    ) -> None:
        """`name` in a state dict; the weight is (n_out, n_in, kernel), and there may be a bias.
        Padded, and with a stride of 1, it gives as many frames as it gets."""
        weight = weights[f"{name}.weight"]
        self._kernel = weight.shape[2]
        self._stride = stride
        self._padding = self._kernel // 2 if is_padded else 0
        self._linear = FixedLinear(
            weight.transpose(1, 2).flatten(1).contiguous(), weights.get(f"{name}.bias"), then=then
        )

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._padding:
            x = nn.functional.pad(x, (0, 0, self._padding, self._padding))
        windows = x.unfold(1, self._kernel, self._stride)  # (batch, n', n_in, kernel), a view
        return self._linear(windows.transpose(2, 3).flatten(2))
