"""What models run on and in which precision, on machines that are not this one."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch

from stages.errors import CannotStart
from stages.neural import accelerator
from tests.server_process import PATIENCE_S, ROOT

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def _two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)


@pytest.mark.usefixtures("_two_gpus")
@pytest.mark.parametrize(
    ("wanted", "device"),
    [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")],
)
def test_a_gpu_comes_with_its_number(wanted: str, device: str) -> None:
    """`torch.cuda.set_device` takes no other, and the model thread calls it."""
    assert accelerator.choose_device(wanted) == torch.device(device)


@pytest.mark.usefixtures("_two_gpus")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(CannotStart, match="there is no cuda:2"):
        accelerator.choose_device("cuda:2")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_gpu_there_is_the_cpu() -> None:
    assert accelerator.choose_device("auto") == torch.device("cpu")
    with pytest.raises(CannotStart, match="there is no cuda"):
        accelerator.choose_device("cuda")


@pytest.mark.parametrize(
    ("wanted", "dtype"),
    [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)],
)
def test_what_is_asked_for_is_taken(wanted: str, dtype: torch.dtype) -> None:
    assert accelerator.choose_dtype(wanted, GPU) is dtype


def test_float16_is_not_for_cpus() -> None:
    with pytest.raises(CannotStart, match="float16 is for GPUs"):
        accelerator.choose_dtype("float16", CPU)


@pytest.mark.parametrize(
    ("multiplies_it", "dtype"), [(True, torch.bfloat16), (False, torch.float32)]
)
def test_a_gpu_that_only_imitates_bfloat16_computes_in_float32(
    multiplies_it: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turing does: torch counts what is done by way of float32, unless it is told not to."""

    def is_supported(including_emulation: bool = True) -> bool:
        return multiplies_it or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    assert accelerator.choose_dtype("auto", GPU) is dtype


def test_what_was_trained_in_bfloat16_keeps_its_range() -> None:
    assert accelerator.with_its_range(torch.float16) is torch.float32
    assert accelerator.with_its_range(torch.bfloat16) is torch.bfloat16
    assert accelerator.with_its_range(torch.float32) is torch.float32


MANY_KERNELS = """
import torch
from stages.neural import accelerator

accelerator.keep_kernels()
x = torch.randn(1, 16, 1, 4000)
weight = torch.randn(16, 16, 1, 3)
for n in (*range(1500), 0):
    torch.nn.functional.conv2d(x[..., : 2000 + n].clone(), weight)
"""


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch is without oneDNN")
def test_more_kernels_are_kept_than_onednn_would() -> None:
    """The last shape is the first again. With 1024 kept it would be compiled twice."""
    env = os.environ | {"ONEDNN_VERBOSE": "profile_create", "PYTHONPATH": str(ROOT)}
    env.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY", None)
    done = subprocess.run(
        [sys.executable, "-c", MANY_KERNELS],
        env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    created = [line for line in done.stdout.splitlines() if ",convolution," in line]
    assert len(created) > 1500
    assert "cache_hit" in created[-1]


def test_a_gpu_is_used_by_the_thread_and_without_plans_for_attention(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[object] = []
    monkeypatch.setattr("torch.cuda.set_device", used.append)
    monkeypatch.setattr(
        "torch.backends.cuda.enable_cudnn_sdp", lambda *, enabled: used.append(enabled)
    )
    accelerator.use(torch.device("cpu"))
    assert not used
    accelerator.use(torch.device("cuda:1"))
    assert used == [torch.device("cuda:1"), False]
