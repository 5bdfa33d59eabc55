"""Grafana's dashboard, as far as reading it can tell: Grafana itself is not run here."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.monitoring.queries import known_metrics, run_promtool, strangers
from tests.server_process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.monitoring.conftest import Told

DASHBOARD: dict[str, Any] = json.loads(
    (ROOT / "deploy" / "grafana" / "voice-server.json").read_text(encoding="utf-8")
)
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VARIABLES: dict[str, dict[str, Any]] = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
QUERIES = [
    (panel["title"], target["expr"]) for panel in PANELS for target in panel.get("targets", ())
]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

COLUMNS = 24
"""Of Grafana's grid."""


def plain(query: str) -> str:
    """A query with values in the place of Grafana's variables."""
    query = query.replace("$__rate_interval", "5m").replace("$job", ".+").replace("$instance", ".+")
    assert "$" not in query
    return query


def test_panels_have_ids_of_their_own_and_say_what_they_show() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in PANELS]
    assert all(titles)
    assert len(set(titles)) == len(titles)
    charts = [panel for panel in PANELS if panel["type"] != "row"]
    assert all(chart["description"] for chart in charts)


def test_panels_lie_in_the_grid_and_not_on_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in PANELS:
        at = panel["gridPos"]
        assert at["x"] >= 0
        assert at["x"] + at["w"] <= COLUMNS
        columns, rows = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        for cell in itertools.product(columns, rows):
            assert cell not in taken, (panel["title"], taken[cell])
            taken[cell] = panel["title"]


def test_it_asks_whichever_prometheus_is_chosen_for_the_servers_that_are() -> None:
    assert VARIABLES.keys() == {"datasource", "job", "instance"}
    assert VARIABLES["datasource"]["type"] == "datasource"
    assert VARIABLES["datasource"]["query"] == "prometheus"
    for panel in PANELS:
        if panel["type"] != "row":
            assert panel["datasource"] == SOURCE
            assert [target["datasource"] for target in panel["targets"]] == (
                [SOURCE] * len(panel["targets"])
            )
    for title, query in QUERIES:
        metrics = re.findall(r"\b(?:voice|process)_\w+", query)
        chosen = query.count('job=~"$job", instance=~"$instance"')
        assert metrics, title
        assert chosen == len(metrics), title


def test_it_asks_for_nothing_that_no_server_tells(told: Told) -> None:
    known = known_metrics(told.metrics)
    asked = [*QUERIES, *((name, one["query"]["query"]) for name, one in VARIABLES.items()
                         if one["type"] == "query")]  # fmt: skip
    assert [
        (title, strange) for title, query in asked if (strange := strangers(query, known))
    ] == []


def test_it_shows_all_that_a_server_tells_of_listeners_and_engines(told: Told) -> None:
    """What a server tells and nobody looks at is listed here, with the reason."""
    shown = {name for _, query in QUERIES for name in re.findall(r"\bvoice_\w+", query)}
    shown = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in shown}
    told_of = set(re.findall(r"^# TYPE (voice_\w+?)(?:_total)? ", told.metrics, re.MULTILINE))
    assert {name for name in told_of - shown if not name.endswith("_created")} == set()


def test_prometheus_can_read_each_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": plain(query)}
        for number, (_, query) in enumerate(QUERIES)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    said = run_promtool("check", "rules", file)
    assert f"{len(rules)} rules found" in said


@pytest.mark.parametrize("panel", [one for one in PANELS if one["type"] != "row"],
                         ids=lambda one: str(one["title"]))  # fmt: skip
def test_each_line_of_a_panel_has_a_name_of_its_own(panel: dict[str, Any]) -> None:
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters)
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert len(set(legends)) == len(legends)
    used = {label for legend in legends for label in re.findall(r"{{(\w+)}}", legend)}
    assert used <= {"instance", "engine", "stage", "reason", "code", "key", "limit", "voice",
                    "outcome"}  # fmt: skip
