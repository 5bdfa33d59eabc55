"""What models run on, on machines that are not this one."""

from __future__ import annotations

import pytest
import torch

from stages import accelerator
from stages.errors import CannotStart


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
