"""The choice of a pitch method, among those that can be had."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from stages.error_text import TO_GET_IT
from stages.errors import CannotStart
from stages.install_hints import install_hints

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from stages.rvc.pitch.estimator import PitchEstimator

PACKAGES = {"pm": "parselmouth", "dio": "pyworld", "harvest": "pyworld", "rmvpe": "torch"}
"""The package that each method needs."""


def why_not(method: str, rmvpe_path: Path) -> str | None:
    """The reason why a method cannot be had, with the command that gets it; None: it can."""
    if find_spec(PACKAGES[method]) is None:
        return f"{method} needs {PACKAGES[method]}{TO_GET_IT}{install_hints().packages}"
    if method == "rmvpe" and not rmvpe_path.is_file():
        return f"rmvpe needs {rmvpe_path}{TO_GET_IT}{install_hints().model(rmvpe_path.parent)}"
    return None


class PitchEstimators:
    """The pitch estimators of one device: each is made when it is first asked for, and kept."""

    def __init__(self, rmvpe_path: Path, device: torch.device, dtype: torch.dtype) -> None:
        """`rmvpe_path` need not be there; `dtype` is for rmvpe."""
        self.rmvpe_path = rmvpe_path
        self._device = device
        self._dtype = dtype
        self._made: dict[str, PitchEstimator] = {}

    @property
    def n_bytes(self) -> int:
        """The memory of those that were made."""
        return sum(estimator.n_bytes for estimator in self._made.values())

    def choose(self, method: str) -> PitchEstimator:
        """The estimator for a method, or for ``auto``: rmvpe on a GPU, where its file is there, and
        else pm, which takes 2 ms of CPU for a second of speech where rmvpe takes 100. Raises
        `CannotStart` for what cannot be had, and `UnusableModel` for a bad file.

        Its libraries are imported, and its file is read, here."""
        if method == "auto":
            is_there = why_not("rmvpe", self.rmvpe_path) is None
            method = "rmvpe" if self._device.type == "cuda" and is_there else "pm"
        if method not in self._made:
            self._made[method] = self._make(method)
        return self._made[method]

    def _make(self, method: str) -> PitchEstimator:
        if method not in PACKAGES:
            msg = f"there is no pitch method {method!r}; there are auto, {', '.join(PACKAGES)}"
            raise CannotStart(msg)
        if (lack := why_not(method, self.rmvpe_path)) is not None:
            raise CannotStart(lack)
        match method:
            case "rmvpe":
                from stages.rvc.pitch.rmvpe import read_rmvpe  # noqa: PLC0415 - torch takes a second

                return read_rmvpe(self.rmvpe_path, self._device, self._dtype)
            case "dio" | "harvest":
                from stages.rvc.pitch.world import WorldPitch  # noqa: PLC0415 - may be missing

                return WorldPitch(method)
        from stages.rvc.pitch.praat import PraatPitch  # noqa: PLC0415 - may be missing

        return PraatPitch()
