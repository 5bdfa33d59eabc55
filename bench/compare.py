"""Is anything slower here than in another checkout?

    git worktree add ../before main
    python bench/compare.py ../before

runs `bench/soprano.py` and `bench/rvc.py` of both with this Python, in turns, so that whatever else
the machine does strikes both; which of them goes first changes from round to round. Beside each
other stand the medians of all rounds; the ratio is this one's time by the other's. Where rounds
differ by more than the checkouts do, as the spread of each tells, it says nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import ROOT, Result, argument_parser, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

BENCHES = {
    "soprano": ("--without-package", "--listeners", "1", "8", "--runs", "3"),
    "rvc": ("--listeners", "2", "--runs", "3"),
}
"""With what is asked of each: what compares with other packages is left out."""

TIMES = ("ms", "first_audio_ms", "real_time_factor")
"""Keys of values of which less is better."""

COLUMNS = {"here": "here", "there": "there", "ratio": "ratio", "spread": "spread"}


def measured(checkout: Path, bench: str, options: tuple[str, ...]) -> dict[str, float]:
    """A bench's times of one run, by case and key."""
    done = subprocess.run(
        [sys.executable, f"bench/{bench}.py", *options],
        cwd=checkout,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    results: dict[str, Result] = json.loads(done.stdout.splitlines()[-1])["results"]
    return {
        f"{bench}: {case}, {key}": values[key]
        for case, values in results.items()
        for key in TIMES
        if values.get(key)
    }


def compare(asked: argparse.Namespace) -> Iterator[Result]:
    """The rounds, then a row for each time that both have."""
    checkouts = {"here": ROOT, "there": asked.other.resolve()}
    for bench in asked.benches:
        options = (*BENCHES[bench], *(["--tiny"] if asked.tiny else []))
        runs: dict[str, list[dict[str, float]]] = {where: [] for where in checkouts}
        for number in range(asked.rounds):
            for where in sorted(checkouts, reverse=bool(number % 2)):
                runs[where].append(measured(checkouts[where], bench, options))
        for case in [case for case in runs["here"][0] if case in runs["there"][0]]:
            here, there = (sorted(run[case] for run in runs[where]) for where in checkouts)
            medians = statistics.median(here), statistics.median(there)
            yield {
                "case": case,
                "here": medians[0],
                "there": medians[1],
                "ratio": round(medians[0] / medians[1], 3),
                "spread": round(max(here[-1] / here[0], there[-1] / there[0]), 3),
            }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("other", type=Path, help="the other checkout's folder")
    parser.add_argument("--benches", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="tiny models: to try the script")
    report(COLUMNS, (), compare(parser.parse_args()))


if __name__ == "__main__":
    main()
