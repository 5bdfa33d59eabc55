"""What it says when it cannot do what was asked: one line, and a status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.program import complaint, run
from tests.server_process import PATIENCE_S, ROOT

if TYPE_CHECKING:
    from tests.server_process import ServerProcess


def test_a_language_that_nobody_speaks_is_refused() -> None:
    told = complaint(run("speak", "Hello!", "--language", "tlh"))
    assert told == "server.py: --language: no voice speaks 'tlh'; `check` lists the languages"


def test_no_such_voice() -> None:
    told = complaint(run("speak", "Hello!", "--voice", "nobody"))
    assert told.startswith("server.py: --voice: there is no voice 'nobody'; there are en-us, ")
    assert not Path("speech.wav").exists()


def test_no_such_language() -> None:
    told = complaint(run("speak", "Hello!", "--espeak-languages", "tlh-piqad"))
    assert told.startswith("server.py: --espeak-languages: ")
    assert "tlh-piqad" in told


@pytest.mark.parametrize(
    "option", ["models", "voices", "api-keys-file", "tls-certificate", "lexicon"]
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_a_path_that_somebody_names_must_be_there(option: str, *, by_variable: bool) -> None:
    """The defaults, `models` and `voices`, are not there either, and nobody minds."""
    variable = f"VOICE_{option.upper().replace('-', '_')}"
    arguments, env = ([], {variable: "nowhere"}) if by_variable else ([f"--{option}=nowhere"], {})
    told = complaint(run("--port", "0", *arguments, env=env))
    place = variable if by_variable else f"--{option}"
    what = "folder" if option in {"models", "voices"} else "file"
    assert told == f"server.py: {place}: there is no {what} nowhere"


@pytest.mark.parametrize("output", ["no/such/folder/out.wav", "."])
def test_a_path_that_cannot_be_written(output: str) -> None:
    told = complaint(run("speak", "Hello!", "-o", output))
    assert told in {
        f"server.py: {output}: No such file or directory",
        f"server.py: {output}: Is a directory",
    }


def test_a_disk_that_is_full() -> None:
    assert "No space left" in complaint(run("speak", "Hello!", "-o", "/dev/full"))


def test_a_port_that_is_in_use(plain_server: ServerProcess) -> None:
    told = complaint(run("--port", str(plain_server.port)))
    assert "in use" in told
    assert str(plain_server.port) in told


def test_an_address_that_is_not_ours() -> None:
    told = complaint(run("--host", "192.0.2.1", "--allow-no-key"))  # RFC 5737: nobody's
    assert "cannot listen" in told
    assert "192.0.2.1" in told


def test_a_wyoming_port_that_others_could_reach(tmp_path: Path) -> None:
    """Whoever has keys does not want that everybody can speak; that protocol has none."""
    keys = tmp_path / "keys"
    keys.write_text("a-key-that-nobody-guesses\n")
    told = complaint(
        run("--host", "0.0.0.0", "--api-keys-file", str(keys), "--wyoming-port", "0")  # noqa: S104
    )
    assert told.startswith("server.py: --wyoming-port: 0.0.0.0 can be reached from other machines")
    assert "--allow-no-key" in told


def test_an_announcement_of_no_port() -> None:
    told = complaint(run("--port", "0", "--wyoming-announce"))
    assert told == "server.py: --wyoming-announce is of no use without --wyoming-port"


def test_a_wyoming_port_that_is_in_use(plain_server: ServerProcess) -> None:
    told = complaint(run("--port", "0", "--wyoming-port", str(plain_server.port)))
    assert "in use" in told


@pytest.mark.parametrize("arguments", [["speak", "Hello!", "there"], ["--prot", "1"]])
def test_an_argument_that_there_is_not(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    *_, last = done.stderr.decode().splitlines()
    assert ": error: unrecognized arguments: " in last
    assert arguments[-1] in last


def test_a_misspelt_command_is_named() -> None:
    ended = subprocess.run(
        [sys.executable, "server.py", "spaek", "hi"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert (
        ended.stderr
        == "server.py: there is no command 'spaek'; there are serve, speak, fetch and check\n"
    )


@pytest.mark.parametrize("command", ["speak", "check"])
def test_a_misspelt_variable_is_told_and_not_refused(command: str) -> None:
    done = run(command, text="Hello!", env={"VOICE_PROT": "9"})
    assert done.returncode == 0
    (told,) = [line for line in done.stderr.decode().splitlines() if " WARNING " in line]
    assert told.endswith("which is no option; did you mean VOICE_PORT?")
