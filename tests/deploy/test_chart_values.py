"""Wrong values are refused before anything is installed, by a message that names them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy import chart_options
from deploy.dockerfile import DOCKERFILE
from pipeline.cli.settings import ServeSettings
from tests.deploy.chart import (
    CHART,
    INGRESS,
    KEDA,
    NAMESPACE,
    RELEASE,
    SETS,
    Rendered,
    helm,
    parse,
    template,
)
from tests.docs.pages import page, rows

if TYPE_CHECKING:
    from pathlib import Path

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
        ({"fullnameOverride": "1st"}, "fullnameOverride: 1st cannot name a Service"),
        ({"fullnameOverride": "a.b"}, "fullnameOverride: a.b cannot name a Service"),
        ({"fullnameOverride": "null"}, "fullnameOverride: null cannot name a Service"),
        ({"agentPort": 8765}, "agentPort, wyoming.port: each needs a port of its own"),
        ({"agentPort": 10200, "wyoming": {"enabled": True}}, "each needs a port of its own"),
        ({"service": {"port": 10200}, "wyoming": {"enabled": True}}, "service.port: wyoming.port"),
        ({"extraVolumes": [{"name": "tmp", "emptyDir": {}}]}, "extraVolumes: tmp is a name"),
        ({"extraVolumeMounts": [{"name": "a", "mountPath": "/models/"}]}, "/models/ is a place"),
        ({"podLabels": {"app.kubernetes.io/name": "x"}}, "podLabels: app.kubernetes.io/name is"),
        ({"extraEnv": [{"name": "A", "value": 1}]}, "extraEnv.0.value: Invalid type"),
        ({"models": {"fetch": ["--help"]}}, "models.fetch.0: Does not match pattern"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_name(values: Values, told: str) -> None:
    done = template(values)
    assert done.returncode == 1
    assert told in done.stderr
    assert "nil pointer" not in done.stderr


def test_a_name_of_digits_stays_a_text() -> None:
    """Kubernetes takes no number for a label, and to YAML ``7`` is one."""
    done = helm("template", "7", str(CHART), "--set-string", "fullnameOverride=a,nameOverride=8")
    assert done.returncode == 0, done.stderr
    for each in parse(done.stdout):
        labels = each["metadata"].get("labels", {})
        assert all(isinstance(label, str) for label in labels.values()), each["kind"]


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


def leaves(tree: object, schema: dict[str, Any], at: str = "") -> set[str]:
    """The paths of all values, of which those whose parts are not ours are one. Each folder must be
    told in full by the schema."""
    properties = schema.get("properties")
    if properties is None or at == "options":
        return {at}
    assert isinstance(tree, dict)
    assert schema["additionalProperties"] is False, at
    assert tree.keys() == properties.keys() - {"global"}, at
    paths = (leaves(tree[each], properties[each], f"{at}.{each}".strip(".")) for each in tree)
    return set().union(*paths)


def test_the_schema_knows_every_value_and_the_page_tells_of_it() -> None:
    told = page("docs/kubernetes.md").section("Values")
    words = {word for row in rows(told) for word in re.findall(r"`([\w.]+)`", row[0])}
    assert words == leaves(VALUES, SCHEMA)


def test_the_pages_installations_can_be_rendered() -> None:
    commands = [
        shlex.split(command)
        for snippet in page("docs/kubernetes.md").snippets("sh")
        for command in snippet.commands()
        if command.startswith("helm install ")
    ]
    assert len(commands) == 2
    for _, _, release, chart, *arguments in commands:
        done = helm("template", release, str(DOCKERFILE.parent / chart), *arguments)
        assert done.returncode == 0, done.stderr


def test_patterns_are_such_as_helms_language_knows() -> None:
    """Go's have no lookaround, and would fail where the value is looked at."""
    patterns = re.findall(r'"pattern": "(.*)"', chart_options.PATH.read_text(encoding="utf-8"))
    assert patterns
    assert not [pattern for pattern in patterns if re.search(r"\(\?[=!<]", pattern)]


@pytest.mark.parametrize("name", ["default", "light", "ingress", "everything"])
def test_helm_tells_what_comes_next(name: str, tmp_path: Path) -> None:
    """Helm renders its notes only where there is a cluster: here they become an object."""
    chart = tmp_path / "helm"
    shutil.copytree(CHART, chart)
    shutil.move(chart / "templates" / "NOTES.txt", chart)
    notes = 'kind: Notes\ntext: {{ tpl (.Files.Get "NOTES.txt") . | toJson }}\n'
    (chart / "templates" / "notes.yaml").write_text(notes)
    done = helm("template", RELEASE, str(chart), "--namespace", NAMESPACE, values=SETS[name])
    assert done.returncode == 0, done.stderr
    [told] = [each["text"] for each in parse(done.stdout) if each["kind"] == "Notes"]
    rendered = Rendered(SETS[name])
    deployment = rendered.one("Deployment")["metadata"]["name"]
    assert f"rollout status deployment/{deployment}" in told
    assert ("create secret generic voice-server-keys" in told) is (name != "light")
    assert [each["metadata"]["name"] for each in rendered.all("Job")] == [
        *{*re.findall(r"job/(\S+)", told)}
    ]
    assert ("https://voice.example.org/" in told) is (name in {"ingress", "everything"})
    assert "  \n" not in told
    assert "\n\n\n" not in told
