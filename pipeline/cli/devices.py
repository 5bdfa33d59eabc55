"""The machine's GPUs, read from the files of their drivers: no library is needed."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli import processors

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
