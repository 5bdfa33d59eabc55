"""What the benches of neural models share: random models as files, options, columns, timing.

They import torch, and run in one process without a server.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bench.common import argument_parser
from stages.neural import accelerator
from tests import random_rvc, random_rvc_features, random_soprano

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.common import Result

SOPRANO_RATE = 32_000
WARM_UP = 3
N_VECTORS = 20_000
"""In a voice's index."""

COLUMNS = {
    "ms": "ms",
    "floor_ms": "floor ms",
    "first_audio_ms": "first ms",
    "first_audio_ms_max": "slowest",
    "speech_s_per_s": "s a second",
    "real_time_factor": "factor",
    "gap_ms": "gap ms",
}


def model_parser(docstring: str | None) -> argparse.ArgumentParser:
    """What can be asked of all of them."""
    parser = argument_parser(docstring)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--tiny", action="store_true", help="tiny models: to try the script")
    parser.add_argument("--runs", type=int, default=3, help="of which the median counts")
    return parser


def chosen(asked: argparse.Namespace) -> tuple[torch.device, torch.dtype]:
    """The device and the type, as the server would choose them; before anything is computed."""
    accelerator.keep_kernels()
    device = accelerator.choose_device(asked.device)
    return device, accelerator.choose_dtype(asked.dtype, device)


def timed_ms(function: Callable[[], object], repeats: int) -> float:
    """The median of a call, after three that warm up."""
    times = []
    for _ in range(WARM_UP + repeats):
        began = time.perf_counter()
        function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times[WARM_UP:])


def median_of(runs: Sequence[Result]) -> Result:
    """Key by key; the first run warms up."""
    keys = runs[0].keys()
    return {key: round(statistics.median(run[key] for run in runs[1:]), 3) for key in keys}


@dataclass(frozen=True, slots=True)
class Files:
    """Random models as files in a folder, where the server looks for them."""

    folder: Path

    @property
    def models(self) -> Path:
        """The models folder."""
        return self.folder / "models"

    @property
    def soprano(self) -> Path:
        return self.models / "soprano"

    @property
    def hubert(self) -> Path:
        return self.models / "hubert" / "hubert_base.pt"

    @property
    def rmvpe(self) -> Path:
        """Which `build` does not write."""
        return self.models / "rmvpe" / "rmvpe.pt"

    @property
    def voice(self) -> Path:
        return self.folder / "voices" / "anna.pth"

    @property
    def index(self) -> Path:
        """The voice's."""
        return self.voice.with_suffix(".index")

    @classmethod
    def build(cls, folder: Path, *, tiny: bool) -> Files:
        """Write them all."""
        files = cls(folder)
        for build in (files.build_voice, files.build_hubert, files.build_soprano):
            build(tiny=tiny)
        random_rvc.build_index(files.index, n_vectors=N_VECTORS)
        return files

    def build_voice(self, *, tiny: bool) -> None:
        """v2, 48 kHz."""
        random_rvc.build_voice(self.voice, size=random_rvc.TINY if tiny else random_rvc.FULL)

    def build_hubert(self, *, tiny: bool) -> None:
        size = random_rvc_features.TINY if tiny else random_rvc_features.FULL
        self.hubert.parent.mkdir(parents=True, exist_ok=True)
        random_rvc_features.build_hubert(self.hubert, size=size)

    def build_rmvpe(self, *, tiny: bool) -> None:
        sizes = random_rvc_features.TINY_RMVPE, random_rvc_features.FULL_RMVPE
        random_rvc_features.build_rmvpe(self.rmvpe, size=sizes[not tiny])

    def build_soprano(self, *, tiny: bool) -> None:
        random_soprano.build(self.soprano, random_soprano.TINY if tiny else random_soprano.FULL)
