"""Reading weights from a stranger's file: it is refused, with the reason, before anything of it is
used, and nothing in it is run.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch

from stages.error_text import MAX_REASON_CHARS, one_line, reason
from stages.errors import UnusableModel
from stages.neural.archives import check_shapes, checked_pickle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES = 400_000_000
"""The largest files known are HuBERT base's with 378 MB in float32, and RMVPE's with 362. Soprano's
decoder has 118. RVC voices have a bound of their own: there are checkpoints of trainings."""


def load_pickle(
    path: Path, *, stand_ins: Mapping[str, type] | None = None, max_bytes: int = MAX_BYTES
) -> Any:  # noqa: ANN401 - a pickle holds anything
    """Read what torch.save wrote, onto the CPU. Raises `UnusableModel`.

    Nothing but tensors and plain containers is read, and for the classes that are named in
    `stand_ins` an object of another class, which must be harmless with any attributes."""
    checked_pickle(path, max_bytes=max_bytes)
    allowed: list[Any] = [(cls, name) for name, cls in (stand_ins or {}).items()]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message tells how to do without these checks.
        msg = f"{path} cannot be read: it is damaged, or holds more than tensors and plain values"
        raise UnusableModel(msg) from error
    except Exception as error:  # a hostile pickle can make torch stumble over anything
        raise UnusableModel(f"{path} cannot be read: {reason(error)}") from error


def load_state_dict(path: Path) -> dict[Any, Any]:
    """The same, if it is a dict; neither names nor weights have been looked at."""
    weights = load_pickle(path)
    if not isinstance(weights, dict):
        raise UnusableModel(f"{path} is not a state dict")
    return weights


def check_weights(
    path: Path, what: str, weights: object, expected: Mapping[str, tuple[int, ...]]
) -> dict[str, torch.Tensor]:
    """The weights in float32, if they are plain tensors of just these names and shapes, with finite
    values. `what` names the model that they should belong to. Raises `UnusableModel`."""
    if not isinstance(weights, dict) or not all(map(_is_plain, weights.values())):
        raise UnusableModel(f"{path} is not a state dict of plain tensors")
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    check_shapes(path, what, shapes, expected)
    check_finite(path, weights)
    return {name: weight.float() for name, weight in weights.items()}


def check_values(path: Path, whose: str, values: Mapping[str, tuple[object, object]]) -> None:
    """Raise `UnusableModel` for the first of a config's values that is not what `whose` is: each is
    given with the one that it must be."""
    for key, (value, wanted) in values.items():
        if value != wanted:
            found = one_line(repr(value), MAX_REASON_CHARS)
            raise UnusableModel(f"{path}: {key} is {found}, and {whose}'s is {wanted!r}")


def check_finite(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Raise `UnusableModel` for the first tensor that holds an infinity or no number."""
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise UnusableModel(f"{path}: {name} holds values that are not finite")


def _is_plain(weight: object) -> bool:
    """A real tensor with its values in it; neither sparse nor complex nor a mere shape."""
    return (
        isinstance(weight, torch.Tensor)
        and weight.layout == torch.strided
        and weight.is_floating_point()
        and weight.device.type == "cpu"
    )
