"""Layers of trained networks, each made of the weights that a state dict has under its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch.nn import functional

from stages.neural.linear import FixedLinear

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stages.neural.linear import LinearThen

    Attention: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    """Queries, keys and values, each (batch, heads, n, head_dim), to the same."""


def linear(
    weights: Mapping[str, torch.Tensor], *names: str, then: LinearThen = "none"
) -> FixedLinear:
    """The linear layer of this name, or several as one that gives what all of them give, side by
    side. A convolution of one step is a linear layer, too."""
    biases = [weights[f"{name}.bias"] for name in names if f"{name}.bias" in weights]
    return FixedLinear(
        torch.cat([weights[f"{name}.weight"].flatten(1) for name in names]),
        torch.cat(biases) if biases else None,
        then=then,
    )


class LayerNorm:
    """A layer norm over the last dimension."""

    def __init__(
        self,
        weights: Mapping[str, torch.Tensor],
        name: str,
        *,
        parts: tuple[str, str] = ("weight", "bias"),
        eps: float = 1e-5,
    ) -> None:
        self._weight, self._bias = (weights[f"{name}.{part}"] for part in parts)
        self._eps = eps

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], self._weight, self._bias, self._eps)


@dataclass(frozen=True, slots=True)
class PostNormLayer:
    """A transformer layer that normalises the sum behind its attention and behind its feed-forward
    part (Vaswani et al., 2017)."""

    n_heads: int
    qkv: FixedLinear
    out: FixedLinear
    norm: LayerNorm
    widen: Callable[[torch.Tensor], torch.Tensor]
    narrow: Callable[[torch.Tensor], torch.Tensor]
    last_norm: LayerNorm

    def __call__(
        self, x: torch.Tensor, attend: Attention, is_there: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(batch, n, hidden) to the same. Rows where `is_there` (batch, n, 1) is false count as
        zeros in the feed-forward part, which may see its neighbours; `attend` has to leave them out
        itself."""
        batch, n, hidden = x.shape
        # (batch, n, 3 * hidden) to 3 of (batch, heads, n, head_dim)
        qkv = self.qkv(x).view(batch, n, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        attended = attend(qkv[0], qkv[1], qkv[2])
        x = self.norm(x + self.out(attended.transpose(1, 2).reshape(batch, n, hidden)))
        return self.last_norm(x + self.narrow(only(self.widen(only(x, is_there)), is_there)))


def only(x: torch.Tensor, is_there: torch.Tensor | None) -> torch.Tensor:
    """x, but zeros where `is_there`, of a shape that broadcasts, is false. None: everywhere x."""
    return x if is_there is None else x.masked_fill(~is_there, 0.0)
