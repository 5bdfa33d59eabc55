"""What compose.yaml promises, as far as reading it can tell."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml

from deploy.dockerfile import DOCKERFILE, pairs, read_stages
from deploy.haproxy.options import read_options
from pipeline.cli.settings import ServeSettings
from pipeline.net.keys import KEYS_VARIABLE

ROOT = DOCKERFILE.parent
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
STAGES = read_stages(DOCKERFILE.read_text(encoding="utf-8"))
HAPROXY_PAGE = (ROOT / "docs" / "haproxy.md").read_text(encoding="utf-8").replace("\\\n", "")
PROFILES = "cpu", "cuda", "rocm"


def test_there_is_a_profile_for_each_kind_of_device() -> None:
    for name in PROFILES:
        assert SERVICES[name]["profiles"] == [name]


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_builds_the_target_of_its_name(name: str) -> None:
    build = SERVICES[name]["build"]
    assert (ROOT / build["context"] / "Dockerfile").exists()
    assert build["target"] == name
    assert name in STAGES
    assert SERVICES[name]["image"] == f"voice-server:{name}"


@pytest.mark.parametrize("name", PROFILES)
def test_what_is_mounted_are_the_images_volumes(name: str) -> None:
    env: dict[str, Any] = {}
    for instruction in STAGES["runtime"].named("ENV"):
        env |= pairs(instruction.rest)
    mounts = dict(mount.rpartition(":")[::-2] for mount in SERVICES[name]["volumes"])
    assert mounts.keys() == {env["VOICE_MODELS"], env["VOICE_VOICES"]}
    for source in mounts.values():
        volume = re.sub(r"^\$\{\w+:-(\w+)\}$", r"\1", source)
        assert volume in FILE["volumes"]


@pytest.mark.parametrize("name", PROFILES)
def test_the_port_is_published_on_this_machine_alone_unless_said_otherwise(name: str) -> None:
    [exposed] = STAGES["runtime"].named("EXPOSE")
    [port] = SERVICES[name]["ports"]
    assert port == f"${{PUBLISH:-127.0.0.1:8765}}:{exposed.rest}"


@pytest.mark.parametrize("name", PROFILES)
def test_signals_reach_it_before_it_listens_for_them(name: str) -> None:
    assert SERVICES[name]["init"]


@pytest.mark.parametrize("name", SERVICES)
def test_it_starts_again_and_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["read_only"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - in the container
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service
    assert "user" not in service


def test_the_gpus_are_asked_for() -> None:
    [nvidia] = SERVICES["cuda"]["deploy"]["resources"]["reservations"]["devices"]
    assert nvidia["driver"] == "nvidia"
    assert nvidia["capabilities"] == ["gpu"]
    assert set(SERVICES["rocm"]["devices"]) == {"/dev/kfd", "/dev/dri"}
    assert all(re.fullmatch(r"\$\{\w+:-\d+\}", group) for group in SERVICES["rocm"]["group_add"])


def test_every_variable_of_ours_is_an_option_and_no_key_stands_in_the_file() -> None:
    known = {KEYS_VARIABLE, *(f"VOICE_{name.upper()}" for name in ServeSettings.model_fields)}
    assert set(re.findall(r"\bVOICE_\w+", TEXT)) <= known
    for service in SERVICES.values():
        assert all("=" not in variable for variable in service.get("environment", ()))


def in_profile(profile: str) -> dict[str, dict[str, Any]]:
    """The servers of a cluster, by the name that the balancer knows."""
    found = {}
    for name, service in SERVICES.items():
        if profile in service["profiles"] and name != "balancer":
            [alias] = service["networks"]["cluster"]["aliases"]
            found[alias] = service
    return found


@pytest.mark.parametrize(("profile", "target"), [("cluster", "cuda"), ("cluster-light", "light")])
def test_a_cluster_is_reached_through_its_balancer_alone(profile: str, target: str) -> None:
    """By the names in the documented command, with its places and its agent's port."""
    balancer = SERVICES["balancer"]
    assert profile in balancer["profiles"]
    assert balancer["ports"] == SERVICES["cpu"]["ports"]
    servers = in_profile(profile)
    [command] = re.findall(r"python3 deploy/haproxy/configure.py (.*--no-root.*) >", HAPROXY_PAGE)
    options = read_options(shlex.split(command))
    assert [server.host for server in options.servers] == list(servers)
    for asked, service in zip(options.servers, servers.values(), strict=True):
        assert service["ports"] == []
        assert service["build"]["target"] == target
        assert service["image"] == f"voice-server:{target}"
        told = dict(zip(service["command"][::2], service["command"][1::2], strict=True))
        assert told == {
            "--max-listeners": str(asked.places),
            "--agent-port": str(asked.agent),
            "--trusted-proxies": balancer["networks"]["cluster"]["ipv4_address"],
        }


def test_the_servers_of_a_cluster_have_a_gpu_each() -> None:
    ids = [
        device["device_ids"]
        for service in in_profile("cluster").values()
        for device in service["deploy"]["resources"]["reservations"]["devices"]
    ]
    assert ids == [[str(n)] for n in range(len(ids))]
