"""What a listener is told of the voices that have to be read before they speak."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
import trio

from stages.errors import ServerError, SynthesisError
from stages.items import Prepared, Preparing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from pipeline.executor import Executor
    from pipeline.holdings import Holder
    from pipeline.request import QueuedRequest
    from stages.engine import Engine, Playback
    from stages.items import Segment

log = structlog.stdlib.get_logger(__name__)


class Preparation:
    """The model thread as one listener's stages see it (`stages.engine.ModelThread`), with somebody
    who looks whether its voices are there.

    Each is told of as it begins to be waited for and when it is there, whether it was chosen or
    text needs it. A choice, or a barge-in, is answered with all that is waited for from then on:
    so nobody waits for what it chose before, nor for what dropped text needed. That a voice cannot
    be read is told of one that was chosen; text that needs it fails by itself."""

    def __init__(
        self, executor: Executor, tell: Callable[[Preparing | Prepared], None], holder: Holder
    ) -> None:
        """`holder` is the listener's."""
        self._executor = executor
        self._holder = holder
        self._tell = tell
        self._trio = trio.lowlevel.current_trio_token()
        self._names = structlog.contextvars.get_contextvars()
        """The connection's, in the log."""
        self._waited_for: dict[str, float] = {}  # since when, in Trio's time

    def choose(self, voices: Iterable[tuple[str, Future[Any]]]) -> None:
        """The listener has chosen these, and waits for no others that it chose before."""
        before, self._waited_for = self._waited_for, {}
        for name, voice in voices:
            self._look(name, voice, is_chosen=True, since=before.get(name))

    @contextmanager
    def open(self, engine: Engine, segment: Segment, playback: Playback) -> Iterator[QueuedRequest]:
        """See `stages.engine.ModelThread`."""
        opened = self._executor.open(engine, segment, playback)
        with self._holder.share() as sound, opened as request:
            request.tell_waiting = sound.set
            if request.loading is not None:
                self._look(segment.style.voice, request.loading, is_chosen=False)
            yield request

    def _look(
        self, name: str, voice: Future[Any], *, is_chosen: bool, since: float | None = None
    ) -> None:
        if voice.done():
            return
        if name not in self._waited_for:
            self._waited_for[name] = trio.current_time() if since is None else since
            self._tell(Preparing(name))
        voice.add_done_callback(partial(self._end_soon, name, is_chosen=is_chosen))

    def _end_soon(self, name: str, voice: Future[Any], *, is_chosen: bool) -> None:
        """On whatever thread read the voice. After Trio's end nobody waits."""
        end = partial(self._end, name, voice.exception(), is_chosen=is_chosen)
        try:
            self._trio.run_sync_soon(end)
        except trio.RunFinishedError:
            log.debug("a voice was read for nobody", voice=name)

    def _end(self, name: str, error: BaseException | None, *, is_chosen: bool) -> None:
        since = self._waited_for.pop(name, None)
        if since is None:
            return  # it was told by another need, or is not waited for any more
        took_s = round(trio.current_time() - since, 1)
        if error is None:
            log.info("a voice is there", voice=name, took_s=took_s, **self._names)
            self._tell(Prepared(name))
        elif is_chosen:
            kind = type(error).__name__
            told = error if isinstance(error, ServerError) else SynthesisError(f"{name}: {kind}")
            self._tell(Prepared(name, told))
