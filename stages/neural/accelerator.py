"""Device and precision of the neural engines: as asked for, or the best there is."""

from __future__ import annotations

import math
import os

import numpy as np
import torch

from stages.errors import CannotStart

ALIGNMENT = 64
"""Bytes, as torch's own memory has it: a cache line, and the widest vector."""

KERNELS_KEPT = 8192
"""Enough for the six architectures of RVC, and twice as many again."""


def choose_device(wanted: str) -> torch.device:
    """The device called ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; AMD's ROCm calls its GPUs cuda,
    too. A GPU comes with its number, which torch wants where a thread chooses it. Raises
    `CannotStart` for one that is not there."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(wanted)
    if device.type == "cuda":
        n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        device = torch.device("cuda", device.index or 0)
        if device.index >= n_devices:
            msg = f"device: there is no {wanted}; this torch, {torch.__version__}, sees {n_devices}"
            raise CannotStart(msg)
    return device


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The dtype of this name; for ``auto`` bfloat16, half the bytes to read, where the processor
    multiplies it itself. Raises `CannotStart` for float16 on a CPU, slower there than float32."""
    match wanted:
        case "float32":
            return torch.float32
        case "bfloat16":
            return torch.bfloat16
        case "float16":
            if device.type == "cpu":
                raise CannotStart("dtype: float16 is for GPUs; a CPU is quicker in float32")
            return torch.float16
    if device.type == "cuda":
        with torch.cuda.device(device):
            # Older cards (before Ampere) can do it by way of float32, which is slower than that.
            has_it = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_it else torch.float32
    return torch.bfloat16 if cpu_has_bfloat16() else torch.float32


def with_its_range(dtype: torch.dtype) -> torch.dtype:
    """The dtype for networks that were trained in bfloat16: their values may be beyond float16's
    65 504, and are then computed in float32."""
    return torch.float32 if dtype is torch.float16 else dtype


def use(device: torch.device) -> None:
    """Make this the GPU of this thread, where streams and graphs are made; and let torch compute
    attention without cuDNN, in the whole process. On some GPUs torch would prefer cuDNN, which
    builds a plan for each new batch size and length (ATen's ``cudnn/MHA.cpp``): tens of
    milliseconds in the middle of speech."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cuda.enable_cudnn_sdp(enabled=False)


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 itself, rather than by way of float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())  # noqa: SLF001 - torch tells it nowhere else


def limit_threads(n_processors: int) -> None:
    """Let torch compute with no more threads than there are processors for us: they wait for each
    other, so one too many makes all of them wait for its turn."""
    torch.set_num_threads(min(torch.get_num_threads(), n_processors))


def describe(device: torch.device, dtype: torch.dtype) -> str:
    """The device's name and the precision: ``cpu in bfloat16``."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{name} in {str(dtype).removeprefix('torch.')}"


def keep_kernels() -> None:
    """Let oneDNN cache all kernels that it compiles. It caches 1024 unless its environment says
    otherwise, and RVC voices need some 650 for each architecture: with two of them, each sentence
    would compile anew. A kernel takes a few kB. To be called before anything is computed: oneDNN
    looks once."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS_KEPT))


def zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """A tensor of zeros. On a CPU it takes memory only where it has been written to; that of
    torch.zeros does all over."""
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    n_bytes = math.prod(shape) * dtype.itemsize
    memory = torch.from_numpy(np.zeros(n_bytes + ALIGNMENT, np.uint8))
    start = -memory.data_ptr() % ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).view(shape)
