"""What did the benches measure, and where does that stand beside the targets?

    python bench/report.py run            run every bench, one after the other, keep what each said
                                          in bench/results, and write
    python bench/report.py run soak rvc   these only
    python bench/report.py write          write docs/performance.md, its plots, and the figures in
                                          the README from bench/results; a test fails otherwise

Nothing else should run meanwhile. A bench that fails keeps its old result, the others go on, and
the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.reporting import pages, results
from bench.reporting.results import BadResult, Result, Results
from bench.reporting.runs import ROOT, RUNS, Run

if TYPE_CHECKING:
    from collections.abc import Sequence


def measure(run: Run, root: Path = ROOT) -> Result:
    """Run a bench of the project at `root` in a process of its own, showing what it says.

    Raises BadResult if it fails, or if its last line is not what it should be.
    """
    date = datetime.now(UTC).date().isoformat()
    began, busy_s, children_s = time.perf_counter(), _busy_s(), _children_s()
    line = ""
    with subprocess.Popen(
        [sys.executable, run.path, *shlex.split(run.arguments)],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for following in process.stdout:
            # The last line is for the result and not for people.
            sys.stdout.write(line)
            sys.stdout.flush()
            line = following
    if process.returncode:
        sys.stdout.write(line)
        raise BadResult(f"{run.command} ended with status {process.returncode}")
    took_s = time.perf_counter() - began
    others_s = _busy_s() - busy_s - (_children_s() - children_s)
    told = results.parse(line)
    return Result(
        name=run.name,
        command=run.command,
        date=date,
        took_s=round(took_s, 1),
        others_cpu=round(max(0.0, others_s / took_s), 3),
        conditions=_conditions(),
        machine=told["machine"],
        columns=told["columns"],
        rows=tuple(told["results"]),
    )


def _busy_s() -> float:
    """Seconds that all cores have worked."""
    all_cores = psutil.cpu_times()
    return float(sum(all_cores) - all_cores.idle - all_cores.iowait)


def _children_s() -> float:
    """Seconds that those worked whom we have seen end, and their children likewise."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _conditions() -> dict[str, str]:
    """What slows a bench down, and can be forgotten."""
    told = {name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ}
    niceness = os.nice(0)
    return told | ({"niceness": str(niceness)} if niceness else {})


def estimate(runs: Sequence[Run], known: Results) -> str:
    """How long they will take, going by how long they took with the same options."""
    kept = [(run, known.of(run.name)) for run in runs if run.name in known]
    times_s = [result.took_s for run, result in kept if result.command == run.command]
    n_new = len(runs) - len(times_s)
    told = f"{len(runs)} runs, about {sum(times_s) / 60:.1f} minutes"
    return told + (f" and what {n_new} take that have not run so yet" if n_new else "")


def measure_all(runs: Sequence[Run], root: Path = ROOT) -> int:
    """Each in its turn; how many failed."""
    folder = root / results.FOLDER.relative_to(ROOT)
    print(estimate(runs, results.read_all(folder)), flush=True)
    failed = []
    for run in runs:
        print(f"\n{run.name}: {run.command}", flush=True)
        try:
            path = results.write(measure(run, root), folder)
        except BadResult as error:
            failed.append(run.name)
            print(f"{run.name} failed, its old result stays: {error}", file=sys.stderr, flush=True)
        else:
            print(f"kept in {path.relative_to(root)}", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


def write() -> None:
    """What is out of date; ends the program if a result lacks what a page shows."""
    try:
        rendered = pages.render(results.read_all())
    except BadResult as error:
        sys.exit(f"nothing was written: {error}")
    for path, text in rendered.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


def main() -> None:
    by_default = [run for run in RUNS if not run.left_out_because]
    left_out = [f"{run.name} ({run.left_out_because})" for run in RUNS if run.left_out_because]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="measure, keep, write")
    run_parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(run.name for run in RUNS)}; without names all but "
        + " and ".join(left_out),
    )
    commands.add_parser("write", help="write the pages from what is kept")
    asked = parser.parse_args()
    if asked.command == "write":
        write()
        return
    by_name = {run.name: run for run in RUNS}
    if unknown := [name for name in asked.names if name not in by_name]:
        run_parser.error(f"there is no run {', '.join(unknown)}")
    n_failed = measure_all([by_name[name] for name in asked.names] or by_default)
    write()
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
