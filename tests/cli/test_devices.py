"""Which GPUs there are, from the files that the drivers keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.cli import devices
from pipeline.cli.devices import TorchBuild, gpu_problem
from stages.install_hints import IN_SOURCE

if TYPE_CHECKING:
    from pathlib import Path

INFORMATION = """\
Model: \t\t NVIDIA H200
IRQ:   \t\t 33
GPU UUID: \t GPU-6b3bd2ad-55a3-44d2-9b7b-1d3d9a6a8f4e
Video BIOS: \t 96.00.99.00.01
Bus Type: \t PCIe
"""


def add_nvidia(folder: Path, address: str, information: str) -> None:
    (folder / address).mkdir(parents=True)
    (folder / address / "information").write_text(information)


def add_amd(folder: Path, node: int, name: str) -> None:
    (folder / str(node)).mkdir(parents=True)
    (folder / str(node) / "name").write_text(name)


def test_without_drivers_there_is_no_gpu(tmp_path: Path) -> None:
    assert devices.gpu_names(tmp_path / "nvidia", tmp_path / "amd") == []


def test_drivers_may_be_there_and_have_no_gpu(tmp_path: Path) -> None:
    add_amd(tmp_path / "amd", 0, "\n")  # a CPU is a node without a name
    (tmp_path / "nvidia").mkdir()
    assert devices.gpu_names(tmp_path / "nvidia", tmp_path / "amd") == []


def test_every_gpu_is_named_in_the_order_of_its_slot(tmp_path: Path) -> None:
    nvidia, amd = tmp_path / "nvidia", tmp_path / "amd"
    add_nvidia(nvidia, "0000:41:00.0", INFORMATION.replace("H200", "L4"))
    add_nvidia(nvidia, "0000:01:00.0", INFORMATION)
    add_amd(amd, 0, "")
    add_amd(amd, 1, "navi21\n")
    assert devices.gpu_names(nvidia, amd) == ["NVIDIA H200", "NVIDIA L4", "AMD navi21"]


def test_a_driver_that_tells_no_model_names_nothing(tmp_path: Path) -> None:
    add_nvidia(tmp_path, "0000:01:00.0", "IRQ: 33\n")
    assert devices.gpu_names(tmp_path, tmp_path / "amd") == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["NVIDIA H200", "AMD navi21"], "Found GPU NVIDIA H200, AMD navi21"),
        ([], "Found no GPU; the CPU has 3 cores for us"),
    ],
)
def test_gpus_are_described_in_a_line(
    names: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "gpu_names", lambda: names)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2, 5})
    assert devices.describe_gpus() == words


def test_this_machine_can_be_asked() -> None:
    assert devices.describe_gpus().startswith("Found ")


CPU_BUILD = TorchBuild("2.13.0+cpu", None, 0)


def test_a_gpu_that_torch_sees_is_no_problem() -> None:
    both = TorchBuild("2.13.0+cu130", "CUDA 13.0", 2)
    for wanted in ("cuda", "cuda:0", "cuda:1"):
        assert gpu_problem(wanted, both, ["NVIDIA H200"]) is None


def test_a_torch_for_cpus_is_told_and_how_to_get_another() -> None:
    told = gpu_problem("cuda", CPU_BUILD, ["NVIDIA H200"])
    assert told is not None
    assert told.startswith(
        "there is no cuda: torch 2.13.0+cpu, made for CPUs alone, sees of GPUs none"
    )
    assert "the drivers here know NVIDIA H200" in told
    assert told.endswith(IN_SOURCE.gpu_torch)


def test_without_a_driver_no_torch_helps() -> None:
    told = gpu_problem("cuda", TorchBuild("2.13.0+rocm7.2", "ROCm 7.2", 0), [])
    assert told is not None
    assert "made for ROCm 7.2" in told
    assert "the drivers here know none; install the GPU's driver" in told


def test_a_number_beyond_the_last_gpu() -> None:
    one = TorchBuild("2.13.0+cu130", "CUDA 13.0", 1)
    told = gpu_problem("cuda:7", one, ["NVIDIA H200"])
    assert told is not None
    assert told.startswith("there is no cuda:7: ")
    assert told.endswith(
        "sees of GPUs cuda:0; the drivers here know NVIDIA H200; choose one that it sees"
    )


def test_without_torch_there_is_no_gpu() -> None:
    told = gpu_problem("cuda", None, ["NVIDIA H200"])
    assert told == f"cuda needs torch, which is not installed; to get it: {IN_SOURCE.packages}"
