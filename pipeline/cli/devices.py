"""The machine's GPUs, read from the files of their drivers, which needs no library; and why torch
does not see one."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import processors
from stages.install_hints import install_hints

if TYPE_CHECKING:
    from collections.abc import Sequence

NVIDIA = Path("/proc/driver/nvidia/gpus")
"""A folder for each GPU; its file ``information`` has a line ``Model:``."""

AMD = Path("/sys/class/kfd/kfd/topology/nodes")
"""A folder for each compute node; ``name`` is empty for a CPU."""


def gpu_names(nvidia: Path = NVIDIA, amd: Path = AMD) -> list[str]:
    """The names of the GPUs that the kernel's drivers know."""
    names = []
    for information in sorted(nvidia.glob("*/information")):
        for line in information.read_text().splitlines():
            key, _, value = line.partition(":")
            if key == "Model":
                names.append(value.strip())
    nodes = [node.read_text().strip() for node in sorted(amd.glob("*/name"))]
    return names + [f"AMD {name}" for name in nodes if name]


def describe_gpus() -> str:
    """A line for the log: the GPUs, or the CPU's cores where there are none."""
    names = gpu_names()
    if names:
        return "Found GPU " + ", ".join(names)
    return f"Found no GPU; the CPU has {processors.available()} cores for us"


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """What torch is, and what it sees."""

    version: str
    made_for: str | None
    """``CUDA 13.0`` or ``ROCm 7.2``; None: CPUs alone."""
    n_gpus: int


def torch_build() -> TorchBuild | None:
    """The torch that is installed; None: there is none."""
    if find_spec("torch") is None:
        return None
    import torch  # noqa: PLC0415 - two seconds

    cuda, rocm = torch.version.cuda, torch.version.hip
    made_for = f"CUDA {cuda}" if cuda else f"ROCm {rocm}" if rocm else None
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return TorchBuild(str(torch.__version__), made_for, n_gpus)


def gpu_problem(wanted: str, torch: TorchBuild | None, gpus: Sequence[str]) -> str | None:
    """Why there is no ``cuda`` or ``cuda:1``, and what to do; None: there is. `gpus` are those that
    the drivers know."""
    number = int(wanted.partition(":")[2] or 0)
    if torch is None:
        return (
            f"{wanted} needs torch, which is not installed; to get it: {install_hints().packages}"
        )
    if number < torch.n_gpus:
        return None
    seen = ", ".join(f"cuda:{each}" for each in range(torch.n_gpus)) or "none"
    known = ", ".join(gpus) or "none"
    told = (
        f"there is no {wanted}: torch {torch.version}, made for {torch.made_for or 'CPUs alone'},"
        f" sees of GPUs {seen}; the drivers here know {known}"
    )
    if torch.n_gpus:
        return f"{told}; choose one that it sees"
    if gpus:
        return f"{told}; to get a torch for that driver: {install_hints().gpu_torch}"
    return f"{told}; install the GPU's driver, or lend it to the container (docs/containers.md)"
