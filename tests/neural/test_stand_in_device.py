"""What stands in for a GPU refuses what a CUDA graph would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from tests.neural.stand_in_device import DEVICE, CpuTensor, ResultsAreZero, capturing

if TYPE_CHECKING:
    from collections.abc import Callable


FORBIDDEN: dict[str, Callable[[torch.Tensor], object]] = {
    "a number in a tensor": lambda x: x + torch.tensor(1.0),
    "a tensor": lambda x: x + torch.ones(3),
    "a number to choose": lambda x: torch.where(x > 0, x, torch.tensor(0.0)),
    "places in a tensor": lambda x: x[torch.tensor([0, 1])],
    "places in a list": lambda x: x[[0, 1]],
    "places that are true": lambda x: x[x > 0],
    "a number taken out": lambda x: x * x.sum().item(),
    "a decision": lambda x: x if x.sum() > 0 else -x,
    "a list": lambda x: x.tolist(),
    "numbers of a list": lambda x: x + torch.tensor([1.0, 2.0, 3.0], device=DEVICE),
    "a copy": lambda x: x.to("cpu"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
@torch.inference_mode()
def test_what_waits_or_comes_from_the_cpu_is_refused(what: str) -> None:
    x = torch.ones(3, device=DEVICE)
    with capturing(), pytest.raises((CpuTensor, RuntimeError)):
        FORBIDDEN[what](x)


@torch.inference_mode()
def test_plain_numbers_are_part_of_a_kernel() -> None:
    with capturing():
        x = torch.zeros(3, device=DEVICE)
        x[1:] = 2
        assert torch.where(x > 1, x, 0.5).shape == (3,)


def test_only_cpu_fetches_results() -> None:
    x = torch.ones(2, 3, device=DEVICE)
    with ResultsAreZero():
        assert x.cpu().tolist() == [[0, 0, 0], [0, 0, 0]]
        with pytest.raises(NotImplementedError, match="no data"):
            x.tolist()
