"""What all benches share: their figures, their options, and how they report.

A bench is a program. Its docstring states the question; it warms up, measures, and prints a table
for people and, as its last line, one JSON object. It declares beside its measurement what its
results are called (`COLUMNS`) and which of them have a target or a prediction (`FIGURES`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]

Result = dict[str, Any]
"""The values of one case, by their keys; when it is yielded, with its name under `case`."""


class Figure(NamedTuple):
    """One value that a bench prints, `results[case][key]`, beside its target and prediction."""

    label: str
    case: str
    key: str
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    predicted: str = ""
    """Written down before the first measurement; empty if nobody did."""

    def cells(self, results: Mapping[str, Result]) -> list[str]:
        """The label, the value, the target and the prediction, as they are shown."""
        value = results.get(self.case, {}).get(self.key)
        measured = "not measured yet" if value is None else self._with_unit(number(value))
        return [self.label, measured, self._target(results), self._with_unit(self.predicted)]

    @property
    def has_target(self) -> bool:
        """There is a bound to it."""
        return self.at_most is not None or self.at_least is not None

    def is_missed(self, results: Mapping[str, Result]) -> bool:
        """It was measured, and is beyond its target."""
        value = results.get(self.case, {}).get(self.key)
        if value is None:
            return False
        return bool(
            (self.at_most is not None and value > self.at_most)
            or (self.at_least is not None and value < self.at_least)
        )

    def _target(self, results: Mapping[str, Result]) -> str:
        limit, sign = (self.at_most, "≤") if self.at_least is None else (self.at_least, "≥")
        if limit is None:
            return ""
        target = f"{sign} {self._with_unit(number(limit))}"
        if results.get(self.case, {}).get(self.key) is None:
            return target
        return f"{target}: {'**missed**' if self.is_missed(results) else 'met'}"

    def _with_unit(self, text: str) -> str:
        return f"{text} {self.unit}" if text and self.unit else text


def number(value: float) -> str:
    """Three significant digits, or all digits of a larger number."""
    if isinstance(value, int) or abs(value) >= 999.5:  # from where on :.3g writes 1e+03
        return f"{value:,.0f}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 0.1 else f"{value:.3g}"


def shown(value: object) -> str:
    """A value as a table has it."""
    if value is None:
        return ""
    return number(value) if isinstance(value, int | float) else str(value)


def in_words(values: Result) -> str:
    """Values that a table has no columns for."""
    return ", ".join(f"{key} {shown(value)}" for key, value in values.items())


def percentiles(name: str, values: Iterable[float]) -> Result:
    """p50, p95 and p99 by nearest rank, and how many values there were."""
    ordered = sorted(values)
    result: Result = {f"{name}_n": len(ordered)}
    for percent in (50, 95, 99):
        rank = min(len(ordered) - 1, len(ordered) * percent // 100)
        result[f"{name}_p{percent}"] = round(ordered[rank], 3) if ordered else None
    return result


class Playback:
    """A listener who plays each message at once, and goes on when more comes after a gap."""

    def __init__(self, sample_rate: int = 48_000) -> None:
        self.first_at: float | None = None
        self.dry_at = 0.0
        """When all that has come will have been heard."""
        self.gaps_s: list[float] = []
        self.n_samples = 0
        self._rate = sample_rate

    def play(self, n_samples: int, now: float) -> float:
        """Queue what was received now; returns when it begins to sound."""
        if self.first_at is None:
            self.first_at = now
        elif now > self.dry_at:
            self.gaps_s.append(now - self.dry_at)
        begins = max(now, self.dry_at)
        self.dry_at = begins + n_samples / self._rate
        self.n_samples += n_samples
        return begins


def argument_parser(docstring: str | None) -> argparse.ArgumentParser:
    """A parser whose help is a bench's docstring."""
    return argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def report(
    columns: Mapping[str, str], figures: Sequence[Figure], results: Iterable[Result]
) -> dict[str, Result]:
    """Print each result as it comes as a row, where `columns` maps its keys to headings; then the
    figures beside their targets; and as the last line everything, as one JSON object. Returns the
    results by their cases."""
    began, busy_s, own_s = time.perf_counter(), busy_seconds(), _own_seconds()
    columns = {"case": "case", **columns}
    widths = [34 if key == "case" else 12 for key in columns]
    print(*map(str.rjust, columns.values(), widths))
    measured: dict[str, Result] = {}
    for result in results:
        case, values = result["case"], {key: result[key] for key in result if key != "case"}
        cells = [shown(result.get(key)) for key in columns]
        if any(cells[1:]):
            print(*map(str.rjust, cells, widths), flush=True)
        else:
            print(f"{case}: {in_words(values)}", flush=True)
        measured[case] = values
    for figure in figures:
        label, value, target, predicted = figure.cells(measured)
        said = [value, target and f"target {target}", predicted and f"predicted {predicted}"]
        print(f"{label}: {', '.join(filter(None, said))}")
    took_s = time.perf_counter() - began
    others_s = busy_seconds() - busy_s - (_own_seconds() - own_s)
    whole = {
        "bench": Path(sys.argv[0]).stem,
        "command": f"python {shlex.join(sys.argv)}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "cpu": _cpu_name(),
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
        },
        "took_s": round(took_s, 1),
        "others_cpu": round(max(0.0, others_s / took_s), 3),
        "results": measured,
    }
    print(json.dumps(whole, allow_nan=False))
    return measured


def busy_seconds() -> float:
    """Seconds that all cores of this machine have worked."""
    all_cores = psutil.cpu_times()
    return float(sum(all_cores) - all_cores.idle - all_cores.iowait)


def _own_seconds() -> float:
    """Those that this process has worked, and its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
