"""How many listeners can be spoken to in real time. Pure.

Engines that take requests one by one need n times as much for n listeners as for one. Those that
batch need far less: a GPU needs 0.11 of its time for one listener of the whole chain, and 0.72 for
32 together. So they tell what batches cost, and what steps took while they worked corrects it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class BatchCosts:
    """What listeners take of an engine's time, by how many are spoken to together."""

    def __init__(self, told: Mapping[int, float]) -> None:
        """`told`: see `stages.engine.Engine.batch_costs`. Where it is empty, a listener counts as
        one second for each second, and what was measured must be put in relation to that."""
        self._sizes = sorted(told)
        self._costs: list[float] = []
        for size in self._sizes:  # a lull in a measurement must not make more cheaper than fewer
            self._costs.append(max([told[size], *self._costs[-1:]]))

    def at(self, n: float) -> float:
        """Of so many: as in the smallest batch for fewer, in proportion to the largest for more,
        and in between on a straight line."""
        if not self._sizes or n <= 0:
            return max(n, 0.0)
        sizes, costs = self._sizes, self._costs
        if n >= sizes[-1]:
            return costs[-1] * n / sizes[-1]
        above = bisect_left(sizes, n)
        if above == 0:
            return costs[0]
        part = (n - sizes[above - 1]) / (sizes[above] - sizes[above - 1])
        return costs[above - 1] + part * (costs[above] - costs[above - 1])


class Turnover:
    """How soon one of the places that are taken is likely to come free, learnt from those that were
    given back."""

    _FIRST_HELD_S = 20.0  # a few sentences, while nobody has given one back
    _KEPT = 0.9

    def __init__(self) -> None:
        self._held_s = self._FIRST_HELD_S  # how long places were held, as a moving average

    def gave_back(self, held_s: float) -> None:
        """Enter a place that was held for so long."""
        self._held_s = self._KEPT * self._held_s + (1 - self._KEPT) * held_s

    def free_in_s(self, n_taken: int) -> float:
        """Of so many that are held independently of one another, one comes free so many times as
        soon as each of them, whatever they were held for until now."""
        return self._held_s / max(1, n_taken)


def most_listeners(load: Callable[[int], float], most: int) -> int:
    """How many listeners there can be, at least 1 and at most so many, whose `load`, which grows
    with their number, is no more than the whole."""
    enough, too_many = 1, most + 1
    while too_many - enough > 1:
        middle = (enough + too_many) // 2
        if load(middle) <= 1:
            enough = middle
        else:
            too_many = middle
    return enough
