"""What the pages name exists, and what exists is named where all of it should be."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from docs import configuration, regions
from pipeline.cli.settings import CheckSettings, FetchSettings, ServeSettings, SpeakSettings
from pipeline.dialects.native import Config
from pipeline.metrics import Metrics
from pipeline.net.keys import KEYS_VARIABLE
from stages.rvc.voices.settings import VoiceSettings
from stages.voices import Voice
from tests.docs.pages import PAGES, Page, page, rows
from tests.server_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

OPTIONS = {
    name
    for command in (ServeSettings, SpeakSettings, FetchSettings, CheckSettings)
    for name in command.model_fields
}

OTHERS_FLAGS = {
    "--help": "every program's",
    "--entrypoint": "docker's",
    "--format": "uv's",
    "--no-deps": "pip's",
    "--require-hashes": "pip's",
    "--strict": "pip-audit's",
    "--upgrade": "uv's",
    "--fail-with-body": "curl's",
    "--debian": "deploy/try_in_chroot.sh's",
    "--build-arg": "docker's",
    "--from-file": "kubectl's",
    "--gpus": "docker's",
    "--group-add": "docker's",
    "--init": "docker's",
    "--key": "the examples'",
    "--only": "bench/report.py's",
    "--profile": "docker's",
    "--read-only": "docker's",
    "--reinstall-package": "uv's",
    "--rm": "docker's",
    "--certificate": "deploy/haproxy/configure.py's",
    "--check": "deploy/haproxy/configure.py's",
    "--metrics": "deploy/haproxy/configure.py's",
    "--no-root": "deploy/haproxy/configure.py's",
    "--places": "deploy/haproxy/configure.py's",
    "--queue": "deploy/haproxy/configure.py's",
    "--redirect": "deploy/haproxy/configure.py's",
    "--server": "deploy/haproxy/configure.py's",
    "--socket": "deploy/haproxy/configure.py's",
    "--wyoming": "deploy/haproxy/configure.py's",
    "--set": "helm's",
    "--signal": "docker's, and systemctl's",
    "--timeout": "helm's",
    "--target": "docker's, and deploy/try_in_chroot.sh's",
    "--tmpfs": "docker's",
    "--torch-backend": "uv's",
    "--url": "the examples'",
    "--wait": "helm's",
    "--version": "every program's",
}
"""Flags that the pages name and the server does not have."""

FILES = re.compile(
    r"(?<![\w./-])((?:bench|docs|examples|pipeline|property_tests|stages|tests)/[\w./-]*\.\w+)"
)
NAMES_OF_METRICS = re.compile(r"(?<![\w/.])voice_[a-z_]+\b(?!\.py)")


def flags(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))


def typed(page: Page) -> str:
    """A page without what `bench/report.py` writes: there the flags are those of benches, in
    commands that were run."""
    return regions.removed(page.text, "figures")


@each_page
def test_links_lead_somewhere(page: Page) -> None:
    dead = []
    for link in page.links():
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue  # elsewhere
        target = (page.path.parent / path).resolve() if path else page.path
        if not target.exists() or (anchor and anchor not in Page(target).anchors()):
            dead.append(link)
    assert dead == []


@each_page
def test_options_exist(page: Page) -> None:
    ours = {f"--{name.replace('_', '-')}" for name in OPTIONS}
    switches = {
        f"--no-{name.replace('_', '-')}"
        for name, field in ServeSettings.model_fields.items()
        if field.annotation is bool
    }
    assert flags(typed(page)) - ours - switches - OTHERS_FLAGS.keys() == set()


def test_the_list_of_others_flags_has_no_more_than_it_needs() -> None:
    assert OTHERS_FLAGS.keys() - flags("".join(map(typed, PAGES))) == set()


@each_page
def test_environment_variables_exist(page: Page) -> None:
    ours = {f"VOICE_{name.upper()}" for name in OPTIONS} | {KEYS_VARIABLE}
    assert set(re.findall(r"VOICE_[A-Z_]*[A-Z]", page.text)) - ours == set()


@each_page
def test_metrics_exist(page: Page) -> None:
    """That docs/metrics.md has all of them is asked in tests/test_metrics.py."""
    ours = set(re.findall(r"^# TYPE (\w+)", Metrics().render().decode(), re.MULTILINE))
    ours |= {f"{name}_{part}" for name in ours for part in ("bucket", "sum", "count")}
    assert set(NAMES_OF_METRICS.findall(page.text)) - ours == set()


@each_page
def test_files_exist(page: Page) -> None:
    missing = [name for name in FILES.findall(page.text) if not (ROOT / name).exists()]
    assert missing == []


@each_page
def test_make_has_what_it_is_asked_for(page: Page) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = re.findall(r"`([^`]+)`", page.prose()) + [each.text for each in page.snippets("sh")]
    asked = re.findall(r"(?:^|&& )make ([a-z]+)", "\n".join(code), re.MULTILINE)
    assert set(asked) - targets == set()


def test_every_package_has_its_licence_told() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["models"],
        *project["project"]["optional-dependencies"]["tracing"],
        *project["dependency-groups"]["dev"],
        *project["dependency-groups"]["tools"],
    ]
    told = " ".join(row[0] for row in rows(page("docs/licences.md").text))
    names = [re.split(r"[\[<>=;]", each)[0] for each in wanted]
    assert [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}\b", told)] == []


def test_the_tables_of_options_are_up_to_date() -> None:
    """`python -m docs.configuration` writes them anew."""
    text = configuration.PATH.read_text(encoding="utf-8")
    assert configuration.render(text) == text
    assert {
        name.lower().removeprefix("--").replace("-", "_")
        for name in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    } >= OPTIONS


def test_each_setting_of_a_voice_is_told_with_its_range_and_default() -> None:
    fields = VoiceSettings.model_json_schema()["properties"]
    told = {
        row[0].strip("`"): row
        for row in rows(page("docs/voices.md").section("Settings of a voice"))
    }
    assert told.keys() == fields.keys()
    for name, field in fields.items():
        _, values, default, _ = told[name]
        check_values(values, field)
        assert (
            default == "none"
            if field["default"] is None
            else read_default(default) == field["default"]
        )


def test_each_key_of_a_connection_is_told_with_its_range() -> None:
    fields = Config.model_json_schema()["properties"]
    told = {
        row[0].strip("`"): row for row in rows(page("docs/protocol.md").section("2. Configuration"))
    }
    assert told.keys() == fields.keys()
    for name, field in fields.items():
        if name not in {"seed", "sample_rate"}:  # told in words; checked by a function
            check_values(told[name][1], field)


def table(name: str, section: str) -> dict[str, list[str]]:
    """The rows of a section's table, by what stands first in them."""
    return {row[0].strip("`"): row for row in rows(page(name).section(section))}


def check_values(values: str, field: Mapping[str, Any]) -> None:
    """Bounds and choices, as the schema has them."""
    kinds = [field, *field.get("anyOf", ())]
    for kind in kinds:
        for word in kind.get("enum", ()):
            assert f"`{word}`" in values
        for bound in ("minimum", "maximum"):
            if bound in kind:
                assert re.search(rf"(?<![\d.-]){kind[bound]:g}(?![\d.])", values), (values, bound)


def read_default(shown: str) -> str | float | bool | None:
    """A default as the table shows it: in TOML's form, or none."""
    if shown == "none":
        return None
    word = shown.strip("`")
    if word in {"true", "false"}:
        return word == "true"
    return word.strip('"') if word.startswith('"') else float(word)


def test_each_field_of_a_voice_is_told() -> None:
    http = page("docs/protocol.md").section("5. HTTP, on the same port")
    assert [name for name in Voice.__slots__ if f"`{name}`" not in http] == []
