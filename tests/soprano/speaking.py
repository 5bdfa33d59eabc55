"""Speaking with Soprano's engine as the executor does, without a thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stages.tts.soprano.engine import SopranoEngine
from stages.tts.soprano.model import SopranoOptions
from stages.tts.soprano.shapes import MAX_LENGTH, Shapes
from tests.engine_driver import DrivenRequest, make_segment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from stages.audio.format import Samples
    from stages.engine import Request

LIKE_A_GPU = Shapes(
    n_slots=3,
    widths=(2, 3),
    prompt_rows=(1, 2),
    prompt_lengths=(64, 320),
    decoder_row_counts=(1, 3),
    lengths=(256, MAX_LENGTH),
)
"""Shapes that are known beforehand, in which it goes in launches, and few of them."""

SENTENCE = "The quick brown fox jumps over the lazy dogs of the village."


def open_engine(
    folder: Path,
    options: SopranoOptions | None = None,
    force_length: Callable[[str], int] | None = None,
    shapes: Shapes | None = None,
) -> SopranoEngine:
    """An engine that is ready, of few slots unless the options say otherwise."""
    engine = SopranoEngine(
        folder,
        options or SopranoOptions(n_slots=16),
        force_length=force_length,
        shapes=shapes,
    )
    engine.load()
    engine.install()
    return engine


def request_for(text: str, seed: int | None = None) -> DrivenRequest:
    """A request to say this."""
    segment = make_segment(text, "soprano")
    return DrivenRequest(replace(segment, style=replace(segment.style, seed=seed)))


def step(engine: SopranoEngine, batch: Sequence[Request]) -> None:
    """A step, and all that a device does for it."""
    launched = engine.step(batch)
    if launched is not None:
        launched.finish()


def run_all(engine: SopranoEngine, requests: Sequence[DrivenRequest]) -> None:
    """Step until all are through, the one who has heard least first."""
    live = list(requests)
    while live:
        live.sort(key=lambda request: len(request.sound))
        step(engine, engine.choose([request for request in live if engine.can_step(request)]))
        for request in [r for r in live if r.finished or r.error]:
            live.remove(request)
            engine.leave(request)


def say(engine: SopranoEngine, text: str, seed: int | None = None) -> Samples:
    """What the engine makes of a text when nobody else speaks."""
    request = request_for(text, seed)
    run_all(engine, [request])
    assert request.error is None
    return request.sound
