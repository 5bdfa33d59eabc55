"""The recorder does again what a function did, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional

from stages.neural.linear import FixedLinear
from tests.neural.recorded_graphs import HUGE, NotForGraphs, RecordedGraphs
from tests.neural.stand_in_device import CpuTensor

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

DRAWS = torch.Generator().manual_seed(3)
WEIGHT = torch.randn(8, 8, generator=DRAWS)
PACKED = FixedLinear(WEIGHT, then="relu")
STATE = torch.randn(6, 8, generator=DRAWS)
KERNEL = torch.randn(4, 3, 3, generator=DRAWS)


def change_and_look(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Views that see what is changed behind them, in both directions."""
    y = x.mul(2)
    left, right = y.chunk(2, -1)
    left.add_(right)
    y.T[0] = places[0]
    return torch.cat((left, right[:, ::2].relu_(), y.view(-1, 4, 2).transpose(1, 2).flatten(1)), 1)


def write_slots(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    STATE[places] = x
    STATE[1:3].copy_(x[:2])
    STATE.index_add_(0, places, x)
    return STATE[places[:, None], torch.arange(8)[None]].clone()


def attend(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    mask = torch.zeros(3, 3).masked_fill_(torch.arange(3) > places[:, None], -torch.inf)
    heads = x.view(3, 2, 4).transpose(0, 1)[None]
    made = functional.scaled_dot_product_attention(heads, heads, heads, attn_mask=mask)
    return functional.layer_norm(made, (4,))


FUNCTIONS: dict[str, Function] = {
    "views and changes in place": change_and_look,
    "slots": write_slots,
    "attention": attend,
    "packed weights": lambda x, places: PACKED(x) * places[:, None],
    "a list of tensors": lambda x, places: torch.stack([x, x * places[0]]).sum(0),
    "a Fourier transform": lambda x, _places: torch.fft.irfft(torch.polar(x, x).conj(), 8),
    "a convolution": lambda x, _places: functional.conv1d(x.view(1, 3, 8), KERNEL),
    "what is chosen on the device": lambda x, places: torch.where(x > places[:, None], x, -x),
    "memory that nobody has written": lambda x, _places: torch.empty_like(x).copy_(x),
    "numbers that are spread": lambda x, places: (
        x.new_zeros(3, 9).scatter_(1, places[:, None], value=1.0)
    ),
}  # fmt: skip


def inputs(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(number)
    return torch.randn(3, 8, generator=draws), torch.tensor([number, 5 - number, number + 1])


@pytest.mark.parametrize("what", FUNCTIONS)
@torch.inference_mode()
def test_a_replay_computes_what_the_function_would(what: str) -> None:
    graphs, function = RecordedGraphs(), FUNCTIONS[what]
    with graphs.stream():
        graphs.run("key", function, *inputs(0))
        for number in (1, 2, 0, 1):
            before = STATE.clone()
            made = graphs.run("key", function, *inputs(number), repeats=2)
            (made,) = graphs.fetch(made).result()
            after = STATE.clone()
            STATE.copy_(before)
            function(*inputs(number))
            assert torch.equal(made, function(*inputs(number)))
            assert torch.equal(STATE, after)


def test_what_python_computed_stays_as_it_was() -> None:
    """As in a graph: this is how such a mistake shows."""
    graphs, factors = RecordedGraphs(), iter((1.0, 1.0, 2.0, 3.0))
    with graphs.stream():
        for _ in range(2):
            made = graphs.run("key", lambda x: x * next(factors), torch.ones(1))
            assert made.tolist() == [2]


def test_what_an_earlier_key_returned_cannot_be_used() -> None:
    graphs, state = RecordedGraphs(), torch.ones(2)

    def make(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return x * 2, x.long(), x > 0, state[:1]

    with graphs.stream():
        graphs.run("first", make, torch.ones(1))
        graphs.run("second", torch.clone, torch.ones(1))
        floats, integers, decisions, of_state = graphs.run("first", make, torch.ones(1))
        assert (floats.item(), integers.item(), decisions.item()) == (2, 1, True)
        graphs.run("second", torch.clone, torch.ones(1))
        assert floats.isnan().item()
        assert integers.item() == HUGE
        assert not decisions.item()
        assert of_state.item() == 1  # what lies outside of the graph's memory is there still


FORBIDDEN: dict[str, tuple[Callable[[torch.Tensor], object], str]] = {
    "a number taken out": (lambda x: x * x.sum().item(), "item|_local_scalar_dense"),
    "a decision": (lambda x: x if x.sum() > 0 else -x, "item|_local_scalar_dense"),
    "a comparison": (lambda x: x if torch.equal(x, x) else -x, "aten.equal"),
    "places that are true": (lambda x: x[x > 0], "aten.index.Tensor with a mask"),
    "writing where it is true": (
        lambda x: x.clone().index_put_((x > 0,), x), "aten.index_put_.default with a mask"
    ),
    "where it is not zero": (lambda x: x.nonzero(), "aten.nonzero"),
    "what is chosen": (lambda x: x.masked_select(x > 0), "aten.masked_select"),
    "random numbers": (lambda x: x + torch.randn(3), "aten.randn"),
    "random numbers in place": (lambda x: x.clone().normal_(), "aten.normal_"),
    "a list": (lambda x: x.tolist(), "tolist"),
    "an array": (lambda x: x.numpy(), "numpy"),
    "numbers of a list": (lambda x: x + torch.tensor([1.0, 2.0, 3.0]), "tensor"),
}  # fmt: skip


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("inferring", [True, False])
def test_what_a_card_would_wait_for_is_refused_by_name(what: str, inferring: bool) -> None:
    function, name = FORBIDDEN[what]
    graphs = RecordedGraphs()
    with (
        torch.inference_mode(inferring),
        graphs.stream(),
        pytest.raises((NotForGraphs, CpuTensor), match=name),
    ):
        graphs.run("key", function, torch.ones(3))  # type: ignore[type-var]  # it returns nothing


def test_work_on_another_stream_is_refused() -> None:
    graphs = RecordedGraphs()
    with pytest.raises(NotForGraphs, match=r"outside of Graphs\.stream"):
        graphs.run("key", torch.clone, torch.ones(3))
    with pytest.raises(NotForGraphs, match=r"outside of Graphs\.stream"):
        graphs.fetch(torch.ones(3))
