"""Pitch for conversions in slots by methods that run on the host: pm, dio and harvest. Praat takes
3 ms of a core for a block, as long as a GPU takes for all of the rest: so it is found on threads of
its own while speech arrives, and a block is due when its pitch is there. These libraries let other
threads of Python run meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from stages.audio.format import PIPELINE_RATE
from stages.audio.resample import Resampler, resampled_length
from stages.errors import SynthesisError
from stages.rvc import schedule
from stages.rvc.loudness import FRAME
from stages.rvc.network.content import FEATURE_REACH
from stages.rvc.schedule import PITCH_FRAMES
from stages.rvc.speech import HOP, RATE, FilteredSpeech

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.pitch.estimator import PitchEstimator
    from stages.rvc.schedule import Block

log = structlog.stdlib.get_logger(__name__)

N_THREADS = 4
"""For all streams together: harvest takes a third of a core for each listener."""


class PitchThreads:
    """The threads on which pitch is found."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called, on these threads, when a stream's next block has got its pitch."""
        self._threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="pitch")
        self._wake = wake

    def start(
        self,
        estimator: PitchEstimator,
        blocks: Iterator[Block],
        *,
        in_rate: int,
        lag: int,
        filter_radius: int,
    ) -> HostPitch:
        """Begin with one stream; its `blocks` and its `lag` are those of its `SlotStream`."""

        def soon(run: Callable[[], None]) -> None:
            self._threads.submit(run)

        finder = _Finder(estimator, blocks, in_rate, lag, filter_radius)
        return HostPitch(finder, soon, self._wake)

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class HostPitch:
    """The pitch of one stream, which is found on one thread at a time: a `PitchSource`."""

    def __init__(
        self, finder: _Finder, soon: Callable[[Callable[[], None]], None], wake: Callable[[], None]
    ) -> None:
        """`soon` runs a function on some thread."""
        self._finder = finder
        self._soon = soon
        self._wake = wake
        self._lock = threading.Lock()  # for what follows
        self._pieces: list[Samples] = []
        self._end_has_come = False
        self._is_running = False
        self._is_closed = False
        self._found: deque[NDArray[np.float32]] = deque()
        self._error: SynthesisError | None = None

    @property
    def is_ready(self) -> bool:
        """See `PitchSource`."""
        return bool(self._found) or self._error is not None

    def push(self, samples: Samples) -> None:
        """See `PitchSource`."""
        with self._lock:
            self._pieces.append(samples)
            self._go_on()

    def end(self) -> None:
        """See `PitchSource`."""
        with self._lock:
            self._end_has_come = True
            self._go_on()

    def take(self) -> NDArray[np.float32]:
        """See `PitchSource`. Raises `SynthesisError`."""
        with self._lock:
            if not self._found and self._error is not None:
                raise self._error
            return self._found.popleft()

    def close(self) -> None:
        """See `PitchSource`."""
        with self._lock:
            self._is_closed = True
            self._pieces.clear()
            self._found.clear()

    def _go_on(self) -> None:
        if not self._is_running and not self._is_closed and self._error is None:
            self._is_running = True
            self._soon(self._run)

    def _run(self) -> None:
        """Find all pitch that can be found by now."""
        try:
            while (more := self._more()) is not None:
                pieces, is_all = more
                for found in self._finder.found_with(pieces, is_all=is_all):
                    with self._lock:
                        if self._is_closed:
                            return
                        self._found.append(found)
                    self._wake()
        except Exception as error:
            method = self._finder.method
            log.exception("pitch cannot be found", method=method)
            self._error = SynthesisError(
                f"{method} cannot find the pitch of this: {type(error).__name__}"
            )
            self._wake()

    def _more(self) -> tuple[list[Samples], bool] | None:
        """What came since this was asked last, and whether that is the end; None: nothing did, or
        nobody wants to know."""
        with self._lock:
            if self._is_closed or not (self._pieces or self._end_has_come):
                self._is_running = False
                return None
            pieces, self._pieces = self._pieces, []
            is_all, self._end_has_come = self._end_has_come, False
            return pieces, is_all


class _Finder:
    """The speech of one stream at 16 kHz, and the pitch of its blocks. Not for several threads at
    once."""

    def __init__(
        self,
        estimator: PitchEstimator,
        blocks: Iterator[Block],
        in_rate: int,
        lag: int,
        filter_radius: int,
    ) -> None:
        self.method = estimator.name
        self._estimator = estimator
        self._blocks = blocks
        self._next = next(blocks)
        self._in_rate = in_rate
        self._lag = lag
        self._filter_radius = filter_radius
        self._to_16k = Resampler(in_rate, RATE)
        self._speech = FilteredSpeech()
        self._n_in = 0
        self._n_heard = 0  # samples of sound that the blocks so far make

    def found_with(self, pieces: list[Samples], *, is_all: bool) -> Iterator[NDArray[np.float32]]:
        """The pitch of each block that these samples make due, in Hz. Nothing comes after those
        that are `is_all`."""
        for piece in pieces:
            self._n_in += len(piece)
            self._speech.push(self._to_16k.push(piece))
        if is_all:
            self._speech.push(self._to_16k.flush())
        n_wanted = resampled_length(self._n_in, self._in_rate, PIPELINE_RATE)
        while (
            self._n_heard < n_wanted
            if is_all
            else self._speech.n_samples >= self._next.stop * HOP + FEATURE_REACH
        ):
            block = self._next
            start = max(block.start, block.stop - PITCH_FRAMES)
            speech = self._speech.filtered(start * HOP, block.stop * HOP)
            yield self._estimator.estimate(speech, self._filter_radius)
            self._n_heard = (block.push_to - self._lag) * FRAME
            self._next = next(self._blocks)
            self._speech.forget_before((self._next.stop - PITCH_FRAMES - schedule.WINDOW) * HOP)
