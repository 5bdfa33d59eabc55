"""How the chart's pods come, get their models, leave, and whom they speak with. No cluster has run
them: it is what rendering can tell."""

from __future__ import annotations

import itertools
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from deploy.dockerfile import DOCKERFILE, command, read_stages
from pipeline.cli.serve import LAST_WORDS_S
from pipeline.metrics import Metrics
from pipeline.net.access import OPEN_PATHS
from tests.deploy.chart import NAMESPACE, SETS, Object, Rendered, Values, each_set
from tests.haproxy import find_haproxy, remarks

if TYPE_CHECKING:
    from pathlib import Path

STAGES = read_stages(DOCKERFILE.read_text(encoding="utf-8"))
PROGRAM = " ".join(command(STAGES["runtime"].named("ENTRYPOINT")[-1].rest))


# Coming and leaving.


@each_set
def test_probes_ask_what_the_server_answers_without_a_key(name: str) -> None:
    server = Rendered(SETS[name]).server
    probes = {
        kind: server[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")
    }
    assert {probe["path"] for probe in probes.values()} <= OPEN_PATHS
    assert probes["startup"]["path"] == probes["readiness"]["path"] == "/health/ready"
    assert probes["liveness"]["path"] == "/health/live"
    assert {probe["port"] for probe in probes.values()} == {"http"}


def test_a_start_may_take_as_long_as_the_values_say_and_is_no_failed_rollout_before() -> None:
    rendered = Rendered({"startup": {"periodSeconds": 10, "failureThreshold": 240}})
    probe = rendered.server["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 2400
    assert rendered.one("Deployment")["spec"]["progressDeadlineSeconds"] > 2400


@pytest.mark.parametrize(
    "leaving", [{}, {"settleSeconds": 3, "drainSeconds": 900, "graceSeconds": 45}]
)
def test_a_pod_has_the_time_that_it_needs_to_leave(leaving: dict[str, int]) -> None:
    """The kubelet counts from before preStop, and kills at the end."""
    rendered = Rendered({"leaving": leaving})
    grace_s = float(rendered.env["VOICE_SHUTDOWN_GRACE_S"])
    [port_of_image] = [each.rest for each in STAGES["runtime"].named("EXPOSE")]
    *_, pid, settle_s, drain_s, port = rendered.server["lifecycle"]["preStop"]["exec"]["command"]
    needed = int(settle_s) + int(drain_s) + grace_s + LAST_WORDS_S
    assert rendered.pod["spec"]["terminationGracePeriodSeconds"] > needed + 1
    assert (pid, port) == ("1", port_of_image)
    assert not rendered.pod["spec"].get("shareProcessNamespace")  # else 1 is another process


def test_who_leaves_waits_for_wyomings_listeners_too() -> None:
    rendered = Rendered(SETS["everything"])
    assert rendered.server["lifecycle"]["preStop"]["exec"]["command"][-2:] == ["8765", "10200"]


def test_an_update_takes_no_server_before_another_is_there_unless_the_values_say_so() -> None:
    def strategy(name: str) -> Object:
        found: Object = Rendered(SETS[name]).one("Deployment")["spec"]["strategy"]["rollingUpdate"]
        return found

    assert strategy("default") == {"maxUnavailable": 0, "maxSurge": 1}
    assert strategy("no spare GPU") == {"maxUnavailable": 1, "maxSurge": 0}


def test_keda_alone_counts_the_pods_and_asks_for_metrics_that_there_are() -> None:
    rendered = Rendered(SETS["KEDA"])
    assert "replicas" not in rendered.one("Deployment")["spec"]
    assert Rendered({"replicas": 0}).one("Deployment")["spec"]["replicas"] == 0
    spec = rendered.one("ScaledObject")["spec"]
    ours = set(re.findall(r"^# TYPE (\w+)", Metrics().render().decode(), re.MULTILINE))
    asked = [set(re.findall(r"voice_\w+", each["metadata"]["query"])) for each in spec["triggers"]]
    assert asked == [{"voice_load"}, {"voice_listeners", "voice_capacity"}]
    assert set(itertools.chain(*asked)) <= ours
    for trigger in spec["triggers"]:
        assert trigger["metadata"]["ignoreNullValues"] == "false"
        assert f'namespace="{NAMESPACE}"' in trigger["metadata"]["query"]
    assert spec["minReplicaCount"] >= 1


# Models.


def test_pods_wait_for_the_mark_of_the_job_that_fills_their_claim(tmp_path: Path) -> None:
    """Both programs are run here, with a folder and a command in place of the image's. A fetch that
    fails leaves no mark."""
    rendered = Rendered({})
    [wait] = rendered.pod["spec"]["initContainers"]
    job = rendered.one("Job")
    [fetch] = job["spec"]["template"]["spec"]["containers"]

    def run(container: Object, stand_in: str) -> subprocess.Popen[bytes]:
        words = [*container["command"], *container["args"]]
        here = [word.replace("/models", str(tmp_path)).replace(PROGRAM, stand_in) for word in words]
        return subprocess.Popen(here, stdout=subprocess.PIPE)

    with run(wait, "") as waiting:
        assert waiting.stdout is not None
        assert job["metadata"]["name"] in waiting.stdout.readline().decode()
        waiting.kill()
    with run(fetch, "false") as failing:
        assert failing.wait() == 1
    assert [*tmp_path.iterdir()] == []
    with run(fetch, "echo") as fetching:
        assert fetching.stdout is not None
        assert fetching.stdout.read() == b"fetch soprano\n"
    with run(wait, "") as waiting:
        assert waiting.wait() == 0


def test_another_fetch_is_another_job_and_the_same_is_the_same() -> None:
    """A job cannot be changed: an upgrade would fail."""

    def name(values: Values) -> str:
        found: str = Rendered(values).one("Job")["metadata"]["name"]
        return found

    others: list[Values] = [
        {"models": {"fetch": ["soprano", "rmvpe"]}},
        {"models": {"revision": "main"}},
        {"models": {"claim": "other"}},
        {"image": {"tag": "cuda-2"}},
        {"tmpSize": "9Gi"},
    ]
    assert len({name({}), *map(name, others)}) == 1 + len(others)
    assert name({"replicas": 7, "options": {"voice": "de"}, "podLabels": {"a": "b"}}) == name({})


def test_servers_only_read_the_shared_claim_and_many_nodes_can_mount_it() -> None:
    rendered = Rendered({})
    claim = rendered.one("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    for pod, is_read_only in zip(rendered.pods()[:2], (True, False), strict=True):
        [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == "models"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert volume["persistentVolumeClaim"].get("readOnly", False) is is_read_only


def test_without_a_shared_volume_each_pod_fetches_for_itself() -> None:
    rendered = Rendered(SETS["each pod fetches"])
    assert rendered.all("Job") + rendered.all("PersistentVolumeClaim") == []
    [fetch] = rendered.pod["spec"]["initContainers"]
    assert "command" not in fetch  # the image's own
    assert fetch["args"] == ["fetch", "soprano"]


@pytest.mark.parametrize("name", ["light", "filled claim"])
def test_where_nothing_is_to_be_fetched_nobody_waits(name: str) -> None:
    rendered = Rendered(SETS[name])
    assert "initContainers" not in rendered.pod["spec"]
    assert rendered.all("Job") == []
    has_models = any(each["name"] == "models" for each in rendered.server["volumeMounts"])
    assert has_models is (name == "filled claim")


# Networks.


def test_only_the_fetch_reaches_the_hub_and_only_named_namespaces_the_server() -> None:
    server, fetch = Rendered(SETS["network policy"]).all("NetworkPolicy")
    assert [each["ports"][0]["port"] for each in server["spec"]["egress"]] == [53]
    assert [each["ports"][0]["port"] for each in fetch["spec"]["egress"]] == [53, 443]
    assert "ingress" not in fetch["spec"]
    assert fetch["spec"]["policyTypes"] == ["Ingress", "Egress"]
    [rule] = server["spec"]["ingress"]
    tests, namespaces = rule["from"]
    [pod] = Rendered(SETS["network policy"]).all("Pod")
    assert tests["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    [words] = namespaces["namespaceSelector"]["matchExpressions"]
    assert words["values"] == ["haproxy", "monitoring"]
    assert [each["port"] for each in rule["ports"]] == ["http"]


def test_where_each_pod_fetches_each_reaches_the_hub() -> None:
    [server] = Rendered(SETS["each pod fetches"]).all("NetworkPolicy")
    assert [each["ports"][0]["port"] for each in server["spec"]["egress"]] == [53, 443]


@pytest.mark.parametrize("controller", ["haproxy-ingress", "haproxytech"])
def test_what_an_ingress_writes_into_haproxys_configuration_is_right(
    controller: str, tmp_path: Path
) -> None:
    if (haproxy := find_haproxy()) is None:
        pytest.skip("haproxy is missing: it did not look at the backend's lines")
    ingress = {**SETS["ingress"]["ingress"], "controller": controller}
    annotations = Rendered({"ingress": ingress, "agentPort": 8766}).one("Ingress")["metadata"][
        "annotations"
    ]
    [lines] = [text for text in annotations.values() if "\n" in text]
    defaults = "defaults\nmode http\ntimeout connect 1s\ntimeout client 1s\ntimeout server 1s"
    backend = f"listen b\nbind 127.0.0.1:8765\n{lines}\nserver s 127.0.0.1:1 check"
    assert "[WARNING]" not in remarks(haproxy, f"{defaults}\n{backend}\n", tmp_path)


def test_what_is_said_of_an_ingress_goes_before_what_its_controller_gets() -> None:
    ours = {"haproxy-ingress.github.io/timeout-tunnel": "10m"}
    ingress = {**SETS["ingress"]["ingress"], "annotations": ours}
    annotations = Rendered({"ingress": ingress}).one("Ingress")["metadata"]["annotations"]
    assert annotations.items() > ours.items()
