"""What is done beside the model thread, one thing after the other, and the most urgent first."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)

NICENESS = 10
"""Of the thread, and so of those that torch starts for it, where each thread has its own (Linux).
A tenth of a core where listeners need all of them: then a voice takes some seconds to read, and
nobody who is being spoken to is made to wait for it."""


class Errands:
    """A thread of its own. Any thread may call this."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=_yield_to_others)
        self._lock = threading.Lock()
        self._now: deque[Callable[[], None]] = deque()
        self._later: OrderedDict[Hashable, Callable[[], None]] = OrderedDict()

    def now(self, errand: Callable[[], T]) -> Future[T]:
        """Somebody waits for it."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(errand())
            except Exception as error:  # noqa: BLE001 - it is told to whoever waits
                future.set_exception(error)

        with self._lock:
            self._now.append(run)
        self._thread.submit(self._run_next)
        return future

    def later(self, key: Hashable, errand: Callable[[], None]) -> None:
        """Nobody waits for it. It takes the place of what was under its key, so that as many can
        wait as there are keys. What it raises is logged."""
        with self._lock:
            is_replaced = key in self._later
            self._later[key] = errand
        if not is_replaced:
            self._thread.submit(self._run_next)

    def forget(self, key: Hashable) -> None:
        """Do not do what is under this key, if it has not begun."""
        with self._lock:
            self._later.pop(key, None)

    def close(self) -> None:
        """Begin nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _run_next(self) -> None:
        with self._lock:
            if self._now:
                errand = self._now.popleft()
            elif self._later:
                errand = self._later.popitem(last=False)[1]
            else:  # it was forgotten
                return
        try:
            errand()
        except Exception:  # contained: nobody waits for it
            log.exception("something that was done ahead failed")


def _yield_to_others() -> None:
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nicest = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))  # it can only rise
        os.setpriority(os.PRIO_PROCESS, thread, nicest)
