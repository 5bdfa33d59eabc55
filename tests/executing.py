"""Requests on a real model thread, and waiting for what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import trio

from pipeline.playback import PlaybackClock
from tests.fakes import segment, text_of
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.executor import Executor
    from stages.engine import Engine


async def say(executor: Executor, engine: Engine, text: str, index: int = 0) -> str:
    pieces = []
    with executor.open(engine, segment(text, index), PlaybackClock()) as job:
        async for samples in job:
            pieces.append(samples)  # noqa: PERF401 - an async comprehension hides the loop
    return text_of(np.concatenate(pieces)) if pieces else ""


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(PATIENCE_S):
        while not condition():
            await trio.sleep(0.001)
