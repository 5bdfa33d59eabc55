"""What the chart's objects mean, as far as rendering them can tell. No cluster has run them."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from deploy.dockerfile import DOCKERFILE, command, pairs, read_stages
from pipeline.cli.option_sources import load
from pipeline.cli.settings import ServeSettings
from pipeline.net.keys import KEYS_VARIABLE
from tests.deploy.chart import (
    CHART,
    NAMESPACE,
    RELEASE,
    SETS,
    Object,
    Rendered,
    each_set,
    helm,
    parse,
    template,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME = read_stages(DOCKERFILE.read_text(encoding="utf-8"))["runtime"]
IMAGE = {name: value for env in RUNTIME.named("ENV") for name, value in pairs(env.rest).items()}
CHART_YAML: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

OLDEST = CHART_YAML["kubeVersion"].removeprefix(">=").removesuffix(".0-0")
VERSIONS = OLDEST, "1.32", "1.37"
"""Of Kubernetes: the chart's oldest, Helm's own, and the newest that kubernetes-validate has."""

OTHERS = {
    "keda.sh/v1alpha1": "ScaledObject",
    "monitoring.coreos.com/v1": "ServiceMonitor",
    "gateway.networking.k8s.io/v1": "HTTPRoute",
}
"""Objects that are not Kubernetes' own: no package of a registry carries their schemas."""


def objects() -> Iterator[tuple[str, Object]]:
    """Every object of every set, those that are alike once."""
    seen = set()
    for name in ("everything", *SETS):
        for each in Rendered(SETS[name]).objects:
            if (text := json.dumps(each)) not in seen:
                seen.add(text)
                yield name, each


@pytest.mark.parametrize("name", ["default", "everything"])
def test_helm_has_no_remark(name: str) -> None:
    done = helm("lint", "--strict", "--quiet", str(CHART), values=SETS[name])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout


def test_every_object_is_what_kubernetes_takes_and_nothing_is_misspelt() -> None:
    for name, each in objects():
        if OTHERS.get(each["apiVersion"]) == each["kind"]:
            continue
        versions = VERSIONS if name == "everything" else VERSIONS[-1:]
        for version in versions:
            kubernetes_validate.validate(each, version, strict=True)


def test_the_validator_would_tell() -> None:
    broken = {**Rendered({}).one("Service"), "spec": {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_the_same_values_give_the_same_text() -> None:
    """No random names and no times, by which a tool that compares would roll out for nothing."""
    assert template(SETS["everything"]).stdout == Rendered(SETS["everything"]).text


def test_every_kind_of_object_is_in_everything() -> None:
    kinds = {each["kind"] for _, each in objects()}
    assert {each["kind"] for each in Rendered(SETS["everything"]).objects} == kinds
    assert set(OTHERS.values()) < kinds


def test_names_are_short_enough_however_long_the_release() -> None:
    done = helm("template", "r" * 53, str(CHART), values=SETS["everything"])
    for each in parse(done.stdout):
        assert len(each["metadata"]["name"]) <= 63


def test_the_chart_is_of_the_project() -> None:
    project = tomllib.loads((DOCKERFILE.parent / "pyproject.toml").read_text())["project"]
    assert CHART_YAML["appVersion"] == project["version"]
    assert (CHART_YAML["name"], RELEASE) == ("voice-server", "voice")


# Who is who.


@each_set
def test_a_selector_finds_the_servers_pods_and_no_others(name: str) -> None:
    """The job's and the test's have labels like theirs, and would be sent clients."""
    rendered = Rendered(SETS[name])
    selectors = [rendered.one("Deployment")["spec"]["selector"]["matchLabels"]]
    selectors += [each["spec"]["selector"] for each in rendered.all("Service")]
    selectors += [
        each["spec"]["selector"]["matchLabels"] for each in rendered.all("PodDisruptionBudget")
    ]
    selectors += [
        each["spec"]["podSelector"]["matchLabels"]
        for each in rendered.all("NetworkPolicy")
        if not each["metadata"]["name"].endswith("-fetch")
    ]
    for selector in selectors:
        found = [
            pod for pod in rendered.pods() if selector.items() <= pod["metadata"]["labels"].items()
        ]
        assert found == [rendered.pod]


def test_a_new_version_of_the_chart_alone_stops_no_server() -> None:
    for pod in Rendered({}).pods()[:2]:
        assert "helm.sh/chart" not in pod["metadata"]["labels"]


def test_monitor_scaler_ingress_and_route_name_what_there_is() -> None:
    rendered = Rendered(SETS["everything"])
    service, deployment = rendered.one("Service"), rendered.one("Deployment")
    name = service["metadata"]["name"]
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    monitor = rendered.one("ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in ports
    scaled = rendered.one("ScaledObject")["spec"]
    assert scaled["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    [rule] = rendered.one("Ingress")["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert path["backend"]["service"]["name"] == name
    assert path["backend"]["service"]["port"]["name"] in ports
    [backend] = rendered.one("HTTPRoute")["spec"]["rules"][0]["backendRefs"]
    assert (backend["name"], backend["port"]) == (name, ports["http"])


# What the image is.


@each_set
def test_what_is_mounted_and_asked_for_is_as_in_the_image(name: str) -> None:
    rendered = Rendered(SETS[name])
    mounts = {each["mountPath"] for each in rendered.server["volumeMounts"]}
    paths = {"/tmp", IMAGE["VOICE_MODELS"], IMAGE["VOICE_VOICES"], "/etc/voice-server/keys"}  # noqa: S108 - in the container
    assert mounts - {"/usage"} <= paths
    ports = {each["name"]: each["containerPort"] for each in rendered.server["ports"]}
    assert ports["http"] == int(IMAGE["VOICE_PORT"])
    assert not {"VOICE_HOST", "VOICE_PORT", "VOICE_MODELS", "VOICE_VOICES"} & rendered.env.keys()


@each_set
def test_a_pod_may_do_little_and_is_the_images_user(name: str) -> None:
    user, group = map(int, RUNTIME.named("USER")[-1].rest.split(":"))
    for pod in Rendered(SETS[name]).pods():
        spec = pod["spec"]
        security = spec["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (
            user,
            group,
            group,
        )
        assert security["runAsNonRoot"]
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec["automountServiceAccountToken"]
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@each_set
def test_no_service_of_the_namespace_becomes_a_variable(name: str) -> None:
    """One called voice would be VOICE_PORT=tcp://10.0.0.1:8765, which no server starts with."""
    for pod in Rendered(SETS[name]).pods():
        assert pod["spec"]["enableServiceLinks"] is False


def test_commands_call_what_the_image_has() -> None:
    program = " ".join(command(RUNTIME.named("ENTRYPOINT")[-1].rest))
    [job] = Rendered({}).one("Job")["spec"]["template"]["spec"]["containers"]
    assert job["args"][0].startswith(f'{program} "$@" && ')
    [test] = Rendered({}).one("Pod")["spec"]["containers"]
    assert test["command"][0] == program.split()[0]


@pytest.mark.parametrize(
    ("values", "target", "gpus"),
    [
        ({}, "cuda", {"nvidia.com/gpu": 1}),
        ({"gpu": {"resource": "nvidia.com/mig-1g.10gb"}}, "cuda", {"nvidia.com/mig-1g.10gb": 1}),
        (SETS["amd"], "rocm", {"amd.com/gpu": 1}),
        ({"gpu": {"resource": ""}}, "cpu", {}),
        (SETS["light"], "light", {}),
    ],
)
def test_a_pod_has_one_gpu_and_the_image_for_it(
    values: dict[str, Any], target: str, gpus: dict[str, int]
) -> None:
    rendered = Rendered(values)
    assert rendered.server["image"] == f"voice-server:{target}"
    assert target in read_stages(DOCKERFILE.read_text(encoding="utf-8"))
    limits = rendered.server["resources"]["limits"]
    assert {name: n for name, n in limits.items() if "/" in name} == gpus
    tolerated = [each["key"] for each in rendered.pod["spec"].get("tolerations", [])]
    assert tolerated == [*gpus]
    for pod in rendered.pods()[1:]:
        assert not any(
            "/" in name for name in pod["spec"]["containers"][0]["resources"]["requests"]
        )


# What the server is told.


@each_set
def test_every_variable_of_ours_is_an_option(name: str) -> None:
    known = {KEYS_VARIABLE, *(f"VOICE_{option.upper()}" for option in ServeSettings.model_fields)}
    assert {each for each in Rendered(SETS[name]).env if each.startswith("VOICE_")} <= known


def test_the_server_reads_what_the_values_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also numbers that Go would write as 1e+07, and lists."""
    for name, value in Rendered(SETS["everything"]).env.items():
        monkeypatch.setenv(name, value)
    options = load(ServeSettings, [])
    given = {**SETS["everything"]["options"]}
    hosts = given.pop("allowed_hosts")
    assert {name: getattr(options, name) for name in given} == given
    service = Rendered(SETS["everything"]).one("Service")["metadata"]["name"]
    assert {*hosts, service, f"{service}.{NAMESPACE}.svc"} < {*options.allowed_hosts}
    assert {"voice.example.org", "voice.example.net"} < {*options.allowed_hosts}
    assert [*map(str, options.trusted_proxies)] == SETS["everything"]["trustedProxies"]
    assert (options.uploads, options.wyoming_port) == (True, 10200)


def test_uploads_are_off_where_they_would_be_in_one_pod_only() -> None:
    assert Rendered({}).env["VOICE_UPLOADS"] == "false"
    assert Rendered({"voices": {"claim": "voices"}}).env["VOICE_UPLOADS"] == "false"


def test_nobody_needs_no_key_unless_the_values_say_so() -> None:
    default, light = Rendered({}), Rendered(SETS["light"])
    assert "VOICE_ALLOW_NO_KEY" not in default.env
    assert light.env["VOICE_ALLOW_NO_KEY"] == "true"
    [mount] = [each for each in default.server["volumeMounts"] if each["name"] == "keys"]
    assert default.env["VOICE_API_KEYS_FILE"] == f"{mount['mountPath']}/keys.toml"
    assert mount["readOnly"]  # or the server refuses a file that its group may read
    assert "subPath" not in mount  # or it would never be brought up to date
    assert "VOICE_API_KEYS_FILE" not in light.env
