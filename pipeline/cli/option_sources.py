"""Where options come from. Which ones there are is in ``pipeline/cli/settings.py``.

A flag beats the environment (``VOICE_`` and the option's name), which beats the file, which
beats the default.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field, PrivateAttr, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliApp,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pipeline.cli.logs import LogFormat
from pipeline.cli.option_places import (
    DEFAULT_FILE,
    PREFIX,
    OptionPlaces,
    as_flag,
    strange_variables,
)
from pipeline.net.access import KEYS_VARIABLE
from stages.error_text import complaints
from stages.install_hints import IN_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic.fields import FieldInfo


class _UnreadableFile(Exception):
    """Says which file, and why."""


class _File(PydanticBaseSettingsSource):
    """The TOML file that ``config`` names, or the one in the current folder if there is one."""

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
            raise _UnreadableFile(f"{path} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise _UnreadableFile(f"{path} is not TOML: {error}") from error
        # One file for all commands: what another one knows is no mistake.
        known = _all_options()
        return {
            name: value
            for name, value in options.items()
            if name in self.settings_cls.model_fields or name not in known
        }


class CommonSettings(BaseSettings):
    """What all commands have in common."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_parse_none_str="(none)",  # the default, None, is a word that may be spoken
        cli_prog_name="server.py",
    )

    config: Path | None = Field(
        None, description=f"TOML file with options; without it {DEFAULT_FILE}, if there is one"
    )
    models: Path = Field(IN_SOURCE.models, description="folder for models")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much is told on standard error"
    )
    log_format: LogFormat = Field("text", description="lines for people, or an object on each")

    _places: OptionPlaces = PrivateAttr(default_factory=OptionPlaces)

    def place_of(self, name: str) -> str:
        """Who set this option, or, where nobody did, the flag that does."""
        return self._places.of(name) if name in self.model_fields_set else as_flag(name)

    def remember(self, places: OptionPlaces) -> None:
        """Whose words these options are."""
        self._places = places

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags come in with `init_settings`."""
        return init_settings, env_settings, _File(settings_cls)


def _commands(of: type[CommonSettings]) -> Iterator[type[CommonSettings]]:
    """All that there are options for."""
    for settings in of.__subclasses__():
        yield settings
        yield from _commands(settings)


S = TypeVar("S", bound=CommonSettings)

UNKNOWN = "extra_forbidden"
"""pydantic's word for a key that is no option. Only the file can have one: argparse refuses such a
flag, and a variable may be another program's."""


def load(settings: type[S], arguments: list[str]) -> S:
    """Read the options from everywhere. Ends the program, saying why, where one is wrong: with 2
    where there is no such option, as for a flag, and else with 1."""
    places = OptionPlaces(arguments, os.environ)
    try:
        options = CliApp.run(settings, cli_args=arguments)
    except ValidationError as error:
        errors = error.errors()
        told = f"server.py: {complaints(errors, lambda each: _place(each, places))}"
        if not any(each["type"] == UNKNOWN for each in errors):
            sys.exit(told)
        sys.stderr.write(f"{told}\n")
        sys.exit(2)
    except _UnreadableFile as error:
        sys.exit(f"server.py: {error}")
    options.remember(places)
    return options


def _place(error: Mapping[str, Any], places: OptionPlaces) -> str:
    name, *inside = map(str, error["loc"])
    place = places.in_file(name) if error["type"] == UNKNOWN else places.of(name)
    return f"{place}, word {int(inside[0]) + 1}" if inside and inside[0].isdigit() else place


def strange_variables_of(environment: Iterable[str]) -> Iterator[str]:
    """A line for each variable that looks like an option and is none of any command."""
    known = {f"{PREFIX}{name}".upper() for name in _all_options()}
    return strange_variables(environment, known | {KEYS_VARIABLE})


def _all_options() -> set[str]:
    return {name for command in _commands(CommonSettings) for name in command.model_fields}
