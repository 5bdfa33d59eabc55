"""Options: where they come from, which one counts, and what is said of a wrong one."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TypeVar

import pytest

from pipeline.cli.option_sources import CommonSettings, load, unknown_variables
from pipeline.cli.settings import FetchSettings, ServeSettings, SpeakSettings

S = TypeVar("S", bound=CommonSettings)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the options that whoever runs the tests has in his folder and environment."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("VOICE_"):
            monkeypatch.delenv(name)


def write_file(text: str, name: str = "voice-server.toml") -> None:
    Path(name).write_text(text)


def complaint(settings_class: type[CommonSettings], *arguments: str) -> str:
    """The one line that a wrong option ends the program with; its exit status is then 1."""
    with pytest.raises(SystemExit) as ending:
        load(settings_class, list(arguments))
    assert isinstance(ending.value.code, str)
    assert "\n" not in ending.value.code
    assert ending.value.code.startswith("server.py: ")
    return ending.value.code


def test_nothing_need_be_said() -> None:
    served = load(ServeSettings, [])
    assert (served.host, served.port) == ("127.0.0.1", 8765)  # what the document's clients use
    assert served.voice is None
    spoken = load(SpeakSettings, [])
    assert spoken.text is None
    assert spoken.output == Path("speech.wav")
    fetched = load(FetchSettings, [])
    assert (fetched.names, fetched.models) == (["soprano"], Path("models"))
    assert fetched.revision is None


def test_flag_beats_environment_beats_file_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def port(*arguments: str) -> int:
        return load(ServeSettings, list(arguments)).port

    assert port() == 8765
    write_file("port = 1001\n")
    assert port() == 1001
    monkeypatch.setenv("VOICE_PORT", "1002")
    assert port() == 1002
    assert port("--port", "1003") == 1003
    monkeypatch.delenv("VOICE_PORT")
    assert port("--port", "1003") == 1003


def test_sources_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file('host = "::1"\nport = 1001\nskip_emoji = false\n')
    monkeypatch.setenv("VOICE_PORT", "1002")
    served = load(ServeSettings, ["--voice", "en-us+m1"])
    assert (served.host, served.port, served.voice) == ("::1", 1002, "en-us+m1")
    assert not served.skip_emoji
    assert served.skip_markdown


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_the_file_can_be_named(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file("port = 1001\n")
    write_file("port = 1002\n", "other.toml")
    arguments = ["--config", "other.toml"] if how == "flag" else []
    if how == "environment":
        monkeypatch.setenv("VOICE_CONFIG", "other.toml")
    assert load(ServeSettings, arguments).port == 1002


def test_a_file_that_is_named_must_be_there() -> None:
    for path, why in (("no.toml", "No such file or directory"), (".", "Is a directory")):
        told = complaint(ServeSettings, "--config", path)
        assert told == f"server.py: {path} cannot be read: {why}"


@pytest.mark.parametrize(
    ("written", "why"), [(b"port 1001\n", "line 1"), (b'voice = "\xff"', "can't decode byte 0xff")]
)
def test_a_file_must_be_toml(written: bytes, why: str) -> None:
    Path("other.toml").write_bytes(written)
    told = complaint(ServeSettings, "--config", "other.toml")
    assert told.startswith("server.py: other.toml is not TOML: ")
    assert why in told


WRONG = [
    ("port", "99999"),
    ("port", "-1"),
    ("port", "http"),
    ("espeak_rate", "79"),
    ("otlp_endpoint", "collector:4318"),
    ("otlp_endpoint", "http://user:password@collector"),  # it is logged
    ("espeak_rate", "451"),
    ("espeak_rate", "1.5"),
    ("pitch_shift", "25"),
    ("pitch_shift", "nan"),
    ("pitch_shift", "high"),
    ("segmentation", "words"),
    ("voice", ""),
    ("boundary_wait_ms", "-1"),
    ("hold_wait_ms", "soon"),
    ("skip_emoji", "perhaps"),
    ("log_level", "loud"),
    ("max_listeners", "0"),
    ("write_stall_s", "0"),
    ("idle_timeout_s", "inf"),
    ("shutdown_grace_s", "-0.1"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_told_with_the_name_of_its_option(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag, variable = f"--{name.replace('_', '-')}", f"VOICE_{name.upper()}"
    if name != "skip_emoji":  # the one flag that takes no value
        assert complaint(ServeSettings, f"{flag}={value}").startswith(f"server.py: {flag}: ")
    write_file(f'{name} = "{value}"\n')
    assert complaint(ServeSettings).startswith(f"server.py: voice-server.toml: {name}: ")
    Path("voice-server.toml").unlink()
    monkeypatch.setenv(variable, value)
    assert complaint(ServeSettings).startswith(f"server.py: {variable}: ")


@pytest.mark.parametrize("how", ["--config=other.toml", "--config other.toml", "VOICE_CONFIG"])
def test_of_a_wrong_value_the_file_that_has_it_is_told(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file('port = "high"\n', "other.toml")
    monkeypatch.setenv("VOICE_CONFIG", "no.toml" if how.startswith("--") else "other.toml")
    arguments = how.split() if how.startswith("--") else []
    assert complaint(ServeSettings, *arguments).startswith("server.py: other.toml: port: ")


def test_a_wrong_value_is_told_of_whoever_beats_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file("port = 1001\n")
    monkeypatch.setenv("voice_port", "high")  # the case of variables does not count
    assert complaint(ServeSettings).startswith("server.py: voice_port: ")
    assert complaint(ServeSettings, "--port", "low").startswith("server.py: --port: ")


def test_what_is_behind_two_hyphens_is_no_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_ENCODING", "mp3")
    told = complaint(SpeakSettings, "--", "--encoding")
    assert told.startswith("server.py: VOICE_ENCODING: ")


def test_of_a_list_the_wrong_word_is_told() -> None:
    told = complaint(ServeSettings, "--allowed-origins", "https://example.org,example.org")
    assert told.startswith("server.py: --allowed-origins, word 2: ")


def test_options_know_who_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file('voice = "en-us"\n')
    monkeypatch.setenv("VOICE_MODELS", "elsewhere")
    served = load(ServeSettings, ["--no-skip-emoji", "--port=1001"])
    names = "skip_emoji", "port", "models", "voice", "rvc_webui"
    assert [served.place_of(name) for name in names] == [
        "--skip-emoji",
        "--port",
        "VOICE_MODELS",
        "voice-server.toml: voice",
        "--rvc-webui",  # by which it can be
    ]


@pytest.mark.parametrize(("name", "value"), [("sample_rate", "12345"), ("encoding", "mp3")])
def test_a_wrong_value_for_speaking(name: str, value: str) -> None:
    flag = f"--{name.replace('_', '-')}={value}"
    assert complaint(SpeakSettings, flag).startswith(f"server.py: {flag.partition('=')[0]}: ")


def test_a_revision_has_a_name() -> None:
    assert complaint(FetchSettings, "--revision=").startswith("server.py: --revision: ")


def test_the_folder_of_the_models_is_said_once_for_all_commands() -> None:
    write_file('models = "/srv/models"\nport = 1001\n')
    kinds = (ServeSettings, SpeakSettings, FetchSettings)
    assert {load(kind, []).models for kind in kinds} == {Path("/srv/models")}


def test_several_mistakes_are_told_at_once() -> None:
    told = complaint(ServeSettings, "--port", "99999", "--log-level", "loud")
    assert "--port: " in told
    assert "--log-level: " in told


def test_a_secret_that_went_to_the_wrong_place_is_not_repeated() -> None:
    assert "hunter2" not in complaint(ServeSettings, "--port", "hunter2")


def test_an_unknown_key_in_the_file_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with 2, as an unknown flag does, also beside a wrong value."""
    monkeypatch.setenv("VOICE_PROT", "1003")  # which is nobody's, and not meant
    write_file('port = "high"\nprot = 1002\n')
    with pytest.raises(SystemExit) as ending:
        load(ServeSettings, [])
    assert ending.value.code == 2
    told = capsys.readouterr().err
    assert told.endswith("; voice-server.toml: prot: unknown key; did you mean port?\n")
    assert len(told.splitlines()) == 1


def test_variables_that_are_no_options_are_told_with_the_nearest_that_is() -> None:
    ours = ["VOICE_PORT", "voice_port", "VOICE_REVISION", "VOICE_API_KEYS", "PATH", "INVOICE_PROT"]
    assert list(unknown_variables(ours)) == []
    strange = ["VOICE_PROT", *ours, "VOICE_XQZ", "voice_api_key"]
    assert list(unknown_variables(strange)) == [
        "the environment has VOICE_PROT, which is no option; did you mean VOICE_PORT?",
        "the environment has VOICE_XQZ, which is no option",
        "the environment has voice_api_key, which is no option; did you mean VOICE_API_KEYS?",
    ]


def test_speaking_does_not_mind_what_serving_needs() -> None:
    write_file("port = 1001\n")
    assert load(SpeakSettings, []).voice is None


def test_a_misspelt_key_is_named_by_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    write_file("speakng_rate = 200\n")
    for kind in (ServeSettings, SpeakSettings, FetchSettings):
        with pytest.raises(SystemExit):
            load(kind, [])
        assert "speakng_rate" in capsys.readouterr().err


def test_an_unknown_flag_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        load(ServeSettings, ["--prot", "1001"])
    assert ending.value.code == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == "server.py: error: unrecognized arguments: --prot 1001; did you mean --port?"


@pytest.mark.parametrize("text", ["None", "null", "true", "5", "[1, 2]", '{"a": 1}', "a, b", ""])
def test_any_text_is_a_text(text: str) -> None:
    """Also one that looks like a value to whatever reads the command line."""
    assert load(SpeakSettings, [text]).text == text


@pytest.mark.parametrize("flag", ["-o", "--output"])
def test_output_has_a_short_flag(flag: str) -> None:
    assert load(SpeakSettings, [flag, "a.wav"]).output == Path("a.wav")


def test_environment_variables_begin_with_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else any shell that has exported `output` would move the file."""
    for name in ("o", "output", "text", "voice", "config"):
        monkeypatch.setenv(name, "elsewhere")
    spoken = load(SpeakSettings, [])
    assert (spoken.output, spoken.voice, spoken.text) == (Path("speech.wav"), None, None)
    monkeypatch.setenv("VOICE_OUTPUT", "a.wav")
    assert load(SpeakSettings, []).output == Path("a.wav")


def test_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    def languages(*arguments: str) -> list[str]:
        return load(SpeakSettings, list(arguments)).espeak_languages

    write_file('espeak_languages = ["en-us", "ru"]\n')
    assert languages() == ["en-us", "ru"]
    monkeypatch.setenv("VOICE_ESPEAK_LANGUAGES", "fr-fr,de")
    assert languages() == ["fr-fr", "de"]
    for arguments in (
        ["--espeak-languages", "de,it"],
        ["--espeak-languages", "de", "--espeak-languages", "it"],
    ):
        assert languages(*arguments) == ["de", "it"]


def test_origins_are_as_browsers_send_them() -> None:
    """Who compares them compares letter by letter."""
    options = load(ServeSettings, ["--allowed-origins", "HTTPS://Friend.Example,http://b:8000"])
    assert options.allowed_origins == ["https://friend.example", "http://b:8000"]


@pytest.mark.parametrize("settings_class", [ServeSettings, SpeakSettings, FetchSettings])
def test_help_tells_every_option(
    settings_class: type[CommonSettings],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ending:
        load(settings_class, ["--help"])
    assert ending.value.code == 0
    told = capsys.readouterr().out
    assert max(len(line) for line in told.splitlines()) <= 100
    words = squeezed(told)
    assert squeezed(settings_class.__doc__ or "") in words
    for name, field in settings_class.model_fields.items():
        assert squeezed(field.description or "nothing") in words
        assert (f"--{name.replace('_', '-')}" in words) == (name not in {"text", "names"})


def squeezed(text: str) -> str:
    """Without the white space and the line breaks, which argparse also puts after hyphens."""
    return re.sub(r"\s+", "", text)
