"""What it says when it cannot do what was asked: one line, and a status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.program import PROGRAM, complaint, run
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
    keys.chmod(0o600)
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


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["--prot", "1"], "--port"),
        (["--prot=1"], "--port"),
        (["speak", "Hello!", "--voise=de"], "--voice"),
        (["speak", "Hello!", "--no-skip-markdwon"], "--no-skip-markdown"),
        (["check", "--devise", "cpu"], "--device"),
    ],
)
def test_a_misspelt_flag_is_told_which_one_was_meant(arguments: list[str], meant: str) -> None:
    """The list of all seventy would hide it."""
    done = run(*arguments)
    assert done.returncode == 2
    (told,) = done.stderr.decode().splitlines()
    assert told.endswith(f"; did you mean {meant}?")


def test_a_flag_without_its_value_is_no_other_flag() -> None:
    done = run("--port")
    assert done.returncode == 2
    assert done.stderr == b"server.py: error: argument --port: expected one argument; see --help\n"


@pytest.mark.parametrize(
    ("voice", "way"),
    [
        ("german", "for German choose --voice de or --language de"),
        ("de_DE", "for German choose --voice de or --language de"),
        ("de-AT", "for German choose --voice de or --language de"),
        ("French", "for French (France) choose --voice fr-fr or --language fr-fr"),
        ("de+f33", "for German choose --voice de or --language de"),
        ("en-us+f33", ", did you mean en-us+f3 or "),
        ("nobody", "one for each language's tag, as de for German"),
    ],
)
def test_a_voice_that_there_is_not_says_how_to_get_a_language(voice: str, way: str) -> None:
    told = complaint(run("speak", "Hello!", "--voice", voice))
    assert told.startswith(f"server.py: --voice: there is no voice {voice!r}")
    assert way in told


def test_a_language_by_its_name_says_its_tag() -> None:
    told = complaint(run("speak", "Hello!", "--language", "german"))
    assert "no voice speaks 'german'; German is de; `check` lists" in told
    told = complaint(run("speak", "Hello!", "--espeak-languages", "german"))
    assert told.endswith("espeak-ng has no language 'german'; German is de")


def test_an_output_in_no_format_of_ours() -> None:
    told = complaint(run("speak", "Hello!", "-o", "out.m4a"))
    assert told.startswith(
        "server.py: --output: out.m4a: nothing is written as .m4a; there are .wav"
    )
    assert ".mp3" in told
    assert not Path("out.m4a").exists()


def test_a_rate_that_the_format_has_not() -> None:
    told = complaint(run("speak", "Hello!", "-o", "out.ogg", "--sample-rate", "44100"))
    assert told.startswith("server.py: sample_rate: opus has 8000, ")


def test_a_voice_to_preload_that_there_is_not() -> None:
    told = complaint(run("--port", "0", "--preload", "en-us+m1,en-us+f33"))
    assert told.startswith("server.py: --preload: there is no voice 'en-us+f33', did you mean ")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("speak <&-", "there was nothing to speak"),
        ("speak Hello -o - >&-", "standard output is closed"),
        ("check >&-", "standard output is closed"),
        ("check <&- >&-", "standard output is closed"),
        ("--version >&-", "standard output is closed"),
        ("speak <&- >&- -o -", "standard output is closed"),
        ("--host 192.0.2.1 --allow-no-key <&- >&-", "cannot listen on port 8765 of 192.0.2.1: "),
    ],
)
def test_streams_that_a_shell_has_closed(command: str, told: str) -> None:
    line = f'"$0" -W error "$1" {command}'
    done = subprocess.run(
        ["sh", "-c", line, PROGRAM[0], PROGRAM[-1]],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert complaint(done).startswith(f"server.py: {told}")
    if "speak" in command:  # before any engine has told who speaks
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["speak", "speak Hi -o -", "fetch nothing", "--version"])
@pytest.mark.parametrize("closed", [">&-", "<&- >&-"])
def test_whatever_a_shell_has_closed_there_is_no_traceback(command: str, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -W error "$1" {command} {closed}', PROGRAM[0], PROGRAM[-1]],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    silent = subprocess.run(
        ["sh", "-c", f'"$0" -W error "$1" {command} {closed} 2>&-', PROGRAM[0], PROGRAM[-1]],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert silent.returncode == done.returncode


def test_ctrl_c_while_python_imports_is_no_traceback() -> None:
    """For half a second it was one, of whatever was being imported."""
    begin = (
        "import os, runpy, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == sys.argv[2]: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "runpy.run_path(sys.argv[1], run_name='__main__')\n"
    )
    for imported in ("structlog", "trio", "pipeline.cli.logs", "pipeline.cli.settings"):
        done = subprocess.run(
            [sys.executable, "-c", begin, PROGRAM[-1], imported],
            cwd=ROOT, capture_output=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (130, b""), imported


def test_speaking_does_not_need_standard_error() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" "$1" speak Hello 2>&-', PROGRAM[0], PROGRAM[-1]],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert Path("speech.wav").stat().st_size > 10_000


def test_a_misspelt_command_is_named() -> None:
    ended = subprocess.run(
        [sys.executable, "server.py", "spaek", "hi"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert (
        ended.stderr == "server.py: there is no command 'spaek'; did you mean speak?"
        " there are serve, speak, fetch and check\n"
    )


@pytest.mark.parametrize("command", ["speak", "check"])
def test_a_misspelt_variable_is_told_and_not_refused(command: str) -> None:
    done = run(command, text="Hello!", env={"VOICE_PROT": "9"})
    assert done.returncode == 0
    (told,) = [line for line in done.stderr.decode().splitlines() if " WARNING " in line]
    assert told.endswith("which is no option; did you mean VOICE_PORT?")
