"""Chains of small operators as one kernel. On a GPU each operator reads and writes all of its
tensors, so four in a row that work element by element cost four times the memory's time;
``torch.compile`` makes one of them, by Triton, which comes with torch. It also needs a C compiler.
"""

from __future__ import annotations

import os
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

import structlog
import torch

from stages.error_text import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.stdlib.get_logger(__name__)

CompileUse: TypeAlias = Literal["auto", "on", "off"]
"""Whether chains of operators are compiled for a GPU; auto: if that works there."""

Out = TypeVar("Out", bound="torch.Tensor | tuple[torch.Tensor, ...]")

MOST_VARIANTS = 64
"""Kernels that may come of one piece of source: a layer's for each network, dtype and shape that
it is met with. torch would give up at the ninth."""

CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""The environment's name for where torch keeps what it compiled."""

BACKEND: str | Callable[..., Any] = "inductor"
"""torch's own compiler."""

_failed = threading.Event()
"""Compiling has failed in this process, so nobody tries again."""


def fused(
    function: Callable[..., Out],
    device: torch.device,
    *,
    wanted: CompileUse = "auto",
    batched: Sequence[int] = (),
) -> Callable[..., Out]:
    """The function, compiled where that is wanted and the device is a GPU; else the function
    itself.

    It takes tensors, and writes in none of them. What it computes with is best handed to it, since
    a tensor that it has from elsewhere is compiled for anew. `batched` are the numbers of the
    arguments whose first dimension is a batch: all sizes from two on then share a kernel.

    Compiling takes seconds, at the first call with each kind of shapes. The first failure in this
    process is told in the log, and all functions run as they are from then on; where ``on`` is
    wanted it is raised."""
    if device.type != "cuda" or wanted == "off":
        return function
    if wanted == "auto" and find_spec("triton") is None:
        return function
    keep_compiled()
    return _Fused(function, wanted, batched)


def keep_compiled() -> None:
    """Let torch keep what it compiles in the user's cache folder, for the next start, unless the
    environment names another, or this one cannot be written to."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~", ".cache")).expanduser()
    folder = cache / "voice-server" / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # torch's own choice, which is gone when the machine starts anew
    if os.access(folder, os.W_OK):
        os.environ.setdefault(CACHE, str(folder))


class _Fused(Generic[Out]):
    """A function that is compiled when it is called first."""

    def __init__(
        self, function: Callable[..., Out], wanted: CompileUse, batched: Sequence[int]
    ) -> None:
        self._function = function
        self._wanted = wanted
        self._batched = batched
        self._compiled = torch.compile(function, fullgraph=True, dynamic=None, backend=BACKEND)

    def __call__(self, *tensors: torch.Tensor) -> Out:
        if not _failed.is_set():
            try:
                return self._call_compiled(*tensors)
            except Exception as error:  # whatever: it runs two compilers
                if self._wanted == "on":
                    raise
                _failed.set()
                log.warning(
                    "operators cannot be compiled here: they run as they are, more slowly",
                    function=getattr(self._function, "__qualname__", repr(self._function)),
                    reason=reason(error),
                    advice="it needs Triton and a C compiler; --torch-compile off does not try",
                )
        return self._function(*tensors)

    def _call_compiled(self, *tensors: torch.Tensor) -> Out:
        from torch import _dynamo  # noqa: PLC0415 - takes a second, for GPUs alone

        _dynamo.config.recompile_limit = MOST_VARIANTS
        for number in self._batched:
            if len(tensors[number]) > 1:  # torch always compiles for a size of one by itself
                _dynamo.maybe_mark_dynamic(tensors[number], 0)
        return self._compiled(*tensors)
