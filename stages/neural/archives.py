"""Files of torch.save, read without torch and without their tensors' values.

Such a file is a zip archive: ``NAME/data.pkl`` is a pickle, in which each tensor is a reference
to a file ``NAME/data/KEY`` beside it, with a type, a shape and strides (torch/serialization.py
and torch/_utils.py). The pickle of a voice has some 60 kB, the whole file 55 MB: so a folder of
voices can be listed by their pickles alone, and hostile files are refused early.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, TypeAlias

from stages.error_text import MAX_NAME_CHARS, name_list, one_line, reason
from stages.errors import UnusableModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MAX_FILES = 10_000
"""The most in an archive. A voice has 460, a training checkpoint with its optimizer 2,500."""
MAX_DIRECTORY_BYTES = 4_000_000
"""The largest directory of a zip: 10,000 entries of about 100 bytes fit three times."""
MAX_PICKLE_BYTES = 4_000_000
"""The most that is not tensors: a training checkpoint has 400 kB."""
MAX_TUPLES = 40_000
"""The most in a pickle: each tensor needs four. 100,000 nested in each other do no harm; hashing a
million overflows the C stack and ends the process, in torch's reader too."""

Shape: TypeAlias = tuple[int, ...]

BITS: Final[Mapping[str, tuple[str, int]]] = {
    "HalfStorage": ("float16", 16),
    "BFloat16Storage": ("bfloat16", 16),
    "FloatStorage": ("float32", 32),
    "DoubleStorage": ("float64", 64),
    "LongStorage": ("int64", 64),
    "IntStorage": ("int32", 32),
    "ShortStorage": ("int16", 16),
    "CharStorage": ("int8", 8),
    "ByteStorage": ("uint8", 8),
    "BoolStorage": ("bool", 8),
}
"""The type of an element by its name in a pickle: its name today, and its bits."""

MAX_DIMENSIONS = 8
"""The most of a tensor; a convolution has three."""
MAX_NUMBER = 2**63 - 1
"""The largest in a tensor's offset, shape and strides."""

_END_BYTES = 56 + 20 + 22
"""The records that end an archive: two for large ones, which torch always writes, and one."""

_LAST = b"PK\5\6"
_LAST_BYTES = 22
"""The last of them, without a comment behind it."""
MAX_COMMENT_BYTES = 65_535

_NO_ARCHIVE = "is not a zip archive, or it is cut short"
_NO_TORCH_FILE = "is not what torch.save writes, or it is cut short"
_OLD_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
"""The number that stands in front in torch.save's format before 1.6 (torch/serialization.py)."""
_OLD_FORMAT = (
    "has the old format of torch.save: save it anew,"
    " `torch.save(torch.load(OLD, weights_only=True), NEW)`"
)


class TensorOutline(NamedTuple):
    """A tensor, without its values. A tuple, since a pickle can set the fields of a dataclass."""

    dtype: str
    """torch's name: ``float16``."""
    shape: Shape


def read_outline(path: Path, *, max_bytes: int) -> Any:  # noqa: ANN401 - a pickle holds anything
    """Read what was saved, with a `TensorOutline` for each tensor. Other objects than tensors and
    plain containers are refused, as is what `checked_pickle` refuses. Raises `UnusableModel`."""
    data, sizes = checked_pickle(path, max_bytes=max_bytes)
    try:
        return _Unpickler(data, sizes).load()
    except pickle.UnpicklingError as error:
        raise UnusableModel(f"{path} cannot be read: {reason(error)}") from error
    except Exception as error:  # whatever an opcode raises where it meets what it does not fit
        msg = f"{path} cannot be read: its pickle is damaged: {reason(error)}"
        raise UnusableModel(msg) from error


def check_shapes(
    path: Path, what: str, shapes: Mapping[str, Shape], expected: Mapping[str, Shape]
) -> None:
    """Check that tensors have just the names and shapes expected. `what` names the model that they
    should belong to. Raises `UnusableModel`."""
    for lack, names in (
        ("misses", expected.keys() - shapes.keys()),
        ("has also", shapes.keys() - expected.keys()),
    ):
        if names:
            raise UnusableModel(f"{path} is not {what}: it {lack} {name_list(names)}")
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise UnusableModel(f"{path}: {name} has the shape {shapes[name]} instead of {shape}")


def layer_shapes(name: str, weight: Shape) -> Iterator[tuple[str, Shape]]:
    """The tensors of a layer with such a weight, whose bias is as long as its first dimension."""
    yield f"{name}.weight", weight
    yield f"{name}.bias", weight[:1]


def checked_pickle(path: Path, *, max_bytes: int) -> tuple[bytes, dict[str, int]]:
    """The pickle in an archive, and of each file beside it the size by its name from there. The
    file has this size at most, is a whole archive of torch's, and can be unpickled without ending
    the process. Raises `UnusableModel`."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            if size > max_bytes:
                msg = f"{path} has {size} bytes; the largest such file known has {max_bytes}"
                raise UnusableModel(msg)
            file.seek(0)
            if _OLD_MAGIC in file.read(32):
                raise UnusableModel(f"{path} {_OLD_FORMAT}")
            check_directory(path, file)
            with zipfile.ZipFile(file) as archive:
                data, sizes = _unpacked(path, archive)
    except OSError as error:
        raise UnusableModel(f"{path} cannot be read: {error.strerror}") from error
    except (EOFError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise UnusableModel(f"{path} {_NO_TORCH_FILE}") from error
    _check_opcodes(path, data)
    return data, sizes


def check_directory(path: Path | str, file: BinaryIO, *, may_have_comment: bool = False) -> None:
    """Refuse an archive of very many files before their names are read. The records at the end
    say how many there are (APPNOTE.TXT of the zip format, 4.3.14 to 4.3.16); what zipfile takes
    for that end is looked at. torch writes no comment behind it, in which another could hide.
    Raises `UnusableModel`."""
    n_bytes = file.seek(0, io.SEEK_END)
    file.seek(max(0, n_bytes - _END_BYTES - MAX_COMMENT_BYTES * may_have_comment))
    end = bytes(_END_BYTES) + file.read()
    last_at = len(end) - _LAST_BYTES
    if may_have_comment and not (end.startswith(_LAST, last_at) and end.endswith(b"\0\0")):
        last_at = end.rfind(_LAST)
    large, locator, last = end[: last_at - 20][-56:], end[:last_at][-20:], end[last_at:]
    is_large = locator.startswith(b"PK\6\7")
    if (
        not last.startswith(_LAST)
        or len(last) < _LAST_BYTES
        or (not may_have_comment and not last.endswith(b"\0\0"))
        or (is_large and not large.startswith(b"PK\6\6"))
    ):
        raise UnusableModel(f"{path} {_NO_ARCHIVE if may_have_comment else _NO_TORCH_FILE}")
    n_files, directory_bytes = (
        struct.unpack_from("<QQ", large, 32) if is_large else struct.unpack_from("<HI", last, 10)
    )
    if n_files > MAX_FILES or directory_bytes > MAX_DIRECTORY_BYTES:
        raise UnusableModel(f"{path} is an archive of more than {MAX_FILES} files")


def _unpacked(path: Path, archive: zipfile.ZipFile) -> tuple[bytes, dict[str, int]]:
    entries = archive.infolist()
    pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    # torch.save packs nothing, and what is packed could swell to a thousand times its size.
    if len(pickles) != 1 or packed:
        raise UnusableModel(f"{path} {_NO_TORCH_FILE}")
    if (size := pickles[0].file_size) > MAX_PICKLE_BYTES:
        msg = f"{path} holds {size} bytes beside its tensors; no model has {MAX_PICKLE_BYTES}"
        raise UnusableModel(msg)
    folder = pickles[0].filename.removesuffix("data.pkl")
    sizes = {entry.filename.removeprefix(folder): entry.file_size for entry in entries}
    return archive.read(pickles[0]), sizes


def _check_opcodes(path: Path, data: bytes) -> None:
    """Refuse what would end the process of whoever unpickles it."""
    n_tuples = last_memo = 0
    try:
        for opcode, argument, _ in pickletools.genops(data):
            n_tuples += opcode.name.startswith("TUPLE")
            if opcode.name.endswith("PUT") and isinstance(argument, int):
                last_memo = max(last_memo, argument)
    except ValueError as error:
        raise UnusableModel(f"{path} cannot be read: its pickle is damaged") from error
    if n_tuples > MAX_TUPLES:
        raise UnusableModel(f"{path} holds {n_tuples} tuples; no model has {MAX_TUPLES}")
    # Python makes room for all numbers up to one that is used: 16 bytes for each.
    if last_memo > len(data):
        raise UnusableModel(f"{path} cannot be read: its pickle counts to {last_memo}")


class _Unpickler(pickle.Unpickler):
    """Builds plain containers and `TensorOutline`s; there is nothing else that it could call."""

    def __init__(self, data: bytes, sizes: Mapping[str, int]) -> None:
        super().__init__(io.BytesIO(data))
        self._sizes = sizes

    def find_class(self, module: str, name: str, /) -> Any:  # noqa: ANN401
        """Our own stand-in for what the pickle names; never what it names."""
        match module, name:
            case "collections", "OrderedDict":
                return _Dict
            case "torch._utils", "_rebuild_tensor_v2":
                return _REBUILD_TENSOR
            case "torch", _ if name in BITS:
                return name
        what = one_line(f"{module}.{name}", MAX_NAME_CHARS)
        raise pickle.UnpicklingError(f"it holds {what}, and only tensors and plain values are read")

    def persistent_load(self, pid: Any, /) -> Any:  # noqa: ANN401
        """A reference to a file of values, if that file is as long as it says."""
        kind, type_name, key, _, n_values = pid
        if kind != "storage" or type_name not in BITS or type(n_values) is not int:
            raise pickle.UnpicklingError("it refers to something other than values")
        dtype, bits = BITS[type_name]
        if self._sizes.get(f"data/{key}") != n_values * bits // 8:
            raise pickle.UnpicklingError("the values of a tensor are missing or cut short")
        return _Values(dtype, n_values)


class _Dict(dict[Any, Any]):
    """A stand-in for OrderedDict. torch gives its own an attribute, which is left out."""

    def __setstate__(self, state: object) -> None:
        pass


class _Values(NamedTuple):
    dtype: str
    n_values: int


class _RebuildTensor:
    """A stand-in for the function that makes a tensor of values, offset, shape and strides."""

    __slots__ = ()

    def __call__(
        self, values: object, offset: int, shape: tuple[int, ...], strides: tuple[int, ...],
        *_more: object,
    ) -> TensorOutline:  # fmt: skip
        numbers = [offset, *shape, *strides]
        if (
            not isinstance(values, _Values)
            or not len(shape) == len(strides) <= MAX_DIMENSIONS
            or not all(type(number) is int and 0 <= number <= MAX_NUMBER for number in numbers)
        ):
            raise pickle.UnpicklingError("it holds a tensor that is none")
        reach = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if all(shape) and offset + reach >= values.n_values:
            raise pickle.UnpicklingError("it holds a tensor that is larger than its values")
        return TensorOutline(values.dtype, tuple(shape))

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a function has no state")


_REBUILD_TENSOR: Final[Callable[..., TensorOutline]] = _RebuildTensor()
