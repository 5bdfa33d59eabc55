"""Matrix products with fixed weights, which is where a step's time goes.

On a CPU, `torch.nn.functional.linear` lays the weights out anew for each small product. oneDNN can
keep them laid out, through the operators that torch's own compiler emits; `bench/soprano.py`
shows what that saves. They are not public, so this file is the only one that knows them, and
where they are missing it does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import nn

from stages.neural.accelerator import cpu_has_bfloat16

Then: TypeAlias = Literal["none", "relu", "gelu"]
"""What is done to a product."""

SMALLEST_BATCH = 2
"""Rows from which on a packed product gives each row the same bits, however many there are.
One row alone takes another kernel."""


class FixedLinear(nn.Module):
    """``x @ weight.T + bias`` for inference: (..., n_in) to (..., n_out)."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    _packed: torch.Tensor | None

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        *,
        then: Then = "none",
    ) -> None:
        """`then` is done to the product."""
        super().__init__()
        self._then = then
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.register_buffer("_packed", None, persistent=False)

    def pack(self) -> None:
        """Lay the weights out for good, if they are where that can be done. The plain ones are
        then let go of: what a step reads is what the model occupies."""
        if self.weight.device.type == "cpu" and can_pack(self.weight.dtype):
            pack = torch.ops.mkldnn._reorder_linear_weight  # noqa: SLF001 - see the top
            self._packed = pack(self.weight, SMALLEST_BATCH)
            self.weight = torch.empty(0, dtype=self.weight.dtype)

    if TYPE_CHECKING:

        def __call__(self, x: torch.Tensor) -> torch.Tensor: ...

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._packed is None:
            return _done_to(nn.functional.linear(x, self.weight, self.bias), self._then)
        multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - see the top
        out: torch.Tensor = multiply(x, self._packed, self.bias, self._then, [], "none")
        return out


def _done_to(made: torch.Tensor, then: Then) -> torch.Tensor:
    match then:
        case "relu":
            return nn.functional.relu_(made)
        case "gelu":
            return nn.functional.gelu(made)
        case "none":
            return made


def packed(
    weight: torch.Tensor, bias: torch.Tensor | None = None, *, then: Then = "none"
) -> FixedLinear:
    """A `FixedLinear` of weights that are where they will stay."""
    linear = FixedLinear(weight, bias, then=then)
    linear.pack()
    return linear


def pack_all(module: nn.Module) -> None:
    """Pack every `FixedLinear` in a module."""
    for part in module.modules():
        if isinstance(part, FixedLinear):
            part.pack()


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this build of torch, on this CPU, has the operators for this dtype."""
    if not torch.backends.mkldnn.is_available() or not hasattr(
        torch.ops.mkldnn, "_linear_pointwise"
    ):
        return False
    return dtype is torch.float32 or (dtype is torch.bfloat16 and cpu_has_bfloat16())
