"""Writes the figures into docs/performance.md and the README, from results alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.reporting.figures import GROUPS
from bench.reporting.plots import PLOTS
from bench.reporting.results import NotMeasured
from bench.reporting.runs import ROOT, RUNS
from docs.regions import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bench.reporting.quantities import Figure, Group
    from bench.reporting.results import Result, Results
    from bench.reporting.runs import Run

README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
REGION = "figures"

NOT_MEASURED = "not measured yet"
NOT_ALONE_FROM = 0.1
"""Cores that others use, from which on figures are to be distrusted: a quiet machine's own doings
take some hundredths."""


def render(results: Results) -> dict[Path, str]:
    """Every file that has figures in it, as it should be."""
    plots = {
        IMAGES / f"performance-{name}.svg": plot.draw(results.of(name))
        for name, plot in PLOTS.items()
        if name in results
    }
    readme = README.read_text(encoding="utf-8")
    performance = PERFORMANCE.read_text(encoding="utf-8")
    return {
        README: replaced(readme, REGION, _groups(GROUPS, results, in_readme=True)),
        PERFORMANCE: replaced(
            performance,
            REGION,
            "\n\n".join([_beside_targets(results), *(_section(run, results) for run in RUNS)]),
        ),
        **plots,
    }


def number(value: float) -> str:
    """Three digits that tell something, or all of a larger one."""
    if isinstance(value, int) or abs(value) >= 999.5:  # from where on :.3g writes 1e+03
        return f"{value:,.0f}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 0.1 else f"{value:.3g}"


def _beside_targets(results: Results) -> str:
    return "## Beside targets and predictions\n\n" + _groups(GROUPS, results, in_readme=False)


def _groups(groups: Iterable[Group], results: Results, *, in_readme: bool) -> str:
    tables = []
    for group in groups:
        figures = [each for each in group.figures if each.in_readme or not in_readme]
        if figures:
            tables.append(table(group, figures, results))
    return "\n\n".join(tables)


def table(group: Group, figures: Sequence[Figure], results: Results) -> str:
    """These figures of a group, below what there is to know of them all."""
    names = dict.fromkeys(name for figure in figures for name in figure.runs)
    runs = [run for run in RUNS if run.name in names]
    measured = [results.of(run.name) for run in runs if run.name in results]
    told = [f"**{group.title}.** {group.remark}", *warnings(runs, results)]
    told += _when_and_where(measured)
    told += [
        f"With options of its own: `{results.of(run.name).command}`."
        for run in runs
        if run.name in results and results.of(run.name).command != run.command
    ]
    head = ["| | measured | target | predicted | by |", "|---|---|---|---|---|"]
    return "\n".join([" ".join(told), "", *head, *(_line(each, results) for each in figures)])


def warnings(runs: Iterable[Run], results: Results) -> Iterator[str]:
    """What a reader must know before any figure."""
    if any(run.random_weights for run in runs):
        yield (
            "**The weights are random**, of the true size and architecture, which cost what "
            "trained ones do and say nothing about the sound."
        )
    measured = [(run, results.of(run.name)) for run in runs if run.name in results]
    others = max((result.disturbance for _, result in measured), default=0.0)
    if others >= NOT_ALONE_FROM:
        yield f"**Something else used up to {number(others)} cores meanwhile.**"
    conditions = dict.fromkeys(
        f"{name} {value}" for _, result in measured for name, value in result.conditions.items()
    )
    if conditions:
        yield f"Not as by default: {', '.join(conditions)}."


def _when_and_where(measured: Iterable[Result]) -> Iterator[str]:
    """Each machine, and the days."""
    days: dict[str, set[str]] = {}
    for result in measured:
        days.setdefault(machine(result), set()).add(result.date)
    for name, dates in days.items():
        span = min(dates) if len(dates) == 1 else f"{min(dates)} to {max(dates)}"
        yield f"Measured on {name}, {span}."


def machine(result: Result) -> str:
    """The processor, and what Python."""
    told = result.machine
    cores = "core" if told["cores"] == 1 else "cores"
    return f"{told['cores']} {cores} ({told['cpu']}), Python {told['python']}"


def _line(figure: Figure, results: Results) -> str:
    scripts = dict.fromkeys(
        f"`{run.command.removeprefix('python ')}`" if run.script != run.name else f"`{run.path}`"
        for run in RUNS
        if run.name in figure.runs
    )
    unit = f" {figure.unit}" if figure.unit else ""
    try:
        values = [each.read(results) for each in figure.shown]
    except NotMeasured:
        values = []
    measured = " / ".join(map(number, values)) + unit if values else NOT_MEASURED
    target = ""
    if figure.target is not None:
        target = f"{figure.target.sign} {number(figure.target.limit)}{unit}"
        if values:
            target += ": met" if figure.target.is_met_by(values[-1]) else ": **missed**"
    return f"| {figure.what} | {measured} | {target} | {figure.predicted} | {', '.join(scripts)} |"


def _section(run: Run, results: Results) -> str:
    """Everything about one run."""
    parts = [f"## {run.title}", _docstring(run)]
    if run.name not in results:
        why = f", and run only by name: {run.left_out_because}" if run.left_out_because else ""
        return "\n\n".join([*parts, f"`{run.command}`: {NOT_MEASURED}{why}."])
    result = results.of(run.name)
    told = [f"`{result.command}`", *warnings([run], results), *_when_and_where([result])]
    parts += [" ".join([f"{told[0]}:", *told[1:]]), _rows(result)]
    parts += _beside_the_table(result)
    if run.name in PLOTS:
        parts.append(f"![{PLOTS[run.name].alt}](images/performance-{run.name}.svg)")
    return "\n\n".join(parts)


def _docstring(run: Run) -> str:
    """The bench's own words: its question stands out, what is in columns keeps them."""
    first = next(each for each in RUNS if each.script == run.script)
    if run is not first:
        anchor = first.title.lower().replace(" ", "-")
        return f"What is asked and predicted stands under [{first.title}](#{anchor})."
    question, *paragraphs = run.docstring.split("\n\n")
    return "\n\n".join([f"**{' '.join(question.split())}**", *map(_paragraph, paragraphs)])


def _paragraph(text: str) -> str:
    is_in_columns = re.search(r"^ |\S {2,}\S", text, re.MULTILINE)
    return f"```text\n{text}\n```" if is_in_columns else text.replace("``", "`")


def _rows(result: Result) -> str:
    """What the bench shows to people, but for columns with nothing in them."""
    keys = [key for key in result.columns if any(row.get(key) is not None for row in result.rows)]
    figures = [key for key in keys if key != "case"]
    head = " | ".join(result.columns[key] for key in keys)
    lines = [
        " | ".join(_shown(row.get(key)) for key in keys)
        for row in result.rows
        if any(row.get(key) is not None for key in figures)
    ]
    return "\n".join(f"| {line} |" for line in (head, " | ".join(["---"] * len(keys)), *lines))


def _beside_the_table(result: Result) -> Iterator[str]:
    """Rows that none of the columns is for."""
    figures = [key for key in result.columns if key != "case"]
    for row in result.rows:
        if all(row.get(key) is None for key in figures):
            rest = [f"{key} {_shown(value)}" for key, value in row.items() if key != "case"]
            yield f"{row['case']}: {', '.join(rest)}."


def _shown(value: object) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, int | float) else str(value)
