"""What a figure in a table can be: a cell of a result, or something reckoned from several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bench.reporting.results import BadResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.reporting.results import Results


class Quantity(Protocol):
    """Something that can be read off results."""

    @property
    def runs(self) -> tuple[str, ...]:
        """Of which."""

    def read(self, results: Results) -> float:
        """NotMeasured if a run is missing, BadResult if it lacks the figure."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of one row."""

    run: str
    key: str
    where: Mapping[str, object]

    @property
    def runs(self) -> tuple[str, ...]:
        return (self.run,)

    def read(self, results: Results) -> float:
        return results.of(self.run).number(self.key, self.where)


@dataclass(frozen=True, slots=True)
class Times:
    """How many times the second figure the first is."""

    of: Quantity
    than: Quantity

    @property
    def runs(self) -> tuple[str, ...]:
        return (*self.of.runs, *self.than.runs)

    def read(self, results: Results) -> float:
        divisor = self.than.read(results)
        if not divisor:
            raise BadResult(f"{self.than} is 0: there is no telling how many times that is")
        return self.of.read(results) / divisor


@dataclass(frozen=True, slots=True)
class MostWithoutGaps:
    """The most listeners of all that were tried up to the first who heard a gap; 0 if the first
    did."""

    run: str
    pitch_shift: float

    @property
    def runs(self) -> tuple[str, ...]:
        return (self.run,)

    def read(self, results: Results) -> float:
        result = results.of(self.run)
        tried = [
            row["listeners"] for row in result.rows if row.get("pitch_shift") == self.pitch_shift
        ]
        if not tried:
            raise BadResult(f"{self.run}.json has no row with a pitch shift of {self.pitch_shift}")
        most = 0
        for listeners in sorted(tried):
            where = {"listeners": listeners, "pitch_shift": self.pitch_shift}
            if result.number("gaps", where):
                break
            most = listeners
        return most


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest figure of a column, over all rows that have it."""

    run: str
    key: str

    @property
    def runs(self) -> tuple[str, ...]:
        return (self.run,)

    def read(self, results: Results) -> float:
        figures = [row[self.key] for row in results.of(self.run).rows if self.key in row]
        if not figures:
            raise BadResult(f"{self.run}.json has no row with {self.key}")
        return float(max(figures))


class Target(NamedTuple):
    """What was asked for."""

    limit: float
    at_most: bool

    def is_met_by(self, value: float) -> bool:
        """Whether a figure is on the right side of it."""
        return value <= self.limit if self.at_most else value >= self.limit

    @property
    def sign(self) -> str:
        """Before the limit."""
        return "≤" if self.at_most else "≥"


def at_most(limit: float) -> Target:
    """No more than this."""
    return Target(limit, at_most=True)


def at_least(limit: float) -> Target:
    """No less than this."""
    return Target(limit, at_most=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table."""

    what: str
    shown: tuple[Quantity, ...]
    """Side by side, with a stroke between; the target is for the last."""
    unit: str = ""
    target: Target | None = None
    predicted: str = ""
    """In words, with its unit; empty if nobody did."""
    in_readme: bool = False

    @property
    def runs(self) -> tuple[str, ...]:
        """What it is read off, each once."""
        return tuple(dict.fromkeys(run for each in self.shown for run in each.runs))


class Group(NamedTuple):
    """A table."""

    title: str
    remark: str
    figures: tuple[Figure, ...]


def cells(run: str, keys: tuple[str, ...], **where: object) -> tuple[Cell, ...]:
    """Several figures of one row."""
    return tuple(Cell(run, key, where) for key in keys)


def cell(run: str, key: str, **where: object) -> Cell:
    """One figure."""
    return Cell(run, key, where)
