"""What this is: our version, Python's, and those of the libraries that speech depends on."""

from __future__ import annotations

import platform
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"

LIBRARIES = ("torch", "onnxruntime")


def versions() -> str:
    """In one line. Nothing is imported for it."""
    told = [f"voice server {own_version()}", f"Python {platform.python_version()}"]
    return ", ".join([*told, *(f"{name} {_version(name)}" for name in LIBRARIES)])


def own_version() -> str:
    """The server's alone."""
    version_: str = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]
    return version_


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
