"""The figures in the README and in docs/performance.md are those that were measured."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from bench import report
from bench.common import ROOT, Figure, Playback, number
from bench.sessions import most_without_gaps
from docs import regions

if TYPE_CHECKING:
    from pathlib import Path

TOLD: dict[str, Any] = {
    "command": "python bench/idle.py",
    "date": "2026-01-02",
    "machine": {"cpu": "an abacus", "cores": 1, "python": "3.11.2"},
    "took_s": 60.0,
    "others_cpu": 0.0,
    "results": {"opened": {"kb_each": 101.5, "tasks_each": 9}, "machine": {"beads": 70}},
}


def test_the_pages_show_what_was_measured() -> None:
    """`python bench/report.py write` writes them anew: no figure in them was typed by hand."""
    rendered = report.render(report.read_results())
    stale = [
        path.name for path, text in rendered.items() if path.read_text(encoding="utf-8") != text
    ]
    assert stale == []


@pytest.mark.parametrize("path", [report.README, report.PERFORMANCE], ids=lambda path: path.name)
def test_no_measured_figure_stands_in_a_table_outside_its_region(path: Path) -> None:
    """Times, shares and kilobytes are measured; what an engine needs of memory, in MB and GB, may
    be typed."""
    text = regions.removed(path.read_text(encoding="utf-8"), report.REGION)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row for row in rows if re.search(r"\d ?(?:(?:ms|s|kB)\b|%)|\bmet\b|missed", row)] == []


def test_every_bench_has_a_place_on_the_page() -> None:
    benches = (ROOT / "bench").glob("*.py")
    with_figures = {path.stem for path in benches if "\nFIGURES = " in path.read_text("utf-8")}
    assert report.BENCHES.keys() == with_figures
    assert report.read_results().keys() <= report.BENCHES.keys()


@pytest.mark.parametrize("name", sorted(report.read_results().keys() - report.BY_NAME_ONLY.keys()))
def test_a_bench_measures_what_it_declares(name: str) -> None:
    """Where it can be run whenever a figure is added: a GPU is not always at hand."""
    results = report.read_results()[name]["results"]
    figures = report.load(name).FIGURES
    assert [each for each in figures if results.get(each.case, {}).get(each.key) is None] == []


def test_random_weights_are_called_random_wherever_their_figures_stand() -> None:
    for name, title in report.BENCHES.items():
        text = " ".join((report.load(name).__doc__ or "").split())
        is_random = "weights are random" in text or "random weights" in text
        assert ("random weights" in title) == is_random, name


def test_what_has_not_been_measured_says_so() -> None:
    rendered = report.render({})
    figures = [figure for name in report.BENCHES for figure in report.load(name).FIGURES]
    text = rendered[report.PERFORMANCE]
    assert text.count("not measured yet") == len(figures) + len(report.BENCHES)
    assert ": met" not in text
    assert rendered[report.README].count("not measured yet") == len(report.IN_README)


def test_a_section_has_the_machine_the_table_and_what_is_in_no_column() -> None:
    text = report.section("idle", TOLD)
    assert (
        "`python bench/idle.py`. Measured on 1 core (an abacus), Python 3.11.2, 2026-01-02.\n"
        in text
    )
    assert "| case | kB each | tasks each |\n| --- | --- | --- |\n| opened | 102 | 9 |" in text
    assert text.endswith("\n\nmachine: beads 70.")


def test_a_reader_is_warned_where_the_machine_was_shared() -> None:
    warning = "Something else used up to 1.25 cores meanwhile."
    assert warning in report.section("idle", TOLD | {"others_cpu": 1.25})
    shared = {"opened": {"kb_each": 1, "others_cpu": 1.25}}
    assert warning in report.section("idle", TOLD | {"results": shared})


def test_a_figure_is_shown_beside_its_target_and_prediction() -> None:
    size = Figure("size", "opened", "kb_each", "kB", at_most=100, predicted="70")
    results = TOLD["results"]
    assert size.cells(results) == ["size", "102 kB", "≤ 100 kB: **missed**", "70 kB"]
    assert size.cells({}) == ["size", "not measured yet", "≤ 100 kB", "70 kB"]
    few, many = (Figure("", "opened", "tasks_each", at_least=limit) for limit in (9, 9.5))
    assert [each.cells(results)[2] for each in (few, many)] == ["≥ 9: met", "≥ 9.5: **missed**"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"), (0.0, "0"), (0.0042, "0.004"), (0.27, "0.27"), (3.0, "3"), (83.14, "83.1"),
        (292.4, "292"), (2378.4, "2,378"), (20_000, "20,000"), (-0.05, "-0.05"),
        (999.4, "999"), (999.9, "1,000"),
    ],
)  # fmt: skip
def test_numbers_have_as_many_digits_as_tell_something(value: float, shown: str) -> None:
    assert number(value) == shown


def test_gaps_end_the_count_of_listeners() -> None:
    tried = [{"listeners": n, "gaps": gaps} for n, gaps in ((300, 0), (100, 0), (200, 7))]
    assert most_without_gaps(tried) == 100
    assert most_without_gaps([{"listeners": 1, "gaps": 1}]) == 0


def test_a_player_hears_a_gap_where_audio_comes_late() -> None:
    playback = Playback(10)
    assert [playback.play(10, now) for now in (5.0, 5.5, 8.0)] == [5.0, 6.0, 8.0]
    assert (playback.first_at, playback.dry_at, playback.gaps_s) == (5.0, 9.0, [1.0])


def test_a_bench_that_fails_keeps_its_old_result_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = {
        "crashes": "print('{}'); raise SystemExit(3)",
        "babbles": "print('done')",
        "measures": "print('a table'); print('{\"took_s\": 30}')",
    }
    (tmp_path / "bench" / "results").mkdir(parents=True)
    for name, program in programs.items():
        (tmp_path / "bench" / f"{name}.py").write_text(program, encoding="utf-8")
        path = tmp_path / "bench" / "results" / f"{name}.json"
        path.write_text(json.dumps(TOLD), encoding="utf-8")
    assert report.run_all(list(programs), tmp_path) == ["crashes", "babbles"]
    assert report.read_results(tmp_path) == {
        "crashes": TOLD, "babbles": TOLD, "measures": {"took_s": 30}
    }  # fmt: skip
    out, err = capsys.readouterr()
    assert out.startswith("about 3.0 minutes")
    assert "a table" in out
    assert "took_s" not in out
    assert "crashes failed, its old result stays: it ended with status 3" in err
    assert err.endswith("failed: crashes, babbles\n")


def test_a_region_must_be_there_once() -> None:
    page = "a\n<!-- figures: by a program -->\nold\n<!-- end of figures -->\nb\n"
    new = regions.replaced(page, "figures", "new")
    assert new == "a\n<!-- figures: by a program -->\n\nnew\n\n<!-- end of figures -->\nb\n"
    assert regions.replaced(new, "figures", "new") == new
    for other in ("a\n", page + page):
        with pytest.raises(ValueError, match="regions 'figures' instead of one"):
            regions.replaced(other, "figures", "new")
