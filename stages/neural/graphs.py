"""CUDA graphs. On a GPU a step is hundreds of small kernels, and launching them one by one takes
longer than running them. A graph records a function's kernels once for a shape and launches them
as one. Elsewhere the function is just called.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import structlog
import torch

from stages.error_text import reason
from stages.neural.card import CudaCard
from stages.neural.graph_trial import attempts, is_like
from stages.neural.transfers import Fetched, HeldInputs, fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from contextlib import AbstractContextManager

    from stages.neural.card import Card, Replayable

log = structlog.stdlib.get_logger(__name__)

GraphUse: TypeAlias = Literal["auto", "on", "off"]
"""Whether functions run as graphs on a GPU; auto: if that works there."""

Out = TypeVar("Out", bound="torch.Tensor | tuple[torch.Tensor, ...]")

WARM_UP_RUNS = 2
"""Runs before a capture: libraries set themselves up at the first, which cannot be recorded."""


class Graphs:
    """A runner of functions of tensors for one engine, by graph where there is a GPU."""

    in_use: bool
    """Functions run as graphs: then shapes should be few, and all met before anybody waits."""

    def __init__(
        self, device: torch.device, *, wanted: GraphUse = "auto", card: Card | None = None
    ) -> None:
        """`card`: what the device is used by, if not by torch's own."""
        self._device = device
        self._wanted = wanted
        if card is None and device.type == "cuda":
            card = CudaCard(device)
        self._card = card
        self._held: dict[Hashable, HeldInputs] = {}
        self._captured: dict[Hashable, Replayable[object]] = {}
        self.in_use = card is not None and wanted != "off"
        if card is not None and wanted == "auto":
            self._try_out(card)

    @property
    def keys(self) -> list[Hashable]:
        """Of what was captured, in the order in which they came first."""
        return list(self._captured)

    @property
    def n_bytes(self) -> int:
        """The device's memory that captures hold, as far as torch tells."""
        return 0 if self._card is None or not self._captured else self._card.n_bytes

    @property
    def is_lost(self) -> bool:
        """Whether the device does nothing more in this process. Waits for what it has to do."""
        try:
            if self._card is not None:
                self._card.wait()
        except RuntimeError:  # torch's, for whatever CUDA says
            return True
        return False

    def stream(self) -> AbstractContextManager[None]:
        """The engine's own stream of work, within which everything is done that it does on the
        device: what two engines do is then done side by side."""
        return nullcontext() if self._card is None else self._card.stream()

    def run(
        self,
        key: Hashable,
        function: Callable[..., Out],
        *inputs: torch.Tensor,
        repeats: int = 1,
    ) -> Out:
        """Run ``function(*inputs)`` on the device, so many times with the same inputs, which it may
        change in place; what the last time returns. `inputs` are tensors of the host, and go over
        in one copy. What else the function uses is on the device and stays where it is.

        The same key must mean the same function and the same shapes. What is returned is written
        over by the next run with any key, since graphs share their memory: `fetch` it before.

        The first run with a key runs the function several times, so it should be one whose
        effects do no harm. Raises what the function raises; where ``on`` is wanted, also what a
        capture raises."""
        if self._card is None:
            return _repeated(function, inputs, repeats)
        held = self._held_for(self._card, key, inputs)
        if self.in_use and key not in self._captured:
            self._capture(self._card, key, function, held, inputs)
        held.fill(inputs)
        captured = self._captured.get(key)
        if captured is None:
            return _repeated(function, held.tensors, repeats)
        for _ in range(repeats):
            captured.replay()
        return captured.outputs  # type: ignore[return-value]  # what its function returned

    def fetch(self, *tensors: torch.Tensor) -> Fetched:
        """Begin to copy tensors of the device to the host. What comes is their content as of now:
        later runs may write over them."""
        if self._card is None:
            return Fetched(tuple(tensor.clone() for tensor in tensors))
        return fetched(self._card, tensors)

    def tell(self, engine: str) -> None:
        """Let the log tell what was captured, at the end of an engine's warm-up."""
        if self._captured:
            size = f"{self.n_bytes / 1e6:.0f} MB"
            log.info("graphs are captured", engine=engine, graphs=len(self._captured), memory=size)

    def _try_out(self, card: Card) -> None:
        with self.stream(), torch.inference_mode():
            try:
                failure = self._first_failure()
            except RuntimeError as error:  # torch's, for whatever a library or a driver lacks
                failure = f"a test at start: {reason(error)}"
            if failure is not None:
                self._give_up(card, failure)
            self._forget(card)

    def _first_failure(self) -> str | None:
        """What a graph computes wrongly here; None: nothing, or graphs have been given up."""
        for attempt in attempts(self._device):
            function, repeats = attempt.function, attempt.repeats
            key = ("trial", attempt.name)
            self.run(key, function, *attempt.seen, repeats=repeats)
            if not self.in_use:
                return None
            replayed = self.fetch(self.run(key, function, *attempt.new, repeats=repeats))
            there = tuple(given.to(self._device, copy=True) for given in attempt.new)
            wanted = self.fetch(_repeated(function, there, repeats))
            if not is_like(*replayed.result(), *wanted.result()):
                return f"a graph of {attempt.name} computes other values than its operators do"
        return None

    def _held_for(self, card: Card, key: Hashable, inputs: tuple[torch.Tensor, ...]) -> HeldInputs:
        held = self._held.get(key)
        if held is None or not held.fits(inputs):
            if key in self._captured:
                raise ValueError(f"{key} came with other shapes than it was captured with")
            held = self._held[key] = HeldInputs(card, self._device, inputs)
        return held

    def _capture(
        self,
        card: Card,
        key: Hashable,
        function: Callable[..., Out],
        held: HeldInputs,
        inputs: tuple[torch.Tensor, ...],
    ) -> None:
        for _ in range(WARM_UP_RUNS):
            held.fill(inputs)
            function(*held.tensors)
        try:
            self._captured[key] = card.capture(lambda: function(*held.tensors))
        except Exception as error:  # whatever: it may come from any library or driver
            if self._wanted == "on":
                raise
            self._give_up(card, f"{key}: {reason(error)}")

    def _give_up(self, card: Card, why: str) -> None:
        """Run everything eagerly from now on."""
        self.in_use = False
        self._forget(card)
        log.warning(
            "graphs do not work here: everything runs without them, more slowly",
            reason=why,
            advice="a newer driver and torch may help; --graphs off does not try",
        )

    def _forget(self, card: Card) -> None:
        card.wait()  # for what is being replayed
        self._captured.clear()
        self._held.clear()
        card.forget_captures()


def _repeated(function: Callable[..., Out], inputs: tuple[torch.Tensor, ...], repeats: int) -> Out:
    for _ in range(repeats - 1):
        function(*inputs)
    return function(*inputs)
