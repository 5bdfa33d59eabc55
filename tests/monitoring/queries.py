"""The alert rules; what PromQL asks for, as far as regular expressions can tell; and what servers
tell of."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from pipeline.metrics import Metrics
from tests.server_process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]

OF_BALANCER = [alert for alert in ALERTS if "haproxy_" in alert["expr"]]
"""Those that ask for HAProxy's figures: `tests/cluster` has one."""

_SELECTOR = re.compile(r"\b((?:voice|process|python|haproxy)_\w+|up|ALERTS)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")

OF_SCRAPES = {"job", "instance"}
PROMETHEUS_OWN = {"up": OF_SCRAPES, "ALERTS": {"alertname", "alertstate", *OF_SCRAPES}}


def strangers(query: str, known: dict[str, set[str]]) -> set[str]:
    """Metrics and labels in a query that there are not."""
    found, labels = set(), set(OF_SCRAPES)
    for name, matchers in _SELECTOR.findall(query):
        if name not in known:
            found.add(name)
            continue
        own = known[name] | OF_SCRAPES
        labels |= own
        found |= {f"{name}: {label}" for label in _MATCHER.findall(matchers) if label not in own}
    for grouped in _GROUPING.findall(query):
        found |= {label.strip() for label in grouped.split(",")} - labels
    return found


def known_metrics(rendered: str) -> dict[str, set[str]]:
    """The metrics of a real server by name, with their labels: also of those that have had no
    reason yet to be told of with any."""
    known = {family.name: set[str]() for family in text_string_to_metric_families(rendered)}
    ours = Metrics()
    ours.watch_connections(lambda: 0, lambda: 0, {"": 0})
    for metric in vars(ours).values():
        if isinstance(metric, MetricWrapperBase) and metric._labelnames:  # noqa: SLF001 - else it tells of none
            metric.labels(*("" for _ in metric._labelnames))  # noqa: SLF001 - likewise
    of_server: dict[str, set[str]] = {}
    for text in (rendered, ours.render().decode()):
        for family in text_string_to_metric_families(text):
            if family.name not in known:
                continue
            for sample in family.samples:
                of_server.setdefault(sample.name, set()).update(sample.labels)
    # Of a counter without samples yet only its family's name is known.
    bare = {name: set[str]() for family in known for name in (family, f"{family}_total")}
    return {**bare, **of_server, **PROMETHEUS_OWN}


def told_metrics(rendered: str) -> dict[str, set[str]]:
    """The metrics that a text tells of by name, with their labels."""
    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(rendered):
        for sample in family.samples:
            told.setdefault(sample.name, set()).update(sample.labels)
    return told


def promtool() -> str:
    """The program; skips the test where it is not."""
    own = ROOT / "tests" / "monitoring" / ".promtool" / "promtool"
    found = str(own) if own.exists() else shutil.which("promtool")
    if found is None:
        pytest.skip("there is no promtool: tests/monitoring/install.sh fetches it where it can")
    return found


def run_promtool(*arguments: str | Path) -> str:
    """What it says, which has to be good."""
    done = subprocess.run(
        [promtool(), *arguments], capture_output=True, encoding="utf-8", check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
