"""CUDA graphs on a CPU: what a function does is recorded when its key comes first, operator by
operator, and done again in each later run, without calling the function.

So whatever was baked into a graph by mistake shows as a wrong value: a number that Python computed,
a branch that it took, a tensor that was made outside and replaced since. What would make a card
wait, or is made on the host, is refused. And once another key has run, what the last one returned
is NaN or a huge number, so that who reads it too late is caught.

`RecordedGraphs` is `Graphs` with a card that is not there (`RecordingCard`): what it does to hold
inputs, repeat and fetch is the product's own.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stages.neural.card import Replayable
from stages.neural.graphs import Graphs
from tests.neural.stand_in_device import NothingOfTheHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Out = TypeVar("Out")

HUGE = 1 << 30
"""What stands in integers that are read too late."""


class NotForGraphs(Exception):
    """A function waits for the card, draws random numbers, or works without a stream."""


class RecordedGraphs(Graphs):
    """`Graphs` as on a GPU, on the CPU."""

    def __init__(self, device: torch.device | None = None) -> None:
        super().__init__(device or torch.device("cpu"), wanted="on", card=RecordingCard())


class RecordingCard:
    """A card whose work is done at once, by this CPU."""

    n_bytes = 0

    def __init__(self) -> None:
        self._last: _Recording | None = None
        self._is_in_use = False

    @contextmanager
    def stream(self) -> Iterator[None]:
        before, self._is_in_use = self._is_in_use, True
        try:
            yield
        finally:
            self._is_in_use = before

    def wait(self) -> None:
        """Nothing is under way."""

    def event(self) -> SlowEvent:
        return SlowEvent(self)

    def pinned(self, n_bytes: int) -> torch.Tensor:
        return torch.empty(n_bytes, dtype=torch.uint8)

    def capture(self, function: Callable[[], Out]) -> Replayable[Out]:
        recording = _Recording()
        with NothingOfTheHost(), recording:
            outputs = function()
        recording.outputs = [
            leaf for leaf in tree_leaves(outputs)
            if isinstance(leaf, torch.Tensor) and recording.has_made(leaf)
        ]  # fmt: skip

        def replay() -> None:
            self.check_stream()
            if self._last is not None and self._last is not recording:
                self._last.poison()
            self._last = recording
            recording.replay()

        return Replayable(replay, outputs)

    def forget_captures(self) -> None:
        self._last = None

    def check_stream(self) -> None:
        """On a card, work that is given to another stream overtakes ours."""
        if not self._is_in_use:
            raise NotForGraphs("work outside of Graphs.stream()")


class SlowEvent:
    """An event that its card passes only when it has been asked whether it has."""

    def __init__(self, card: RecordingCard) -> None:
        self._card = card
        self._is_done = True

    def record(self) -> None:
        self._card.check_stream()
        self._is_done = False

    def query(self) -> bool:
        before, self._is_done = self._is_done, True
        return before

    def synchronize(self) -> None:
        self._is_done = True


class _Operation(NamedTuple):
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    made: list[torch.Tensor | None]
    """Of its results, those that have memory of their own, which a replay writes to."""


class _Recording(TorchDispatchMode):
    """A function's operators, in their order, with the very tensors they had."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self._operations: list[_Operation] = []
        self._memories: set[int] = set()  # of all results
        self.outputs: list[torch.Tensor] = []

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - as torch has it
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        kwargs = kwargs or {}
        _refuse_what_waits(func, args)
        with self:  # an operator that is made of others: these are recorded
            result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
        result = func(*args, **kwargs)
        if torch.Tag.inplace_view in func.tags:  # only how a tensor lies, which stays so
            return result
        given = _memories((args, kwargs))
        made = [
            # As it lies now: an operator may turn it over later.
            leaf.detach() if isinstance(leaf, torch.Tensor) and _memory(leaf) not in given else None
            for leaf in tree_leaves(result)
        ]
        self._memories |= _memories(made)
        # What is only a view sees what becomes of the memory by itself.
        if func._schema.is_mutable or any(each is not None for each in made):  # noqa: SLF001 - torch's own passes read it
            self._operations.append(_Operation(func, args, kwargs, made))
        return result

    def has_made(self, tensor: torch.Tensor) -> bool:
        """Whether its memory comes from an operator, rather than from outside."""
        return _memory(tensor) in self._memories

    def replay(self) -> None:
        """Do it all again."""
        for function, args, kwargs, made in self._operations:
            results = tree_leaves(function(*args, **kwargs))
            for into, result in zip(made, results, strict=True):
                if into is not None:
                    into.copy_(result)

    def poison(self) -> None:
        """Make what the function returned unfit for use."""
        for output in self.outputs:
            if output.dtype is torch.bool:
                output.logical_not_()
            elif output.is_floating_point() or output.is_complex():
                output.fill_(torch.nan)
            else:
                output.fill_(min(HUGE, torch.iinfo(output.dtype).max))


def _refuse_what_waits(func: Any, args: tuple[Any, ...]) -> None:  # noqa: ANN401 - as torch has it
    name, tags = str(func), func.tags
    has_mask = "index" in func.__name__ and any(
        isinstance(leaf, torch.Tensor) and leaf.dtype in {torch.bool, torch.uint8}
        for leaf in tree_leaves(args[1:2])
    )
    if func.overloadpacket in {torch.ops.aten.index, torch.ops.aten._unsafe_index}:  # noqa: SLF001 - an operator's name
        waits = has_mask  # its tag says that it may be given one
    else:
        waits = has_mask or torch.Tag.dynamic_output_shape in tags
    if waits or torch.Tag.data_dependent_output in tags:
        mask = " with a mask" if has_mask else ""
        raise NotForGraphs(f"{name}{mask}: its result's shape or value is the host's to wait for")
    # Attention and recurrent layers have the tag for their dropout, which we do not use.
    has_dropout = any(part in name for part in ("attention", "sdp", "gru"))
    if torch.Tag.nondeterministic_seeded in tags and not has_dropout:
        raise NotForGraphs(f"{name}: random numbers differ from run to run")


def _memories(tree: object) -> set[int]:
    return set(map(_memory, _tensors(tree)))


def _tensors(tree: object) -> Iterable[torch.Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))


def _memory(tensor: torch.Tensor) -> int:
    """What tells whether tensors share their memory. Weights that oneDNN packed have none that
    torch could show."""
    if tensor.layout is not torch.strided:
        return id(tensor)
    identity: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - torch tells it nowhere else
    return identity
