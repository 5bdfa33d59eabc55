"""A GPU that is not there: torch's ``meta`` device stands in for it.

Its tensors have shapes and no values. Where one meets a tensor of the CPU, or somebody looks into
it (``item``, ``tolist``, ``if``), that raises, as it would on a GPU or inside a CUDA graph. What it
cannot show is whether a GPU has the operators for a dtype.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stages.neural.transfers import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from contextlib import AbstractContextManager

DEVICE = torch.device("meta")


class CpuTensor(Exception):
    """An operator was given a tensor that is not on the device, or makes one."""


class ResultsAreZero(TorchFunctionMode):
    """``Tensor.cpu`` is how results are fetched: it gives zeros. Nothing else looks inside."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - as torch has it
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        if func is torch.Tensor.cpu and args[0].is_meta:
            return torch.zeros(args[0].shape, dtype=args[0].dtype)
        return func(*args, **(kwargs or {}))


@contextmanager
def capturing() -> Iterator[None]:
    """What a CUDA graph can record: no tensor of the CPU, not even of one number (one that torch
    puts on the device is copied there, which a capture forbids), and no waiting."""
    with NothingOfTheHost(), _NothingOfTheCpu():  # type: ignore[no-untyped-call]  # torch's
        yield


class NothingOfTheHost(TorchFunctionMode):
    """Torch makes a tensor of a list on the CPU and copies it, or a list of a tensor, where no
    operator shows it."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        if func in {torch.tensor, torch.as_tensor}:
            raise CpuTensor(f"{func} copies what it is given")
        if func in {torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.cpu}:
            raise CpuTensor(f"{func} waits for what it is given")
        if func in {torch.Tensor.__getitem__, torch.Tensor.__setitem__}:
            places = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(place, list) for place in places):
                raise CpuTensor("an index that is a list is copied")
        return func(*args, **(kwargs or {}))


class _NothingOfTheCpu(TorchDispatchMode):
    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - as torch has it
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        kwargs = kwargs or {}
        with self:  # an operator that is made of others: these are looked at
            made = func.decompose(*args, **kwargs)
        if made is NotImplemented:
            made = func(*args, **kwargs)
        for leaf in tree_leaves((args, kwargs, made)):
            if isinstance(leaf, torch.Tensor) and leaf.device != DEVICE:
                raise CpuTensor(f"{func} has a tensor on {leaf.device}")
        return made


class StandInGraphs:
    """`Graphs`, where there is a GPU: a function is captured when its key comes first. What is
    fetched is zeros."""

    n_bytes = 0
    is_lost = False

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._captured: dict[Hashable, _Captured] = {}
        self.in_use = True

    @property
    def keys(self) -> list[Hashable]:
        """In the order in which they came first."""
        return list(self._captured)

    def stream(self) -> AbstractContextManager[None]:
        return nullcontext()

    def tell(self, engine: str) -> None:
        """There is nobody to tell."""

    def run(
        self,
        key: Hashable,
        function: Callable[..., Any],
        *inputs: torch.Tensor,
        repeats: int = 1,
    ) -> Any:  # noqa: ANN401 - what the function returns
        assert repeats >= 1
        assert all(given.device.type == "cpu" for given in inputs), f"{key}: inputs go over in run"
        shapes = [(given.shape, given.dtype) for given in inputs]
        captured = self._captured.get(key)
        if captured is None:
            held = [given.to(self._device) for given in inputs]
            with capturing():
                captured = _Captured(shapes, function(*held))
            self._captured[key] = captured
        assert captured.inputs == shapes, f"{key} came with other shapes"
        return captured.outputs

    def fetch(self, *tensors: torch.Tensor) -> Fetched:
        assert all(tensor.device == self._device for tensor in tensors), "it is on the host"
        return Fetched(tuple(torch.zeros(made.shape, dtype=made.dtype) for made in tensors))


@dataclass(frozen=True)
class _Captured:
    inputs: list[tuple[torch.Size, torch.dtype]]
    outputs: Any
