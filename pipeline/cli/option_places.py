"""Who set an option, in words that lead there: a flag, an environment variable, or a key of the
TOML file; and the variables that look like an option and are none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PREFIX = "VOICE_"
"""Of the environment variables. Their case does not count."""

DEFAULT_FILE = Path("voice-server.toml")


@dataclass(frozen=True)
class OptionPlaces:
    """Who set which option. A flag beats a variable, which beats the file, so what neither of the
    first two has, and yet is set, the file has."""

    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """Of an option that is set: ``--port``, ``VOICE_PORT``, ``voice-server.toml: port``."""
        return self._flag(name) or self._variable(name) or self.in_file(name)

    def in_file(self, name: str) -> str:
        """Of a key in the file."""
        variable = self._variable("config")
        named = self._value_of_flag("config") or (variable and self.environment[variable])
        return f"{named or DEFAULT_FILE}: {name}"

    def _flag(self, name: str) -> str | None:
        words = {argument.partition("=")[0] for argument in self._flags()}
        flag, off = as_flag(name), f"--no-{as_flag(name)[2:]}"
        return flag if {flag, off} & words else None

    def _value_of_flag(self, name: str) -> str | None:
        flag, found = as_flag(name), None
        flags = self._flags()
        for argument, behind in zip_longest(flags, flags[1:], fillvalue=""):
            if argument == flag:
                found = behind
            elif argument.startswith(f"{flag}="):
                found = argument.partition("=")[2]
        return found

    def _flags(self) -> Sequence[str]:
        """What can be one: behind ``--`` nothing is."""
        arguments = list(self.arguments)
        return arguments[: arguments.index("--")] if "--" in arguments else arguments

    def _variable(self, name: str) -> str | None:
        wanted = f"{PREFIX}{name}".upper()
        return next((key for key in self.environment if key.upper() == wanted), None)


def as_flag(name: str) -> str:
    """``--log-level`` of ``log_level``."""
    return f"--{name.replace('_', '-')}"


def strange_variables(environment: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """A line for each variable that looks like one of ours and is none, in the order of their
    names. `known`: all that are. It may be another program's, or one that is misspelt."""
    all_known = {name.removeprefix(PREFIX) for name in known}
    for name in sorted(environment):
        bare = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or bare in all_known:
            continue
        near = get_close_matches(bare, sorted(all_known), n=1)
        hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
        yield f"the environment has {name}, which is no option{hint}"
