"""Files of safetensors, read without their tensors' values, and without that package.

Such a file is the length of its header (u64, little-endian), the header, which is a JSON object of
tensors by name (type, shape, and where their values lie behind the header) with strings beside them
under ``__metadata__``, and the values.
"""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, Any, Final

from stages.errors import UnusableModel
from stages.neural.archives import MAX_DIMENSIONS, MAX_NUMBER, TensorOutline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_HEADER_BYTES = 4_000_000
"""The largest header: a voice's has 60 kB."""

SIZES: Final[Mapping[str, tuple[str, int]]] = {
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "F32": ("float32", 4),
    "F64": ("float64", 8),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}
"""The type of an element by its name in a header: torch's name, and its bytes."""

_START = struct.Struct("<Qc")


def is_safetensors(start: bytes) -> bool:
    """Whether a file that starts so, with nine bytes, is one of safetensors."""
    if len(start) < _START.size:
        return False
    length, brace = _START.unpack(start[: _START.size])
    return bool(brace == b"{" and length <= MAX_HEADER_BYTES)


def read_safetensors_outline(
    path: Path, *, max_bytes: int
) -> tuple[dict[str, str], dict[str, TensorOutline]]:
    """The strings of a file's metadata, and its tensors. Raises `UnusableModel`."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > max_bytes:
                msg = f"{path} has {size} bytes; the largest such file known has {max_bytes}"
                raise UnusableModel(msg)
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, MAX_HEADER_BYTES):
                raise UnusableModel(f"{path} has a header of {length} bytes: it is cut short")
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        n_left = size - 8 - length
        tensors = {name: _outline(entry, n_left) for name, entry in header.items()}
        texts = {key: value for key, value in metadata.items() if isinstance(value, str)}
    except OSError as error:
        raise UnusableModel(f"{path} cannot be read: {error.strerror}") from error
    # Whatever the header holds that is not as the format has it.
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, struct.error) as error:
        raise UnusableModel(f"{path} cannot be read: its header is damaged") from error
    return texts, tensors


def _outline(entry: Any, n_bytes: int) -> TensorOutline:  # noqa: ANN401 - JSON is anything
    """A tensor whose values lie within so many bytes. Raises what Python does for any other."""
    dtype, size = SIZES[entry["dtype"]]
    shape = tuple(entry["shape"])
    if len(shape) > MAX_DIMENSIONS or not all(
        type(number) is int and 0 <= number <= MAX_NUMBER for number in shape
    ):
        raise ValueError("no shape")
    begin, end = entry["data_offsets"]
    if not 0 <= begin <= end <= n_bytes or end - begin != math.prod(shape) * size:
        raise ValueError("no place")
    return TensorOutline(dtype, shape)
