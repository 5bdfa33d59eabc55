"""Wrong values are refused before anything is installed, by a message that names them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from deploy import chart_options
from pipeline.cli.settings import ServeSettings
from tests.deploy.chart import CHART, INGRESS, KEDA, Rendered, template

if TYPE_CHECKING:
    from tests.deploy.chart import Values

VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads(chart_options.PATH.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"nonsense": 1}, "Additional property nonsense is not allowed"),
        ({"options": {"voise": "de"}}, "options: Additional property voise is not allowed"),
        ({"options": {"port": 80}}, "options: Additional property port is not allowed"),
        ({"options": {"max_listeners": 0}}, "options.max_listeners: Must be greater than or equal"),
        ({"options": {"engine": "festival"}}, "options.engine: options.engine must be one of"),
        ({"options": {"preload": "anna"}}, "options.preload: Invalid type. Expected: array"),
        ({"image": {"tag": "cuda latest"}}, "image.tag: Does not match pattern"),
        ({"gpu": {"resource": "nvidia"}}, "gpu.resource: Does not match pattern"),
        ({"gpu": {"resource": "example.org/gpu"}}, "image.tag: name one"),
        ({"image": {"tag": "light"}}, "models.fetch: the image light cannot fetch any"),
        ({"models": {"volume": "nfs"}}, 'must be one of the following: "shared", "pod"'),
        ({"models": {"volume": "pod", "claim": "x"}}, "models.claim: is of no use"),
        ({"models": {"size": "much"}}, "models.size: Does not match pattern"),
        ({"voices": {"readOnly": False}}, "voices.readOnly: uploads need a claim"),
        ({"trustedProxies": ["proxy.local"]}, "trustedProxies.0: Does not match pattern"),
        ({"leaving": {"drainSeconds": -1}}, "leaving.drainSeconds: Must be greater than or equal"),
        ({"startup": {"failureThreshold": 0}}, "startup.failureThreshold: Must be greater than"),
        ({"rollout": {"maxSurge": 0}}, "maxUnavailable and maxSurge are both 0"),
        ({"rollout": {"maxSurge": "0%"}}, "maxUnavailable and maxSurge are both 0"),
        ({"keda": {"enabled": True}}, "keda.prometheus: say at which address"),
        ({"keda": {"minReplicas": 0}}, "keda.minReplicas: Must be greater than or equal to 1"),
        ({"keda": KEDA | {"minReplicas": 20}}, "keda: minReplicas is more than maxReplicas"),
        ({"keda": {"target": 70}}, "keda.target: Must be less than or equal to 1"),
        ({"serviceMonitor": {"enabled": True}}, "serviceMonitor.keySecret: /metrics needs a key"),
        ({"ingress": INGRESS | {"controller": "nginx"}}, "ingress.controller must be one of"),
        ({"ingress": {"enabled": True}}, "ingress.hosts: name the hosts"),
        ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs: name the Gateway"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_name(values: Values, told: str) -> None:
    done = template(values)
    assert done.returncode == 1
    assert told in done.stderr
    assert "nil pointer" not in done.stderr


def test_metrics_need_no_key_where_nothing_does() -> None:
    rendered = Rendered({"keys": {"none": True}, "serviceMonitor": {"enabled": True}})
    [endpoint] = rendered.one("ServiceMonitor")["spec"]["endpoints"]
    assert "authorization" not in endpoint


def test_the_schema_has_the_servers_options_as_they_are_now() -> None:
    """To mend it: python -m deploy.chart_options."""
    text = chart_options.PATH.read_text(encoding="utf-8")
    assert chart_options.render(text) == text


def test_the_chart_sets_itself_what_it_does_not_let_be_set() -> None:
    """Each of these is an option, or was one."""
    assert ServeSettings.model_fields.keys() >= chart_options.OWN


def test_the_schema_knows_every_value_and_the_values_file_every_one_of_the_schema() -> None:
    def names(tree: object, schema: dict[str, object], at: str = "") -> set[str]:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or at == ".options":
            return {at}
        assert isinstance(tree, dict)
        assert schema["additionalProperties"] is False
        assert tree.keys() == properties.keys() - {"global"}, at
        return set().union(*(names(tree[each], properties[each], f"{at}.{each}") for each in tree))

    assert len(names(VALUES, {"additionalProperties": False, **SCHEMA})) > len(VALUES)


def test_patterns_are_such_as_helms_language_knows() -> None:
    """Go's have no lookaround, and would fail where the value is looked at."""
    patterns = re.findall(r'"pattern": "(.*)"', chart_options.PATH.read_text(encoding="utf-8"))
    assert patterns
    assert not [pattern for pattern in patterns if re.search(r"\(\?[=!<]", pattern)]
