"""How fast an engine is, as measured while it works: seconds for a second of sound.

Pure: it is told what each step took and made.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_SOUND_S = 1.0
"""The sound before which there is no figure: a sentence's first pieces cost more than others."""

MIN_REST_S = 0.5
"""Likewise, for what follows the first piece. An engine that makes a segment at once has none."""

MIN_WORK_S = 1.0
"""The work before which nobody is refused for it: one step that the machine held up for 0.1 s would
else make an engine of a thousand times real time look slow."""

SOUND_WINDOW_S = 10.0
WORK_WINDOW_S = 2.0
"""What an average reaches back over, of sound and of work, whichever is longer: a few sentences of
a slow engine, and so much of a fast one that a busy machine's hiccup counts for little."""

PIECE_KEPT = 0.98
"""What is left of the longest piece at each one that is shorter."""


class WorkFigures(NamedTuple):
    """An engine's speed of late, or a chain of engines'."""

    factor: float
    """Seconds for a second of one listener's sound, whoever shared the steps: what it waits."""
    rest: float
    """The same, behind the first sound of a segment, which costs more than what follows it."""
    load: float | None
    """Seconds of the thread for a second of sound, where requests share steps: what each listener
    takes of it. None: too little work was seen."""
    piece_s: float
    """The longest piece of sound that a step makes for a listener."""


class WorkMeter:
    """One engine's steps, as moving averages. Written on the model thread; `figures` may be read on
    any."""

    def __init__(self) -> None:
        self.figures: WorkFigures | None = None
        """None: it has not made a second of sound yet."""
        # Of the window: the time of steps, the same for each of their requests, the sound.
        self._steps_s = self._waits_s = self._sound_s = 0.0
        self._rest_waits_s = self._rest_sound_s = 0.0  # the same, behind the first sound
        self._all_sound_s = self._all_steps_s = 0.0
        self._piece_s = 0.0

    def stepped(self, took_s: float, begun_s: Sequence[float], more_s: Sequence[float]) -> None:
        """Record a step by its time, and the sound that it made for each of its requests: for those
        that had none before, and for the others."""
        pieces_s = [*begun_s, *more_s]
        sound_s = sum(pieces_s)
        self._steps_s += took_s
        self._waits_s += took_s * len(pieces_s)
        self._sound_s += sound_s
        self._rest_waits_s += took_s * len(more_s)
        self._rest_sound_s += sum(more_s)
        self._all_steps_s += took_s
        self._all_sound_s += sound_s
        if sound_s:
            self._piece_s = max(*pieces_s, self._piece_s * PIECE_KEPT)
        if self._all_sound_s >= MIN_SOUND_S:
            factor, load = self._waits_s / self._sound_s, self._steps_s / self._sound_s
            has_rest = self._rest_sound_s > MIN_REST_S
            self.figures = WorkFigures(
                factor,
                self._rest_waits_s / self._rest_sound_s if has_rest else factor,
                load if self._all_steps_s >= MIN_WORK_S else None,
                self._piece_s,
            )
        kept = math.exp(-min(sound_s / SOUND_WINDOW_S, took_s / WORK_WINDOW_S))
        self._steps_s *= kept
        self._waits_s *= kept
        self._sound_s *= kept
        self._rest_waits_s *= kept
        self._rest_sound_s *= kept
