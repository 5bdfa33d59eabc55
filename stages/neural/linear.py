"""Matrix products with fixed weights, which is where a step's time goes.

On a CPU, `torch.nn.functional.linear` lays the weights out anew for each small product. oneDNN can
keep them laid out, through the operators that torch's own compiler emits; `bench/soprano.py`
shows what that saves. They are not public, so this file is the only one that knows them, and
where they are missing it does without.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch.nn import functional

from stages.neural.accelerator import cpu_has_bfloat16

LinearThen: TypeAlias = Literal["none", "relu", "gelu"]
"""An activation of the product."""

SMALLEST_BATCH = 2
"""Rows from which on a packed product gives each row the same bits, however many there are. One row
alone takes another kernel."""


class FixedLinear:
    """``x @ weight.T + bias`` for inference: (..., n_in) to (..., n_out)."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None = None, *, then: LinearThen = "none"
    ) -> None:
        """`then` follows the product. The layer stays where its weights are."""
        self._is_packed = can_pack(weight)
        if self._is_packed:
            pack = torch.ops.mkldnn._reorder_linear_weight  # noqa: SLF001 - see the top
            weight = pack(weight, SMALLEST_BATCH)
        self._weight = weight
        self._bias = bias
        self._then = then

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._is_packed:
            multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - see the top
            out: torch.Tensor = multiply(x, self._weight, self._bias, self._then, [], "none")
            return out
        made = functional.linear(x, self._weight, self._bias)
        match self._then:
            case "relu":
                return functional.relu_(made)
            case "gelu":
                return functional.gelu(made)
            case "none":
                return made


def can_pack(weight: torch.Tensor) -> bool:
    """Whether this build of torch, on this CPU, has the operators for such weights."""
    if (
        weight.device.type != "cpu"
        or not torch.backends.mkldnn.is_available()
        or not hasattr(torch.ops.mkldnn, "_linear_pointwise")
    ):
        return False
    dtype = weight.dtype
    return dtype is torch.float32 or (dtype is torch.bfloat16 and cpu_has_bfloat16())
