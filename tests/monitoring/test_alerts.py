"""The alert rules: they fire when they should, of metrics that there are, and say what to do."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.docs.pages import page
from tests.monitoring.queries import (
    ALERTS,
    OF_BALANCER,
    RULES,
    known_metrics,
    run_promtool,
    strangers,
)
from tests.server_process import ROOT

if TYPE_CHECKING:
    from tests.monitoring.conftest import Told

STORIES = ROOT / "tests" / "monitoring" / "alerts_test.yaml"
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


def test_prometheus_takes_the_rules() -> None:
    run_promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


def test_each_alert_fires_where_it_should_and_not_beside_it() -> None:
    """By Prometheus' own machinery, over hours of figures that are made up."""
    run_promtool("test", "rules", STORIES)


def test_each_alert_has_a_story_in_which_it_fires_and_one_moment_in_which_it_does_not() -> None:
    for group in yaml.safe_load(STORIES.read_text(encoding="utf-8"))["tests"]:
        assert [] in [look["exp_samples"] for look in group["promql_expr_test"]], group["name"]
    fired = set(re.findall(r'alertname="(\w+)"', STORIES.read_text(encoding="utf-8")))
    assert fired == {alert["alert"] for alert in ALERTS}


@each_alert
def test_an_alert_says_what_it_is_and_where_to_read_what_to_do(alert: dict[str, Any]) -> None:
    told = alert["annotations"]
    assert told["summary"]
    assert told["description"]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    path, _, anchor = told["runbook_url"].partition("#")
    assert path == "docs/monitoring.md"
    assert anchor == alert["alert"].lower()
    assert anchor in page("docs/monitoring.md").anchors()


def test_the_rules_ask_for_nothing_that_no_server_tells(told: Told) -> None:
    known = known_metrics(told.metrics)
    of_servers = [alert for alert in ALERTS if alert not in OF_BALANCER]
    assert {alert["alert"]: strangers(alert["expr"], known) for alert in of_servers} == {
        alert["alert"]: set() for alert in of_servers
    }


def test_what_is_not_there_is_found(told: Told) -> None:
    known = known_metrics(told.metrics)
    asked = 'sum by (wish) (rate(voice_refused_total{why="full"}[5m])) + voice_wish'
    assert strangers(asked, known) == {"wish", "voice_refused_total: why", "voice_wish"}


def test_the_example_of_a_configuration_takes_the_rules_and_is_taken() -> None:
    run_promtool("check", "config", "--syntax-only", RULES.with_name("prometheus.yaml"))
    example = yaml.safe_load(RULES.with_name("prometheus.yaml").read_text(encoding="utf-8"))
    assert example["rule_files"] == [RULES.name]
    [job] = example["scrape_configs"]
    assert re.search("voice", job["job_name"])


def test_the_rules_are_kubernetes_too() -> None:
    """As the Prometheus operator has them, with the labels that it looks for."""
    script = RULES.with_name("prometheus_rule.sh")
    printed = subprocess.run([script, "release=a b"], capture_output=True, check=True).stdout
    rule = yaml.safe_load(printed)
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "a b"
    assert rule["spec"] == yaml.safe_load(RULES.read_text(encoding="utf-8"))
