"""What every reader of model files needs: a stranger's file is refused, saying why, before
anything of it is used, and nothing in it is run.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import torch

from stages.errors import UnusableModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MAX_REASON = 300
"""Characters of a library's own explanation."""

SHOWN_NAMES = 3
"""Of a list of tensors in an error."""


def load_pickle(path: Path, *, max_bytes: int, stand_ins: Mapping[str, type] | None = None) -> Any:  # noqa: ANN401 - a pickle holds anything
    """What torch.save wrote, on the CPU. Raises `UnusableModel`.

    Nothing but tensors and plain containers is read, and for the classes that are named in
    `stand_ins` an object of another class, which must be harmless with any attributes."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnusableModel(f"{path} cannot be read: {error.strerror}") from error
    if size > max_bytes:
        raise UnusableModel(f"{path} has {size} bytes; the largest such file known has {max_bytes}")
    if not zipfile.is_zipfile(path):  # what torch.save has written since 2020
        raise UnusableModel(f"{path} is not what torch.save writes, or it is cut short")
    allowed: list[Any] = [(cls, name) for name, cls in (stand_ins or {}).items()]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile pickle can make torch stumble over anything
        raise UnusableModel(f"{path} cannot be read: {why(error)}") from error


def check_weights(
    path: Path, what: str, weights: object, expected: Mapping[str, tuple[int, ...]]
) -> dict[str, torch.Tensor]:
    """The weights, if they are plain tensors of just these names and shapes, with finite values.
    `what` says whose they should be. Raises `UnusableModel`."""
    if not isinstance(weights, dict) or not all(map(is_plain, weights.values())):
        raise UnusableModel(f"{path} is not a state dict of plain tensors")
    for lack, names in (
        ("misses", expected.keys() - weights.keys()),
        ("has also", weights.keys() - expected.keys()),
    ):
        if names:
            raise UnusableModel(f"{path} is not {what}: it {lack} {some(names)}")
    for name, shape in expected.items():
        if tuple(weights[name].shape) != shape:
            msg = f"{path}: {name} has the shape {tuple(weights[name].shape)} instead of {shape}"
            raise UnusableModel(msg)
    check_finite(path, weights)
    return weights


def check_finite(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Raises `UnusableModel` for the first tensor that holds an infinity or no number."""
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise UnusableModel(f"{path}: {name} holds values that are not finite")


def is_plain(weight: object) -> bool:
    """A real tensor with its values in it; neither sparse nor complex nor a mere shape."""
    return (
        isinstance(weight, torch.Tensor)
        and weight.layout == torch.strided
        and weight.is_floating_point()
        and weight.device.type == "cpu"
    )


def some(names: Iterable[str]) -> str:
    """The first few of a list of names."""
    ordered = sorted(map(str, names))
    more = len(ordered) - SHOWN_NAMES
    return ", ".join(ordered[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def why(error: Exception) -> str:
    """An error's own words, in one line: some libraries add a page of advice."""
    paragraph = str(error).strip().partition("\n\n")[0]
    return " ".join(paragraph.split())[:MAX_REASON] or type(error).__name__
