"""The chart, rendered by Helm with sets of values."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dockerfile import DOCKERFILE
from tests.server_process import PATIENCE_S

CHART = DOCKERFILE.parent / "deploy" / "helm"
HELM = Path(sys.executable).with_name("helm")
RELEASE, NAMESPACE = "voice", "speech"

Values = dict[str, Any]
Object = dict[str, Any]

KEDA = {"enabled": True, "prometheus": "http://prometheus.monitoring:9090"}
INGRESS = {
    "enabled": True,
    "controller": "haproxy-ingress",
    "className": "haproxy",
    "hosts": ["voice.example.org"],
    "tls": [{"hosts": ["voice.example.org"], "secretName": "certificate"}],
}
POLICY = {
    "enabled": True,
    "ingressNamespaces": ["haproxy"],
    "monitoringNamespaces": ["monitoring"],
}
EVERYTHING: Values = {
    "imagePullSecrets": [{"name": "registry"}],
    "options": {
        "allowed_hosts": ["voice.internal"],
        "boundary_wait_ms": 120.5,
        "log_format": "text",
        "max_listeners": 64,
        "preload": ["anna", "miku"],
        "skip_emoji": False,
        "uploads_quota_mb": 10_000_000,
        "voice": "en-us+f3",
    },
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
    "agentPort": 8766,
    "wyoming": {"enabled": True},
    "models": {
        "fetch": ["soprano", "hubert", "rmvpe", "piper", "en_GB-alba-medium"],
        "revision": "main",
        "storageClass": "shared",
        "env": [
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
        ],
    },
    "voices": {"claim": "voices", "readOnly": False},
    "keda": KEDA | {"authentication": "prometheus"},
    "networkPolicy": POLICY
    | {
        "from": [{"podSelector": {"matchLabels": {"app": "bot"}}}],
        "wyomingFrom": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        "egress": [{"to": [{"podSelector": {}}], "ports": [{"port": 4318}]}],
    },
    "serviceMonitor": {
        "enabled": True,
        "keySecret": "prometheus-key",
        "labels": {"release": "prometheus"},
    },
    "service": {"annotations": {"example.org/a": "b"}},
    "ingress": INGRESS,
    "httpRoute": {
        "enabled": True,
        "parentRefs": [{"name": "gateway", "namespace": "infrastructure"}],
        "hostnames": ["voice.example.net"],
    },
    "nodeSelector": {"gpu": "h100"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
        }
    ],
    "priorityClassName": "high",
    "runtimeClassName": "nvidia",
    "podAnnotations": {"example.org/c": "d"},
    "podLabels": {"team": "speech"},
    "extraVolumes": [{"name": "usage", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "usage", "mountPath": "/usage"}],
}

SETS: dict[str, Values] = {
    "default": {},
    "amd": {"gpu": {"resource": "amd.com/gpu", "groups": [44, 992]}},
    "light": {
        "gpu": {"resource": ""},
        "image": {"tag": "light"},
        "models": {"fetch": []},
        "keys": {"none": True},
    },
    "each pod fetches": {"models": {"volume": "pod"}, "networkPolicy": POLICY},
    "filled claim": {"models": {"fetch": [], "claim": "filled"}},
    "no spare GPU": {"replicas": 4, "rollout": {"maxUnavailable": 1, "maxSurge": 0}},
    "KEDA": {"keda": KEDA},
    "ingress": {"ingress": INGRESS, "trustedProxies": ["10.0.0.0/8"]},
    "network policy": {"networkPolicy": POLICY},
    "everything": EVERYTHING,
}


each_set = pytest.mark.parametrize("name", SETS)


def helm(*arguments: str, values: Values | None = None) -> subprocess.CompletedProcess[str]:
    """What Helm says to a command about the chart, with these values."""
    return subprocess.run(
        [str(HELM), *arguments, "--values", "-"],
        input=json.dumps(values or {}),
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def template(values: Values) -> subprocess.CompletedProcess[str]:
    return helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, values=values)


class Rendered:
    """The objects that a set of values makes. Look, but do not change them: they are cached."""

    def __init__(self, values: Values) -> None:
        self.text, self.objects = _rendered(json.dumps(values))

    def all(self, kind: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str) -> Object:
        [found] = self.all(kind)
        return found

    @property
    def pod(self) -> Object:
        """The server's pods, as the Deployment makes them."""
        template: Object = self.one("Deployment")["spec"]["template"]
        return template

    @property
    def server(self) -> Object:
        """Their container."""
        [container] = self.pod["spec"]["containers"]
        found: Object = container
        return found

    @property
    def env(self) -> dict[str, str]:
        return {each["name"]: each["value"] for each in self.server["env"]}

    def pods(self) -> list[Object]:
        """Templates of all pods, those of the job and the test included."""
        templates = [
            each["spec"]["template"] for kind in ("Deployment", "Job") for each in self.all(kind)
        ]
        return templates + self.all("Pod")


@functools.cache
def _rendered(values: str) -> tuple[str, list[Object]]:
    done = template(json.loads(values))
    assert done.returncode == 0, done.stderr
    return done.stdout, parse(done.stdout)


def parse(text: str) -> list[Object]:
    """The objects of a text."""
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
