"""An engine whose steps a device does later, as a GPU would."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING

from stages.engine import Engine
from tests.fakes import sound_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stages.engine import Launched, Request


class LaunchingEngine(Engine):
    """Emits what `TellingEngine` does; but its steps are done by a device, one after the other,
    each a while after it was launched.

    Who speaks has a slot of the device's memory, which holds what it says and how far it has come:
    whoever is heard in another's slot says the other's text."""

    name = "launching"
    sample_rate = 48_000

    def __init__(
        self, width: int = 1, *, n_slots: int = 2, delays: Iterator[float] | None = None
    ) -> None:
        self.width = width
        self.batches: list[list[int]] = []
        self.left: list[Request] = []
        self.works = threading.Event()
        """While it is cleared, the device stands still."""
        self.works.set()
        self.launched: list[LaunchedSay] = []
        """Those that are not finished."""
        self.most_launched = 0
        self._delays = delays or itertools.repeat(0.001)
        self._device_free_at = 0.0
        self._free = list(range(n_slots))
        self._slots: dict[Request, int] = {}
        self._memory = [("", 0)] * n_slots

    def can_step(self, request: Request) -> bool:
        return request in self._slots or bool(self._free)

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        n_free = len(self._free)
        newcomers = [request for request in requests if request not in self._slots]
        no_room = set(newcomers[n_free:])
        return [request for request in requests if request not in no_room][: self.width]

    def step(self, batch: Sequence[Request]) -> Launched:
        self.batches.append([request.segment.index for request in batch])
        for request in batch:
            assert all(request not in own.slots for own in self.launched)
            if request not in self._slots:
                self._slots[request] = slot = self._free.pop()
                self._memory[slot] = request.segment.spoken, 0
        now = time.perf_counter()
        self._device_free_at = max(now, self._device_free_at) + next(self._delays)
        slots = {request: self._slots[request] for request in batch}
        launched = LaunchedSay(self, slots, self._device_free_at)
        self.launched.append(launched)
        self.most_launched = max(self.most_launched, len(self.launched))
        return launched

    def finish(self, slots: dict[Request, int]) -> None:
        """What the device has done for these."""
        for request, slot in slots.items():
            text, position = self._memory[slot]
            if text[position:] == "":
                request.finish()
                continue
            if text[position] == "^":
                raise RuntimeError("an engine's own mistake")
            self._memory[slot] = text, position + 1
            request.emit(sound_of(text[position]))

    def leave(self, request: Request) -> None:
        self.left.append(request)
        if request in self._slots:
            self._free.append(self._slots.pop(request))


class LaunchedSay:
    """A step that the device is done with at this time by `time.perf_counter`."""

    def __init__(self, engine: LaunchingEngine, slots: dict[Request, int], done_at: float) -> None:
        self.slots = slots
        self._engine = engine
        self._done_at = done_at

    @property
    def is_done(self) -> bool:
        return self._engine.works.is_set() and time.perf_counter() >= self._done_at

    def finish(self) -> None:
        self._engine.works.wait()
        assert self._engine.launched.pop(0) is self
        time.sleep(max(0.0, self._done_at - time.perf_counter()))  # who finishes early waits
        self._engine.finish(self.slots)
