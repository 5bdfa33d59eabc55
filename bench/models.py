"""What the benches of neural models share: random models as files, options, columns, timing.

They import torch, and run in one process without a server.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    """Random models, as files."""

    voice: Path
    index: Path
    hubert: Path
    soprano: Path

    @classmethod
    def build(cls, folder: Path, *, tiny: bool) -> Files:
        """Write them all."""
        sizes: Any = random_rvc.TINY if tiny else random_rvc.FULL
        hubert: Any = random_rvc_features.TINY if tiny else random_rvc_features.FULL
        soprano = random_soprano.TINY if tiny else random_soprano.FULL
        (folder / "voices").mkdir()
        return cls(
            voice=random_rvc.build_voice(folder / "voices" / "anna.pth", size=sizes),
            index=random_rvc.build_index(folder / "voices" / "anna.index", n_vectors=20_000),
            hubert=random_rvc_features.build_hubert(folder / "hubert_base.pt", size=hubert),
            soprano=random_soprano.build(folder / "soprano", soprano),
        )
