"""The sources of options: flags, the environment, a TOML file. The options themselves are in
``pipeline/cli/settings.py``.

A flag beats the environment (``VOICE_`` and the option's name), which beats the file, which
beats the default. Messages about an option say which of them set it.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from pydantic import Field, PrivateAttr, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pipeline.cli.logs import LogFormat
from pipeline.cli.near import did_you_mean
from pipeline.net.keys import KEYS_VARIABLE
from stages.error_text import complaints
from stages.errors import CannotStart
from stages.install_hints import IN_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic.fields import FieldInfo

PREFIX = "VOICE_"
"""The prefix of the environment variables, whose case does not count."""

DEFAULT_FILE = Path("voice-server.toml")


class _File(PydanticBaseSettingsSource):
    """The TOML file that ``config`` names, or the one in the current folder if there is one. Ends
    the program where it cannot be read."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the file is taken whole."""
        raise NotImplementedError(field_name, field)

    def __call__(self) -> dict[str, Any]:
        named = self.current_state.get("config")
        path = DEFAULT_FILE if named is None else Path(named)
        if named is None and not path.exists():
            return {}
        try:
            with path.open("rb") as file:
                options = tomllib.load(file)
        except OSError as error:
            sys.exit(f"server.py: {path} cannot be read: {error.strerror}")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            sys.exit(f"server.py: {path} is not TOML: {error}")
        # One file for all commands: an option of another command is no mistake.
        known = _all_options()
        return {
            name: value
            for name, value in options.items()
            if name in self.settings_cls.model_fields or name not in known
        }


class CommonSettings(BaseSettings):
    """The options of every command."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_parse_none_str="(none)",  # the default, None, is a word that may be spoken
        cli_prog_name="server.py",
        cli_exit_on_error=False,  # but raises, so that we can add a hint
    )

    config: Path | None = Field(
        None, description=f"TOML file with options; without it {DEFAULT_FILE}, if there is one"
    )
    models: Path = Field(IN_SOURCE.models, description="folder for models")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much is told on standard error"
    )
    log_format: LogFormat = Field("text", description="lines for people, or an object on each")

    _sources: Mapping[str, Mapping[str, Any]] = PrivateAttr(default_factory=dict)

    def place_of(self, name: str) -> str:
        """The place that set this option (``--port``, ``VOICE_PORT``, ``voice-server.toml: port``)
        or, where none did, the flag that can."""
        return _place(name, self._sources)

    def require(self, kind: Literal["file", "folder", "file or folder"], *names: str) -> None:
        """Raises `CannotStart` for a path that was set and does not exist."""
        for name in names:
            path = getattr(self, name)
            is_there = path is None or (path.is_dir() if kind == "folder" else path.exists())
            if name in self.model_fields_set and not is_there:
                raise CannotStart(f"{self.place_of(name)}: there is no {kind} {path}")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """pydantic's hook for the order of sources. Flags come before all of these."""
        return init_settings, env_settings, _File(settings_cls)


S = TypeVar("S", bound=CommonSettings)

PARSING = "error parsing CLI: "
"""What pydantic-settings puts before argparse's messages."""

UNRECOGNIZED = "unrecognized arguments: "
"""argparse's words before flags that there are not."""

UNKNOWN = "extra_forbidden"
"""pydantic's word for a key that is no option. Only the file can have one: argparse refuses such a
flag, and a variable may be another program's."""


def load(settings: type[S], arguments: list[str]) -> S:
    """The options of a command, from all sources. Ends the program, saying why, where one is
    wrong: with 2 where there is no such option, as for a flag, and else with 1."""
    flags: CliSettingsSource[S] = CliSettingsSource(settings)
    try:
        options = CliApp.run(settings, cli_args=arguments, cli_settings_source=flags)
    except ValidationError as error:
        errors = error.errors()
        sources = flags.settings_sources_data
        told = complaints(errors, lambda each: _place_of_error(each, sources))
        unknown = [str(each["loc"][0]) for each in errors if each["type"] == UNKNOWN]
        if not unknown:
            sys.exit(f"server.py: {told}")
        _end_as_misused(told + did_you_mean(unknown, _all_options()))
    except SettingsError as error:
        _end_as_misused(_with_hint(str(error).removeprefix(PARSING), settings))
    options._sources = flags.settings_sources_data  # noqa: SLF001 - the class is of this module
    return options


def _end_as_misused(told: str) -> NoReturn:
    """End the program as argparse does."""
    sys.stderr.write(f"server.py: {told}\n")
    sys.exit(2)


def _with_hint(told: str, settings: type[CommonSettings]) -> str:
    """argparse's message, with the flags that are like those which it names."""
    names = settings.model_fields
    switches = [name for name, field in names.items() if field.annotation is bool]
    known = [*map(as_flag, names), *(as_flag(f"no_{name}") for name in switches)]
    wrong = [word.partition("=")[0] for word in told.split() if word.startswith("--")]
    hint = did_you_mean(wrong, known) if told.startswith(UNRECOGNIZED) else ""
    return f"error: {told}{hint or '; see --help'}"


def _place(name: str, sources: Mapping[str, Mapping[str, Any]]) -> str:
    """The first of the sources, by pydantic's names for them, that has the option."""
    flags, environment, file = (
        sources.get(source.__name__, {}) for source in (CliSettingsSource, EnvSettingsSource, _File)
    )
    if name in flags:
        return as_flag(name)
    if name in environment:
        wanted = f"{PREFIX}{name}".upper()
        return next(variable for variable in os.environ if variable.upper() == wanted)
    if name in file:
        named = flags.get("config") or environment.get("config") or DEFAULT_FILE
        return f"{named}: {name}"
    return as_flag(name)


def _place_of_error(error: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> str:
    name, *inside = map(str, error["loc"])
    place = _place(name, sources)
    return f"{place}, word {int(inside[0]) + 1}" if inside and inside[0].isdigit() else place


def as_flag(name: str) -> str:
    """The flag of an option: ``--log-level`` for ``log_level``."""
    return f"--{name.replace('_', '-')}"


def unknown_variables(environment: Iterable[str]) -> Iterator[str]:
    """A warning for each variable that begins like one of ours and is none, in the order of their
    names. It may be a misspelt option, or another program's."""
    known = {name.upper() for name in _all_options()} | {KEYS_VARIABLE.removeprefix(PREFIX)}
    for name in sorted(environment):
        bare = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or bare in known:
            continue
        hint = did_you_mean([bare], known, PREFIX)
        yield f"the environment has {name}, which is no option{hint}"


def _all_options() -> set[str]:
    """The names of all options of all commands."""
    kinds = [CommonSettings]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return {name for kind in kinds for name in kind.model_fields}
