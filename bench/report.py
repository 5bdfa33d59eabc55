"""What did the benches measure, and is that what was asked for and predicted?

    python bench/report.py run                   run every bench but gpu, one after the other, keep
                                                 what each said in bench/results, and write
    python bench/report.py run --only soak rvc   these only
    python bench/report.py write                 write docs/performance.md and the figures in the
                                                 README from bench/results; a test fails otherwise

Nothing else should run meanwhile. A bench that fails keeps its old result, the others go on, and
the exit status is 1.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import ROOT, argument_parser, in_words, number, shown
from docs.regions import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

Told = dict[str, Any]
"""A bench's last line."""

BENCHES = {
    "first_audio": "First audio",
    "stage_cost": "Where each millisecond goes",
    "normalise": "Text as it is said",
    "encoders": "Sound as players want it",
    "word_times": "When each word is said",
    "sessions": "Many listeners",
    "barge_in": "Barge-in",
    "connections": "Connections and the start",
    "idle": "Silent WebSockets",
    "disturbance": "Beside a hostile client",
    "siege": "Under siege",
    "leaving": "Shutdown under load",
    "cluster": "Behind a balancer",
    "page": "The page",
    "piper": "Piper",
    "soprano": "Soprano, random weights",
    "rvc": "RVC, random weights",
    "chain": "Soprano and RVC, random weights",
    "pacing": "Slower than speech, random weights",
    "soak": "A soak",
    "quality": "How it sounds (of RVC, with random weights, its pitch)",
    "gpu": "On a GPU, random weights",
    "fleet": "A fleet, simulated, random weights",
}
"""Every bench with its heading, in the order of the page."""

BY_NAME_ONLY = {"gpu": "it needs an NVIDIA GPU"}

IN_README = (
    ("first_audio", "!", "first_audio_ms_p95"),
    ("soprano", "1 at once", "first_audio_ms"),
    ("chain", "1 at once", "real_time_factor"),
)
"""Figures, by bench, case and key."""

RESULTS = Path("bench", "results")
README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
REGION = "figures"

NOT_ALONE_FROM = 0.1
"""Cores that others use, from which on figures are to be distrusted: a quiet machine's own doings
take some hundredths."""
HEAD = "| | measured | target | predicted |\n|---|---|---|---|"


class BenchFailed(Exception):
    """A bench came to no result; says why."""


def run(name: str, root: Path = ROOT) -> None:
    """Run a bench of the project at `root` in a process of its own, showing what it says, and keep
    its last line. Raises BenchFailed, and leaves the old result, where there is none."""
    command = [sys.executable, f"bench/{name}.py"]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    line = ""
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for following in process.stdout:
            # The last line is for the result and not for people.
            print(line, end="", flush=True)
            line = following
    if process.returncode:
        print(line, end="")
        raise BenchFailed(f"it ended with status {process.returncode}")
    try:
        told = json.loads(line)
    except ValueError as error:
        raise BenchFailed(f"its last line, {line[:80]!r}, is no JSON: {error}") from error
    path = root / RESULTS / f"{name}.json"
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def run_all(names: Sequence[str], root: Path = ROOT) -> list[str]:
    """Run these benches; returns those that failed."""
    last = read_results(root)
    took_s = sum(last[name]["took_s"] for name in names if name in last)
    print(f"about {took_s / 60:.1f} minutes, going by the last time", flush=True)
    failed = []
    for name in names:
        print(f"\n{name}:", flush=True)
        try:
            run(name, root)
        except BenchFailed as error:
            failed.append(name)
            print(f"{name} failed, its old result stays: {error}", file=sys.stderr, flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return failed


def read_results(root: Path = ROOT) -> dict[str, Told]:
    """What was measured, by bench."""
    paths = sorted((root / RESULTS).glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def load(name: str) -> ModuleType:
    """A bench's module: its docstring, `COLUMNS` and `FIGURES`."""
    return importlib.import_module(f"bench.{name}")


def render(told: Mapping[str, Told]) -> dict[Path, str]:
    """Every page that has figures in it, as it should be."""
    page = ["## Targets and predictions", overview(told)]
    page += [section(name, told.get(name)) for name in BENCHES]
    return {
        path: replaced(path.read_text(encoding="utf-8"), REGION, body)
        for path, body in ((README, readme_table(told)), (PERFORMANCE, "\n\n".join(page)))
    }


def readme_table(told: Mapping[str, Told]) -> str:
    """The README's three lines."""
    lines = []
    for name, case, key in IN_README:
        (figure,) = [each for each in load(name).FIGURES if (each.case, each.key) == (case, key)]
        figure = figure._replace(label=f"{BENCHES[name]}: {figure.label}")
        lines.append(row(figure.cells(results_of(told.get(name)))))
    where = measured_on(told[name] for name, *_ in IN_README if name in told)
    return "\n".join([where, "", HEAD, *lines])


def overview(told: Mapping[str, Told]) -> str:
    """Every figure that has a name, below the bench that measured it."""
    lines = [HEAD]
    for name, title in BENCHES.items():
        lines.append(row([f"**[{title}](#{anchor(title)})**", "", "", ""]))
        lines += [row(each.cells(results_of(told.get(name)))) for each in load(name).FIGURES]
    return "\n".join(lines)


def section(name: str, told: Told | None) -> str:
    """All about one bench: what it asks, on what machine it ran, and its table."""
    bench = load(name)
    parts = [f"## {BENCHES[name]}", *docstring(bench.__doc__ or "")]
    if told is None:
        why = f", and run only by name: {BY_NAME_ONLY[name]}" if name in BY_NAME_ONLY else ""
        return "\n\n".join([*parts, f"`python bench/{name}.py`: not measured yet{why}."])
    results = results_of(told)
    used = [told["others_cpu"], *(each.get("others_cpu", 0.0) for each in results.values())]
    warning = f" **Something else used up to {number(max(used))} cores meanwhile.**"
    about = f"`{told['command']}`. {measured_on([told])}"
    parts.append(about + (warning if max(used) >= NOT_ALONE_FROM else ""))
    return "\n\n".join([*parts, table(bench.COLUMNS, results)])


def table(columns: Mapping[str, str], results: Mapping[str, Told]) -> str:
    """What the bench shows to people, but for columns with nothing in them; below it what is in no
    column."""
    used = [key for key in columns if any(each.get(key) is not None for each in results.values())]
    lines = [row(["case", *(columns[key] for key in used)]), row(["---"] * (1 + len(used)))]
    rest = []
    for case, values in results.items():
        cells = [shown(values.get(key)) for key in used]
        if any(cells):
            lines.append(row([case, *cells]))
        else:
            rest.append(f"{case}: {in_words(values)}.")
    return "\n\n".join(["\n".join(lines), *rest])


def docstring(text: str) -> Iterator[str]:
    """The question stands out; what is in columns keeps them."""
    question, *paragraphs = text.strip().split("\n\n")
    yield f"**{' '.join(question.split())}**"
    for paragraph in paragraphs:
        shown_text = paragraph.replace("``", "`")
        is_in_columns = re.search(r"^ |\S {2,}\S", paragraph, re.MULTILINE)
        yield f"```text\n{shown_text}\n```" if is_in_columns else shown_text


def results_of(told: Told | None) -> dict[str, Told]:
    """By case."""
    return told["results"] if told else {}


def measured_on(told: Iterable[Told]) -> str:
    """The machines, and the days."""
    machines, days = [], []
    for each in told:
        machine = each["machine"]
        cores = f"{machine['cores']} core{'s' if machine['cores'] != 1 else ''}"
        machines.append(f"{cores} ({machine['cpu']}), Python {machine['python']}")
        days.append(each["date"])
    if not days:
        return ""
    span = " to ".join(dict.fromkeys([min(days), max(days)]))
    return f"Measured on {' and on '.join(dict.fromkeys(machines))}, {span}."


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def write() -> None:
    """Write what is out of date."""
    for path, text in render(read_results()).items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


def main() -> None:
    parser = argument_parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="measure, keep, write")
    by_default = [name for name in BENCHES if name not in BY_NAME_ONLY]
    runs.add_argument("--only", nargs="+", choices=BENCHES, default=by_default, metavar="NAME")
    commands.add_parser("write", help="write the pages from what is kept")
    asked = parser.parse_args()
    failed = run_all(asked.only) if asked.command == "run" else []
    write()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
