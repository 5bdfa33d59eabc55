"""A reader of the Dockerfile, for the tests and for try_in_chroot.sh, which runs its commands.

    python3 deploy/dockerfile.py cpu [NAME=VALUE ...]

prints the steps that make the target `cpu`, as lines of Bash that call functions named like the
instructions, with variables and folders resolved as Docker would; NAME=VALUE is a build argument.
It needs only Python's standard library.

It knows the part of the language (docs.docker.com/reference/dockerfile) that our file uses, and
raises `DockerfileError` for anything else.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

DOCKERFILE = Path(__file__).parent.parent / "Dockerfile"

WITHOUT_EFFECT = frozenset({"LABEL", "VOLUME", "EXPOSE"})
"""Instructions that change neither the files nor how the program is started."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Docker's default."""


class DockerfileError(Exception):
    """The Dockerfile has something that this reader does not know."""


class Instruction(NamedTuple):
    """A line such as `COPY --from=program /app /app`: its name, its flags, and the rest."""

    name: str
    flags: dict[str, str]
    rest: str


class Stage(NamedTuple):
    """The instructions from one FROM to the next. `base` is an image or another stage."""

    name: str
    base: str
    instructions: list[Instruction]

    def named(self, name: str) -> list[Instruction]:
        """Its instructions of one name."""
        return [instruction for instruction in self.instructions if instruction.name == name]


class State(NamedTuple):
    """The settings that one instruction leaves to the next, and a stage to those built on it."""

    folder: str
    environment: dict[str, str]
    user: str
    command: list[str]
    healthcheck: list[str]


def read_stages(text: str) -> dict[str, Stage]:
    """The stages by name, in the order of the file."""
    stages: list[Stage] = []
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            base, name = re.split(r"\s+AS\s+", instruction.rest)
            stages.append(Stage(name, base, []))
        elif stages:
            stages[-1].instructions.append(instruction)
        else:
            msg = f"{instruction.name} before the first FROM"
            raise DockerfileError(msg)
    return {stage.name: stage for stage in stages}


def needed(stages: Mapping[str, Stage], target: str) -> list[Stage]:
    """The stages that a target is made of, itself last; each after those that it needs."""
    if target not in stages:
        msg = f"there is no target {target!r}"
        raise DockerfileError(msg)
    stage = stages[target]
    sources = [stage.base, *(copy.flags.get("from", "") for copy in stage.named("COPY"))]
    found: dict[str, Stage] = {}
    for source in sources:
        if source in stages:
            found |= {other.name: other for other in needed(stages, source)}
    return [*found.values(), stage]


def pairs(rest: str) -> dict[str, str]:
    """The `NAME=VALUE NAME="VALUE"` of ENV and LABEL."""
    return dict(_pair(word) for word in shlex.split(rest))


def command(rest: str) -> list[str]:
    """The program and its arguments in an instruction's exec form."""
    if not rest.startswith("["):
        msg = f"not in exec form, so that a shell would get the signals: {rest}"
        raise DockerfileError(msg)
    words: list[str] = json.loads(rest)
    return words


def shell_lines(text: str, target: str, arguments: Mapping[str, str]) -> Iterator[str]:
    """The target as calls, followed by the image's settings for starting it:

    from STAGE BASE
    run STAGE FOLDER COMMAND VARIABLE=VALUE...
    copy STAGE SOURCE-STAGE-OR-NOTHING DESTINATION SOURCE...
    environment=(...); user=...; folder=...; entrypoint=(...); healthcheck=(...)
    """
    stages = needed(read_stages(text), target)
    states: dict[str, State] = {}
    for stage in stages:
        state = states.get(stage.base, State("/", {"PATH": PATH}, "0:0", [], []))
        yield shlex.join(["from", stage.name, stage.base])
        states[stage.name] = yield from _stage_lines(stage, state, arguments)
    end = states[target]
    yield f"environment=({shlex.join(_assignments(end.environment))})"
    yield f"user={shlex.quote(end.user)}"
    yield f"folder={shlex.quote(end.folder)}"
    yield f"entrypoint=({shlex.join(end.command)})"
    yield f"healthcheck=({shlex.join(end.healthcheck)})"


def _stage_lines(
    stage: Stage, state: State, arguments: Mapping[str, str]
) -> Generator[str, None, State]:
    given: dict[str, str] = {}
    for instruction in stage.instructions:
        if instruction.name == "ARG":
            name, has_default, default = instruction.rest.partition("=")
            if name in arguments or has_default:
                given[name] = arguments.get(name, default)
        elif instruction.name == "RUN":
            variables = _assignments(state.environment | given)
            yield shlex.join(["run", stage.name, state.folder, instruction.rest, *variables])
        elif instruction.name == "COPY":
            yield shlex.join(["copy", stage.name, *_copy(instruction, state.folder)])
        elif instruction.name not in WITHOUT_EFFECT:
            state = _after(state, instruction)
    return state


def _after(state: State, instruction: Instruction) -> State:
    match instruction.name:
        case "ENV":
            return state._replace(environment=state.environment | pairs(instruction.rest))
        case "WORKDIR":
            return state._replace(folder=posixpath.join(state.folder, instruction.rest))
        case "USER":
            return state._replace(user=instruction.rest)
        case "ENTRYPOINT":
            return state._replace(command=command(instruction.rest))
        case "HEALTHCHECK":
            return state._replace(healthcheck=command(instruction.rest.removeprefix("CMD").strip()))
        case _:
            msg = f"{instruction.name} is not known here"
            raise DockerfileError(msg)


def _copy(instruction: Instruction, folder: str) -> list[str]:
    *sources, destination = instruction.rest.split()
    if unknown := instruction.flags.keys() - {"from"}:
        msg = f"COPY with {', '.join(unknown)} is not known here"
        raise DockerfileError(msg)
    return [
        instruction.flags.get("from", ""),
        # A slash at its end says that it is a folder, and is kept.
        re.sub(r"/\./?$", "/", posixpath.join(folder, destination)),
        *sources,
    ]


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n\s*", " ", "\n".join(lines))
    for line in filter(str.strip, joined.splitlines()):
        name, *words = line.split()
        flags: dict[str, str] = {}
        while words and words[0].startswith("--"):
            flag, value = _pair(words.pop(0)[2:])
            flags[flag] = value
        rest = line[len(name) :].strip()
        for _ in flags:
            rest = rest.partition(" ")[2].strip()
        if "$" in rest and name != "RUN":  # whose shell knows them
            msg = f"variables are not known here: {rest}"
            raise DockerfileError(msg)
        yield Instruction(name.upper(), flags, rest)


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        msg = f"not NAME=VALUE: {word}"
        raise DockerfileError(msg)
    return name, value


def _assignments(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]


def main(target: str, *arguments: str) -> None:
    """Print the lines, or why there are none."""
    try:
        given = dict(_pair(argument) for argument in arguments)
        for line in shell_lines(DOCKERFILE.read_text(encoding="utf-8"), target, given):
            sys.stdout.write(f"{line}\n")
    except DockerfileError as error:
        sys.exit(f"dockerfile.py: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
