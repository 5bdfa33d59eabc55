"""How fast an engine is, as measured while it works: seconds for a second of sound.

Pure: it is told what each step took and made.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pipeline.capacity import BatchCosts

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

MIN_SOUND_S = 1.0
"""The sound before which there is no figure: a sentence's first pieces cost more than others."""

MIN_REST_S = 0.5
"""Likewise, for what follows the first piece. An engine that makes a segment at once has none."""

MIN_WORK_S = 1.0
HICCUP_S = 0.1
"""The work before which so much of it may be no work at all: one step that the machine held up for
0.1 s would else make an engine of a thousand times real time look slow, and refuse newcomers."""

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
    piece_s: float
    """The longest piece of sound that a step makes for a listener."""


class DevicesTime:
    """The time in which engines' devices are at work. Engines may share one device, so a moment in
    which several are at work is divided among them: in all they are charged with what there was."""

    def __init__(self) -> None:
        self._charged_s: dict[Hashable, float] = {}  # to those at work
        self._until = 0.0

    def begin(self, engine: Hashable, now: float) -> None:
        """This one's device, which stood still, is at work from now on."""
        self._charge(now)
        self._charged_s[engine] = 0.0

    def end(self, engine: Hashable, now: float, *, goes_on: bool) -> float:
        """It has done a step, and may go on with another: what it is charged with for this one."""
        self._charge(now)
        charged_s = self._charged_s.pop(engine)
        if goes_on:
            self._charged_s[engine] = 0.0
        return charged_s

    def _charge(self, now: float) -> None:
        for engine in self._charged_s:
            self._charged_s[engine] += (now - self._until) / len(self._charged_s)
        self._until = now


class WorkMeter:
    """One engine's steps, as moving averages. Written on the model thread; `figures` may be read on
    any."""

    def __init__(self) -> None:
        self.figures: WorkFigures | None = None
        """None: it has not made a second of sound yet."""
        self._costs = BatchCosts({})
        self._are_told = False
        self._scale: float | None = None  # what steps took of late, in relation to these costs
        # Of the window: the time of steps, what they should have cost, the time of steps for each
        # of their requests, the sound.
        self._steps_s = self._expected_s = self._waits_s = self._sound_s = 0.0
        self._rest_waits_s = self._rest_sound_s = 0.0  # the same, behind the first sound
        self._all_sound_s = self._all_steps_s = 0.0
        self._piece_s = 0.0

    @property
    def worked_s(self) -> float:
        """The time of all its steps."""
        return self._all_steps_s

    def told(self, costs: Mapping[int, float]) -> None:
        """Take over what the engine tells of its costs; see `Engine.batch_costs`."""
        self._costs = BatchCosts(costs)
        self._are_told = bool(costs)

    def load(self, n_listeners: float) -> float:
        """The part of the time that so many listeners need together, if each hears a second of this
        engine's sound in a second; 0 while nobody knows. May be called on any thread."""
        if self._scale is not None:
            return self._scale * self._costs.at(n_listeners)
        return self._costs.at(n_listeners) if self._are_told else 0.0

    def stepped(
        self,
        took_s: float,
        begun_s: Sequence[float],
        more_s: Sequence[float],
        *,
        used_s: float | None = None,
        n_together: int | None = None,
    ) -> None:
        """Record a step by its time, and the sound that it made for each of its requests: for those
        that had none before, and for the others. `used_s`: its part of its time, which it may have
        shared with other engines' steps; `n_together`: its requests, and those of steps that
        were under way with it."""
        pieces_s = [*begun_s, *more_s]
        sound_s = sum(pieces_s)
        used_s = took_s if used_s is None else used_s
        n_together = n_together or len(pieces_s)
        self._steps_s += used_s
        if sound_s:
            self._expected_s += sound_s * self._costs.at(n_together) / n_together
        self._waits_s += took_s * len(pieces_s)
        self._sound_s += sound_s
        self._rest_waits_s += took_s * len(more_s)
        self._rest_sound_s += sum(more_s)
        self._all_steps_s += used_s
        self._all_sound_s += sound_s
        if sound_s:
            self._piece_s = max(*pieces_s, self._piece_s * PIECE_KEPT)
        if self._all_sound_s >= MIN_SOUND_S:
            factor = self._waits_s / self._sound_s
            has_rest = self._rest_sound_s > MIN_REST_S
            self.figures = WorkFigures(
                factor,
                self._rest_waits_s / self._rest_sound_s if has_rest else factor,
                self._piece_s,
            )
            is_sure = self._all_steps_s >= MIN_WORK_S
            if self._expected_s and (is_sure or not self._are_told):  # what it tells is surer
                doubtful_s = 0.0 if is_sure else HICCUP_S
                self._scale = max(0.0, self._steps_s - doubtful_s) / self._expected_s
        kept = math.exp(-min(sound_s / SOUND_WINDOW_S, took_s / WORK_WINDOW_S))
        self._steps_s *= kept
        self._expected_s *= kept
        self._waits_s *= kept
        self._sound_s *= kept
        self._rest_waits_s *= kept
        self._rest_sound_s *= kept
