"""The submodules of rvc_python, which its own __init__ bars: that one wants fairseq, a web server
and a sound card, and ours are the networks alone."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import warnings
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any


def upstream(name: str) -> Any:  # noqa: ANN401 - modules without types
    """The module `rvc_python.NAME`, such as ``lib.infer_pack.models``."""
    if "rvc_python" not in sys.modules:
        spec = PathFinder.find_spec("rvc_python")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        package = ModuleType("rvc_python")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["rvc_python"] = package
    # A pitch tracker that the offline pipeline imports and we never choose; it wants torchaudio.
    sys.modules.setdefault("torchcrepe", ModuleType("torchcrepe"))
    sys.modules.setdefault("numba", _Numba("numba"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated, and of pyworld
        return importlib.import_module(f"rvc_python.{name}")


class _Numba(ModuleType):
    """numba without a compiler, for librosa, which has it compile functions for 12 s at its first
    import. Upstream takes from librosa a table and a loudness: numpy's work, which is the same
    without."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - jit, vectorize, stencil, ...
        if name.startswith("__"):
            raise AttributeError(name)
        return _as_it_is


def _as_it_is(*arguments: Any, **_: object) -> Any:  # noqa: ANN401 - a decorator, or what makes one
    """The function, unless it is still to come."""
    return arguments[0] if callable(arguments[0] if arguments else None) else _as_it_is


def synthesizer(version: str, config: list[Any], *, has_pitch: bool) -> Any:  # noqa: ANN401
    """Upstream's network for a voice's config, in float32 and without dropout."""
    names = {"v1": "SynthesizerTrnMs256NSFsid", "v2": "SynthesizerTrnMs768NSFsid"}
    models = upstream("lib.infer_pack.models")
    build = getattr(models, names[version] + ("" if has_pitch else "_nono"))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # torch.nn.utils.weight_norm is deprecated
        return build(*config, is_half=False).eval()
