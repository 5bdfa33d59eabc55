"""A thread that loads things beside the model thread, one after the other."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
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
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=yield_to_others)
        self._lock = threading.Lock()
        self._needed: OrderedDict[Hashable, Callable[[], None]] = OrderedDict()
        self._ahead: OrderedDict[Hashable, Callable[[], None]] = OrderedDict()
        self._is_running = False

    def load(self, task: Callable[[], T], user: Hashable, *, ahead: bool = False) -> Future[T]:
        """Run this for a user, soon or, if it is `ahead` of its use, when nobody waits. It takes
        the place of what was to be run for this user before: as many can wait as users."""
        future = Future[T]()
        with self._lock:
            (self._ahead if ahead else self._needed)[user] = partial(settle, future, task)
            if not self._is_running:
                self._is_running = True
                self._thread.submit(self._run)
        return future

    def forget(self, user: Hashable) -> None:
        """Do not run what this user waits for, if that has not begun. Its future is never done."""
        with self._lock:
            self._needed.pop(user, None)
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
                waiting = self._needed or self._ahead
                if not waiting:
                    self._is_running = False
                    return
                _, run = waiting.popitem(last=False)
            run()


def settle(future: Future[T], task: Callable[[], T]) -> None:
    """Run a task and put what it returns or raises into a future."""
    try:
        future.set_result(task())
    except Exception as error:
        if not isinstance(error, ServerError):  # those are told to whoever uses it
            log.exception("loading failed")
        future.set_exception(error)


def yield_to_others() -> None:
    """Let all other threads go first, from here on."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nicest = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))  # it can only rise
        os.setpriority(os.PRIO_PROCESS, thread, nicest)
