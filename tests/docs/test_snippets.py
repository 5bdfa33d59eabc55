"""Every command and snippet of the README and the pages under docs/ does what it should.

Each page's commands run in their order, in a folder where the project has just been unpacked. What
is replaced: the port that a server has, the hub that models come from, and which engine speaks.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pipeline.cli.option_sources import load
from pipeline.cli.settings import ServeSettings
from pipeline.dialects import native
from pipeline.lexicon_file import read_lexicon
from pipeline.net.keys import read_keys
from stages.rvc.voices.settings import read_settings
from tests.docs.pages import PAGES, Page, Snippet
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server_process import ServerProcess

LOOK_EVERY_S = 0.02

LANGUAGES = {"sh", "python", "toml", "json", "text"}
"""For each of which there is a test below; what is ``text`` is a picture."""

NOT_RUN = {
    "docker ": "needs a container engine",
    "VOICE_ALLOW_NO_KEY=true docker ": "needs a container engine",
    "PUBLISH=0.0.0.0:8765 docker ": "needs a container engine",
    "helm ": "needs a cluster: tests/deploy renders the chart",
    "kubectl ": "needs a cluster",
    "for pod in $(kubectl ": "needs a cluster",
    ".venv/bin/uv pip install ": "would change what is installed here",
    ".venv/bin/python -m pip install ": "likewise",
    ".venv/bin/python bench/report.py ": "measures for minutes, and writes into the project",
    ".venv/bin/python fuzz/run.py ": "takes ten minutes: tests/fuzz has ten seconds of it",
    ".venv/bin/python -m tests.random_": "takes 40 s; other tests write such models, but small",
    "curl -T ": "needs a server with RVC: tests/rvc/test_upload_server.py has one",
    "curl -X DELETE ": "removes what that one uploads",
    "sudo apt-get ": "would change what is installed here",
    "sudo cp haproxy.cfg ": "needs a HAProxy that runs as a service",
    "sudo systemctl reload haproxy": "needs the same",
    "sudo deploy/try_in_chroot.sh ": "needs root, and a mirror of Debian's",
}
"""How commands begin that no test can run, and why."""

SERVES = re.compile(r"^(VOICE_\w+=\S+ )*\.venv/bin/python server\.py( serve)?( --.*)?( +#.*)?$")

each_with_commands = pytest.mark.parametrize(
    "page", [page for page in PAGES if page.snippets("sh")], ids=lambda page: page.name
)


def each_snippet(language: str) -> pytest.MarkDecorator:
    snippets = [snippet for page in PAGES for snippet in page.snippets(language)]
    return pytest.mark.parametrize("snippet", snippets, ids=lambda snippet: snippet.where)


def is_left_out(command: str) -> bool:
    return any(command.startswith(start) for start in NOT_RUN)


def test_every_snippet_says_what_it_is() -> None:
    snippets = [snippet for page in PAGES for snippet in page.snippets()]
    assert [each.where for each in snippets if each.language not in LANGUAGES] == []


def test_what_is_not_run_still_stands_there() -> None:
    commands = [
        command for page in PAGES for each in page.snippets("sh") for command in each.commands()
    ]
    stale = [start for start in NOT_RUN if not any(each.startswith(start) for each in commands)]
    assert stale == []


@each_with_commands
def test_commands_do_what_they_should(
    page: Page, folder: Path, environment: dict[str, str], server: ServerProcess
) -> None:
    has_curl = shutil.which("curl") is not None
    for snippet in page.snippets("sh"):
        for command in snippet.commands():
            if is_left_out(command) or (command.startswith("curl ") and not has_curl):
                continue
            if SERVES.match(command):
                check_serving(command, folder, environment, snippet.where)
                continue
            done = shell(runnable(command, server), folder, environment)
            assert done.returncode == 0, f"{snippet.where}: {command}\n{done.stdout}{done.stderr}"
            assert "Traceback" not in done.stderr
    if not has_curl and "\ncurl " in page.text:
        pytest.skip("curl is missing: its commands were not run")


def runnable(command: str, server: ServerProcess) -> str:
    """A command as the test runs it."""
    # What make installs comes from the network: it is only asked what it would do.
    command = re.sub(r"^make ", "make --dry-run ", command)
    fail = "" if " --fail-with-body " in command else "--fail "  # curl takes only one of them
    command = re.sub(r"^curl ", f"curl {fail}--silent --show-error ", command)
    return command.replace("localhost:8765", f"localhost:{server.port}")


def shell(
    command: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def check_serving(command: str, folder: Path, environment: dict[str, str], where: str) -> None:
    """It listens, and SIGTERM ends it well."""
    log = folder / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=errors, stderr=errors, start_new_session=True,
        )  # fmt: skip
    try:
        give_up_at = time.monotonic() + PATIENCE_S
        while "listening on port" not in log.read_text():
            assert process.poll() is None, f"{where}: {command}\n{log.read_text()}"
            assert time.monotonic() < give_up_at, f"{where}: {command}\n{log.read_text()}"
            time.sleep(LOOK_EVERY_S)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, f"{where}: {command}\n{log.read_text()}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@each_snippet("python")
def test_programs_run(snippet: Snippet, tmp_path: Path, server: ServerProcess) -> None:
    program = snippet.text.replace("localhost:8765", f"localhost:{server.port}")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    written = [path for path in tmp_path.iterdir() if path.stat().st_size > 10_000]
    assert written or done.stdout, "it shows nothing of what it did"


@each_snippet("toml")
def test_files_of_options_are_taken(
    snippet: Snippet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their first line says which file it is."""
    for name in os.environ:
        if name.startswith("VOICE_"):
            monkeypatch.delenv(name)
    file = tmp_path / "options.toml"
    file.write_text(snippet.text, encoding="utf-8")
    if snippet.text.startswith("# voices/"):
        assert read_settings(file).model_fields_set
    elif snippet.text.startswith("# words.toml\n"):
        assert len(read_lexicon(file))
    elif snippet.text.startswith("# keys.toml\n"):
        file.chmod(0o600)
        assert all(key.digest for key in read_keys(file, ""))
    else:
        assert snippet.text.startswith("# voice-server.toml\n")
        assert load(ServeSettings, ["--config", str(file)]).model_fields_set > {"config"}


@each_snippet("json")
def test_messages_are_taken(snippet: Snippet) -> None:
    for line in snippet.commands():
        native.parse(line)
