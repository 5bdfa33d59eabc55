"""What the Dockerfile promises, as far as reading it can tell."""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.dockerfile import (
    DOCKERFILE,
    DockerfileError,
    Instruction,
    Stage,
    command,
    needed,
    pairs,
    read_stages,
    shell_lines,
)
from pipeline.cli.serve import LAST_WORDS_S
from pipeline.cli.settings import CheckSettings, FetchSettings, ServeSettings, SpeakSettings
from pipeline.net.access import is_loopback
from pipeline.net.keys import KEYS_VARIABLE
from pipeline.traces import FLUSH_WITHIN_S
from tests.server_process import PATIENCE_S, WITHOUT_TORCH

ROOT = DOCKERFILE.parent
TARGETS = "light", "cpu", "cuda", "rocm"

DOCKER_STOP_S = 10
"""Between SIGTERM and SIGKILL, where nobody says otherwise (docs.docker.com, docker stop)."""

TEXT = DOCKERFILE.read_text(encoding="utf-8")
STAGES = read_stages(TEXT)


def known_variables() -> set[str]:
    commands = ServeSettings, SpeakSettings, FetchSettings, CheckSettings
    names = {name for command in commands for name in command.model_fields}
    return {KEYS_VARIABLE, *(f"VOICE_{name.upper()}" for name in names)}


def ancestry(target: str) -> list[Stage]:
    """A target and what it is FROM, the target last."""
    line = [STAGES[target]]
    while line[0].base in STAGES:
        line.insert(0, STAGES[line[0].base])
    return line


def inherited(target: str, name: str) -> list[Instruction]:
    return [instruction for stage in ancestry(target) for instruction in stage.named(name)]


def environment(target: str) -> dict[str, str]:
    return {
        name: value for env in inherited(target, "ENV") for name, value in pairs(env.rest).items()
    }


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_a_user_who_is_not_root_and_has_a_number(target: str) -> None:
    """A number, since Kubernetes' runAsNonRoot cannot tell by a name."""
    user = inherited(target, "USER")[-1].rest
    numbers = re.fullmatch(r"(\d+):(\d+)", user)
    assert numbers is not None
    assert min(int(numbers[1]), int(numbers[2])) > 0
    assert not STAGES[target].named("RUN")  # which would run as that user, and make a layer


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_starts_the_server_itself_without_a_shell_that_would_get_the_signals(
    target: str,
) -> None:
    program, *arguments = command(inherited(target, "ENTRYPOINT")[-1].rest)
    assert Path(program).is_absolute()
    assert arguments == ["server.py"]
    assert not inherited(target, "CMD")


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_how_to_ask_whether_it_is_ready(target: str) -> None:
    check = inherited(target, "HEALTHCHECK")[-1]
    assert command(check.rest.removeprefix("CMD").strip())[1:] == ["healthcheck.py"]
    assert {"interval", "timeout", "start-period", "retries"} <= check.flags.keys()


@pytest.mark.parametrize("target", TARGETS)
def test_models_and_voices_are_volumes(target: str) -> None:
    volumes = command(inherited(target, "VOLUME")[-1].rest)
    values = environment(target)
    assert volumes == [values["VOICE_MODELS"], values["VOICE_VOICES"]]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_listens_beyond_itself_on_the_port_it_exposes_and_lets_nobody_in(
    target: str,
) -> None:
    values = environment(target)
    assert not is_loopback(values["VOICE_HOST"])
    assert inherited(target, "EXPOSE")[-1].rest == values["VOICE_PORT"]
    assert not {KEYS_VARIABLE, "VOICE_API_KEYS_FILE", "VOICE_ALLOW_NO_KEY"} & values.keys()


@pytest.mark.parametrize("target", TARGETS)
def test_the_grace_ends_before_docker_kills(target: str) -> None:
    settings = ServeSettings.model_validate(
        {"shutdown_grace_s": environment(target)["VOICE_SHUTDOWN_GRACE_S"]}
    )
    assert settings.shutdown_grace_s + LAST_WORDS_S < DOCKER_STOP_S - 1
    assert settings.shutdown_grace_s + LAST_WORDS_S + FLUSH_WITHIN_S < DOCKER_STOP_S


@pytest.mark.parametrize("target", TARGETS)
def test_the_packages_come_before_the_program_which_changes_more_often(target: str) -> None:
    sources = [copy.flags["from"] for copy in STAGES[target].named("COPY")]
    assert sources == [f"{target}-packages", "program"]


def test_each_kind_of_torch_is_asked_for_by_name() -> None:
    asked = {
        target: [
            argument.rest.partition("=")[2]
            for argument in STAGES[f"{target}-packages"].named("ARG")
            if argument.rest.startswith("TORCH_BACKEND=")
        ]
        for target in ("cpu", "cuda", "rocm")
    }
    assert asked["cpu"] == ["cpu"]
    assert re.fullmatch(r"cu\d+", asked["cuda"][0])
    assert re.fullmatch(r"rocm[\d.]+", asked["rocm"][0])


def test_the_light_image_has_no_torch() -> None:
    runs = [run.rest for stage in needed(STAGES, "light") for run in stage.named("RUN")]
    assert not [run for run in runs if "torch" in run or "models.txt" in run]


def test_what_is_built_on_has_a_version_and_names_no_registry() -> None:
    images = {stage.base for stage in STAGES.values()} - STAGES.keys()
    assert images
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d[\w.-]*", image), image
    assert "latest" not in TEXT


def test_every_variable_of_ours_is_an_option() -> None:
    assert set(re.findall(r"\bVOICE_\w+", TEXT)) <= known_variables()


def from_context() -> list[str]:
    return [
        source
        for stage in STAGES.values()
        for copy in stage.named("COPY")
        if "from" not in copy.flags
        for source in copy.rest.split()[:-1]
    ]


@pytest.mark.parametrize("source", from_context())
def test_what_is_copied_exists_and_is_not_ignored(source: str) -> None:
    """Docker's rule: the last line that fits a path, or a folder that it is in, decides."""
    assert (ROOT / source).exists()
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    path = source.rstrip("/")
    inside = [path, *map(str, Path(path).parents)]
    ignored = False
    for line in lines:
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            if any(fnmatch.fnmatch(part, pattern) for part in inside if part != "."):
                ignored = not line.startswith("!")
    assert not ignored


def test_every_source_of_a_copy_is_a_stage_above() -> None:
    above: set[str] = set()
    for stage in STAGES.values():
        sources = {copy.flags["from"] for copy in stage.named("COPY") if "from" in copy.flags}
        assert sources <= above
        above.add(stage.name)


def test_in_an_image_what_is_missing_is_to_be_had_in_other_ways_than_here(tmp_path: Path) -> None:
    (copy,) = [copy for copy in STAGES["program"].named("COPY") if "server.py" in copy.rest]
    for source in (*copy.rest.split()[:-1], "pipeline", "stages"):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / source)
        else:
            shutil.copy(ROOT / source, tmp_path)
    (tmp_path / "models").mkdir()
    checks = [sys.executable, "-c", WITHOUT_TORCH, "server.py", "check", "--models", "models"]
    done = subprocess.run(
        checks, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout
    assert "  no torch: only espeak-ng and Piper can run; to get it: take the image's" in told
    assert "; to get it: run the image with: fetch rmvpe" in told
    assert ": take the image's target cpu, cuda or rocm, then run the image with: fetch" in told
    assert "make" not in told
    assert ".venv" not in told


def test_the_program_is_run_with_what_the_file_says() -> None:
    lines = list(shell_lines(TEXT, "cpu", {"TORCH_BACKEND": "cpu"}))
    runs = [shlex.split(line) for line in lines if line.startswith("run ")]
    torch = next(words for words in runs if "torch.txt" in words[3])
    assert torch[1:3] == ["cpu-packages", "/app"]
    assert "TORCH_BACKEND=cpu" in torch[4:]
    assert "VIRTUAL_ENV=/opt/venv" in torch[4:]  # from a stage that it is built on
    assert "UV_DEFAULT_INDEX" not in " ".join(torch[4:])  # neither given nor with a default
    assert "copy program '' /app/pipeline/ pipeline/" in lines
    assert "entrypoint=(/opt/venv/bin/python server.py)" in lines


@pytest.mark.parametrize(
    "text",
    [
        "RUN true",
        "FROM a:1 AS b\nADD x y",
        "FROM a:1 AS b\nCOPY --chown=c x y",
        "FROM a:1 AS b\nENV PATH=$PATH:/c",
        "FROM a:1 AS b\nENTRYPOINT python server.py",
    ],
)
def test_what_is_not_known_is_refused_rather_than_guessed(text: str) -> None:
    with pytest.raises(DockerfileError):
        list(shell_lines(text, "b", {}))
