"""The figures in the README and in docs/performance.md are those that were measured."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench import report
from bench.reporting import pages, results
from bench.reporting.figures import BUILT_IN, GROUPS
from bench.reporting.plots import PLOTS
from bench.reporting.quantities import Cell, Largest, MostWithoutGaps, Times, at_least, at_most
from bench.reporting.results import BadResult, NotMeasured, Result, Results
from bench.reporting.runs import ROOT, RUNS, Run
from docs import regions

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {"cpu": "an abacus", "cores": 1, "python": "3.11.2", "load": 0.0}
RESULT = Result(
    name="sessions",
    command="python bench/sessions.py",
    date="2026-01-02",
    took_s=60.0,
    others_cpu=0.0,
    conditions={},
    machine=MACHINE,
    columns={"listeners": "listeners", "gaps": "gaps"},
    rows=(
        {"listeners": 100, "pitch_shift": 0.0, "gaps": 0},
        {"listeners": 300, "pitch_shift": 0.0, "gaps": 0},
        {"listeners": 200, "pitch_shift": 0.0, "gaps": 7},
        {"listeners": 100, "pitch_shift": 4.0, "gaps": 1},
    ),
)
GAPS = Cell("sessions", "gaps", {"listeners": 200})
LAST_LINE = json.dumps({"machine": MACHINE, "columns": {"ms": "ms"}, "results": [{"ms": 1.5}]})
EMPTY_LINE = json.dumps({"machine": MACHINE, "columns": {"ms": "ms"}, "results": []})


def test_pages_and_plots_show_what_was_measured() -> None:
    """`python bench/report.py write` writes them anew."""
    rendered = pages.render(results.read_all())
    stale = [
        path.name
        for path, text in rendered.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == []
    assert set(pages.IMAGES.glob("performance-*.svg")) == {
        path for path in rendered if path.suffix == ".svg"
    }


def test_no_figure_stands_in_a_table_of_the_readme_but_those_that_were_measured() -> None:
    text = regions.removed(pages.README.read_text(encoding="utf-8"), pages.REGION)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row for row in rows if re.search(r"\d", re.sub(r"!\[.*?\]\(.*?\)", "", row))] == []


def test_what_has_not_been_measured_says_so() -> None:
    rendered = pages.render(Results({}))
    assert rendered.keys() == {pages.README, pages.PERFORMANCE}
    text = rendered[pages.PERFORMANCE]
    figures = [figure for group in GROUPS for figure in group.figures]
    assert text.count(pages.NOT_MEASURED) == len(figures) + len(RUNS)
    assert "met" not in re.findall(r": \**(\w+)", text)


def test_every_bench_has_an_entry() -> None:
    programs = {
        path.stem
        for path in (ROOT / "bench").glob("*.py")
        if "\ndef main() " in path.read_text(encoding="utf-8")
    }
    assert {run.script for run in RUNS} == programs - {"report", "hostile"}  # which bench/disturbance.py starts
    assert len({run.name for run in RUNS}) == len(RUNS)


def test_figures_and_plots_are_of_runs_that_exist() -> None:
    named = {run for group in GROUPS for figure in group.figures for run in figure.runs}
    assert (named | PLOTS.keys()) - {run.name for run in RUNS} == set()


@pytest.mark.parametrize("name", sorted(path.stem for path in results.FOLDER.glob("*.json")))
def test_results_are_of_runs_that_exist(name: str) -> None:
    assert name in {run.name for run in RUNS}


def test_a_figure_that_a_result_lacks_is_named() -> None:
    known = Results({"sessions": RESULT})
    with pytest.raises(BadResult, match=r"sessions\.json has no figure 'speed' in the row with"):
        Cell("sessions", "speed", {"listeners": 200}).read(known)
    with pytest.raises(BadResult, match=r"sessions\.json has 0 rows .*'listeners': 99"):
        Cell("sessions", "gaps", {"listeners": 99}).read(known)
    with pytest.raises(BadResult, match=r"sessions\.json has 2 rows"):
        Cell("sessions", "gaps", {"listeners": 100}).read(known)
    with pytest.raises(NotMeasured, match="soak"):
        Cell("soak", "gaps", {}).read(known)


def test_what_a_plot_lacks_is_named() -> None:
    with pytest.raises(BadResult, match=r"sessions\.json has no 'first_audio_ms_p50'"):
        PLOTS["sessions"].draw(RESULT)


def test_a_file_that_lacks_something_is_named(tmp_path: Path) -> None:
    results.write(RESULT, tmp_path)
    path = tmp_path / "sessions.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    del told["machine"]
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(BadResult, match=r"sessions\.json lacks .*'machine'"):
        results.read_all(tmp_path)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    soak = replace(RESULT, name="soak", rows=({"minutes": [0.1, 2e-05, 3]},))
    for result in (RESULT, soak):
        results.write(result, tmp_path)
    known = results.read_all(tmp_path)
    assert (known.of("sessions"), known.of("soak")) == (RESULT, soak)
    assert list(known.of("sessions").columns) == ["listeners", "gaps"]


def test_gaps_end_the_count_of_listeners() -> None:
    known = Results({"sessions": RESULT})
    assert Largest("sessions", "gaps").read(known) == 7
    with pytest.raises(BadResult, match=r"sessions.json has no row with bats"):
        Largest("sessions", "bats").read(known)
    assert MostWithoutGaps("sessions", 0.0).read(known) == 100
    assert MostWithoutGaps("sessions", 4.0).read(known) == 0
    with pytest.raises(BadResult, match="pitch shift"):
        MostWithoutGaps("sessions", 12.0).read(known)


def test_times_are_not_taken_of_nothing() -> None:
    known = Results({"sessions": RESULT})
    assert Times(Cell("sessions", "listeners", {"gaps": 7}), GAPS).read(known) == 200 / 7
    with pytest.raises(BadResult, match="is 0"):
        Times(GAPS, Cell("sessions", "gaps", {"listeners": 300})).read(known)


def test_a_target_is_met_up_to_its_limit() -> None:
    assert [at_most(8).is_met_by(value) for value in (7, 8, 8.001)] == [True, True, False]
    assert [at_least(8).is_met_by(value) for value in (7.999, 8, 9)] == [False, True, True]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"), (0.0, "0"), (0.0042, "0.004"), (0.27, "0.27"), (3.0, "3"), (83.14, "83.1"),
        (292.4, "292"), (2378.4, "2,378"), (20_000, "20,000"), (-0.05, "-0.05"),
        (999.4, "999"), (999.9, "1,000"),
    ],
)  # fmt: skip
def test_numbers_have_as_many_digits_as_tell_something(value: float, shown: str) -> None:
    assert pages.number(value) == shown


def test_a_reader_is_told_what_makes_figures_doubtful() -> None:
    shown = replace(
        RESULT,
        name="connections",
        others_cpu=0.7,
        conditions={"OMP_NUM_THREADS": "1"},
        rows=({"case": "a", "gaps": 1, "others_cpu": 1.25},),
    )
    with pytest.raises(BadResult):  # it lacks figures that stand beside targets
        pages.render(Results({"connections": shown}))
    (run,) = [run for run in RUNS if run.name == "connections"]
    text = " ".join(pages.warnings([run], Results({"connections": shown})))
    assert "up to 1.25 cores" in text
    assert "OMP_NUM_THREADS 1" in text


def test_a_table_tells_with_which_options_a_bench_was_run() -> None:
    row = {"rss_kb_per_min": 9.0, "rss_kb_per_min_error": 4.0, "fds_per_min": 0, "tasks_per_min": 0}
    soak = replace(RESULT, name="soak", command="python bench/soak.py --minutes 60", rows=(row,))
    figures = [each for each in BUILT_IN.figures if each.runs == ("soak",)]
    text = pages.table(BUILT_IN, figures, Results({"soak": soak}))
    assert "`python bench/soak.py --minutes 60`" in text
    assert "| 9 kB | ≤ 100 kB: met | within 100 kB of none | `bench/soak.py` |" in text


def project(folder: Path, programs: dict[str, str]) -> list[Run]:
    """One with these benches, and an old result of each."""
    (folder / "bench" / "results").mkdir(parents=True)
    for name, program in programs.items():
        (folder / "bench" / f"{name}.py").write_text(program, encoding="utf-8")
        results.write(replace(RESULT, name=name), folder / "bench" / "results")
    return [Run(name, name, name, "--fast") for name in programs]


def test_a_bench_that_fails_keeps_its_old_result_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = {
        "crashes": f"print({LAST_LINE!r}); raise SystemExit(3)",
        "babbles": "print('done')",
        "measures": f"import sys; print(sys.argv[1]); print({LAST_LINE!r})",
        "nothing": f"print({EMPTY_LINE!r})",
        "nan": f"print({LAST_LINE.replace('1.5', 'NaN')!r})",
    }
    assert report.measure_all(project(tmp_path, programs), tmp_path) == 4
    known = results.read_all(tmp_path / "bench" / "results")
    for name in programs.keys() - {"measures"}:
        assert known.of(name) == replace(RESULT, name=name)
    fresh = known.of("measures")
    assert fresh.rows == ({"ms": 1.5},)
    assert fresh.command == "python bench/measures.py --fast"
    out, err = capsys.readouterr()
    assert "\n--fast\n" in out
    assert "crashes failed, its old result stays: python bench/crashes.py --fast ended with" in err
    assert err.endswith("failed: crashes, babbles, nothing, nan\n")


def test_what_a_run_will_take_goes_by_the_last_time() -> None:
    known = Results({"sessions": RESULT, "soak": replace(RESULT, name="soak")})
    runs = [Run("sessions", "", "sessions"), Run("new", "", "new"), Run("soak", "", "soak", "--x")]
    told = report.estimate(runs, known)
    assert told == "3 runs, about 1.0 minutes and what 2 take that have not run so yet"


def test_a_region_must_be_there_once() -> None:
    page = "a\n<!-- figures: by a program -->\nold\n<!-- end of figures -->\nb\n"
    new = regions.replaced(page, "figures", "new")
    assert new == "a\n<!-- figures: by a program -->\n\nnew\n\n<!-- end of figures -->\nb\n"
    assert regions.replaced(new, "figures", "new") == new
    for other in ("a\n", page + page):
        with pytest.raises(ValueError, match="regions 'figures' instead of one"):
            regions.replaced(other, "figures", "new")
