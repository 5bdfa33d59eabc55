"""Where options come from. Which ones there are is in ``pipeline/settings.py``.

A flag beats the environment (``VOICE_`` and the option's name), which beats the file, which
beats the default.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliApp,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pipeline.logs import LogFormat
from pipeline.protocol import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

DEFAULT_FILE = Path("voice-server.toml")


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
        with path.open("rb") as file:
            options = tomllib.load(file)
        # One file for all commands: what another one knows is no mistake.
        known = {name for command in _commands(CommonSettings) for name in command.model_fields}
        return {
            name: value
            for name, value in options.items()
            if name in self.settings_cls.model_fields or name not in known
        }


class CommonSettings(BaseSettings):
    """What all commands have in common."""

    model_config = SettingsConfigDict(
        env_prefix="VOICE_",
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
    models: Path = Field(Path("models"), description="folder for models")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much is told on standard error"
    )
    log_format: LogFormat = Field("text", description="lines for people, or an object on each")

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


def load(settings: type[S], arguments: list[str]) -> S:
    """Read the options from everywhere. Ends the program, saying why, where one is wrong."""
    try:
        return CliApp.run(settings, cli_args=arguments)
    except ValidationError as error:
        sys.exit(f"server.py: {in_words(error.errors())}")
    except (OSError, tomllib.TOMLDecodeError) as error:
        sys.exit(f"server.py: the config file cannot be read: {error}")
