"""A thread that loads things beside the model thread, one after the other."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from stages.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)

NICENESS = 10
"""The thread's, and so that of those torch starts for it, where each thread has its own (Linux).
A tenth of a core where listeners need all of them: then a voice takes some seconds to read, and
nobody who is being spoken to is made to wait for it."""


class BackgroundLoader:
    """First in, first out; and only when nobody waits, what is loaded ahead. Any thread may
    call this."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=_yield_to_others)
        self._lock = threading.Lock()
        self._needed: deque[Callable[[], None]] = deque()
        self._ahead: OrderedDict[Hashable, Callable[[], None]] = OrderedDict()
        self._is_running = False

    def load(self, task: Callable[[], T], *, ahead_for: Hashable | None = None) -> Future[T]:
        """Run this, soon or, if it is `ahead_for` somebody, when nobody waits. Then it takes the
        place of what was for them before: as many can wait as there are who it is for."""
        future = Future[T]()
        run = partial(settle, future, task)
        with self._lock:
            if ahead_for is None:
                self._needed.append(run)
            else:
                self._ahead[ahead_for] = run
            if not self._is_running:
                self._is_running = True
                self._thread.submit(self._run)
        return future

    def forget(self, user: Hashable) -> None:
        """Do not load what is ahead for this user, if that has not begun."""
        with self._lock:
            self._ahead.pop(user, None)

    def close(self) -> None:
        """Begin nothing more."""
        with self._lock:
            self._needed.clear()
            self._ahead.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._needed:
                    run = self._needed.popleft()
                elif self._ahead:
                    _, run = self._ahead.popitem(last=False)
                else:
                    self._is_running = False
                    return
            run()


def settle(future: Future[T], task: Callable[[], T]) -> None:
    """Run a task and put what it returns or raises into a future."""
    try:
        future.set_result(task())
    except Exception as error:
        if not isinstance(error, ServerError):  # those are told to whoever uses it
            log.exception("loading failed")
        future.set_exception(error)


def _yield_to_others() -> None:
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nicest = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))  # it can only rise
        os.setpriority(os.PRIO_PROCESS, thread, nicest)
