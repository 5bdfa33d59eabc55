"""What was measured: the files in `bench/results/`, one for each run, as Git keeps them."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from bench.reporting.runs import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = ROOT / "bench" / "results"

Row = dict[str, Any]


class BadResult(Exception):
    """A result lacks what is asked of it; says which file, and what."""


class NotMeasured(Exception):
    """There is no result of this run yet."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run's last line, and when and how it came about."""

    name: str
    command: str
    date: str
    """The day it began, in UTC: 2026-11-24."""
    took_s: float
    others_cpu: float
    """Cores that everything else on the machine used meanwhile, on average."""
    conditions: Mapping[str, str]
    """What of its surroundings bears on it, where that was not left as it is by default."""
    machine: Mapping[str, Any]
    """`cpu`, `cores`, `python`, and `load` over the minute before the end."""
    columns: Mapping[str, str]
    """The keys that the bench's own table shows, with their headings."""
    rows: tuple[Row, ...]

    def row(self, where: Mapping[str, object]) -> Row:
        """The one row that has these values; BadResult if there is not exactly one."""
        found = [
            row for row in self.rows if all(row.get(key) == value for key, value in where.items())
        ]
        if len(found) != 1:
            raise BadResult(f"{self.name}.json has {len(found)} rows instead of one with {where}")
        return found[0]

    def number(self, key: str, where: Mapping[str, object]) -> float:
        """A figure of that row; BadResult if it is not there."""
        value = self.row(where).get(key)
        if not isinstance(value, int | float):
            raise BadResult(f"{self.name}.json has no figure {key!r} in the row with {where}")
        figure: float = value
        return figure

    @property
    def disturbance(self) -> float:
        """Cores that something else used, on average or, where the bench looked, at worst."""
        return max([self.others_cpu, *(float(row.get("others_cpu", 0)) for row in self.rows)])


class Results:
    """All of them."""

    def __init__(self, results: Mapping[str, Result]) -> None:
        self._results = dict(results)

    def __contains__(self, name: str) -> bool:
        return name in self._results

    def of(self, name: str) -> Result:
        """One run's; NotMeasured if there is none."""
        if name not in self._results:
            raise NotMeasured(name)
        return self._results[name]


def parse(line: str) -> dict[str, Any]:
    """A bench's last line; BadResult if that is not `bench.common.report`'s object."""
    try:
        told = json.loads(line, parse_constant=_refuse)
    except ValueError as error:
        raise BadResult(f"the last line, {line[:80]!r}, is no JSON: {error}") from error
    missing = {"machine", "columns", "results"} - set(told if isinstance(told, dict) else ())
    if missing:
        raise BadResult(f"the last line lacks {sorted(missing)}")
    if not told["results"]:
        raise BadResult("nothing was measured")
    return dict(told)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no figure")


def write(result: Result, folder: Path = FOLDER) -> Path:
    """Keep it; the old one stays until the new one is whole."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{result.name}.json"
    # Keys are not sorted: their order is that of the columns, and of the bench.
    text = json.dumps(asdict(result), indent=2, allow_nan=False)
    # A list of numbers goes on one line: a soak's are long.
    text = re.sub(r"\[[\d\s.,eE+-]+\]", lambda match: " ".join(match[0].split()), text)
    new = path.with_suffix(".new")
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(path)
    return path


def read_all(folder: Path = FOLDER) -> Results:
    """What there is; BadResult for a file that lacks something, or is another run's."""
    return Results({path.stem: _read(path) for path in sorted(folder.glob("*.json"))})


def _read(path: Path) -> Result:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadResult(f"{path.name} is not JSON: {error}") from error
    wanted = {field.name for field in fields(Result)}
    if not isinstance(told, dict) or told.keys() != wanted:
        differs = sorted(wanted ^ set(told if isinstance(told, dict) else ()))
        raise BadResult(f"{path.name} lacks these, or has them and should not: {differs}")
    if told["name"] != path.stem:
        raise BadResult(f"{path.name} is the result of {told['name']}")
    return Result(**{**told, "columns": dict(told["columns"]), "rows": tuple(told["rows"])})
