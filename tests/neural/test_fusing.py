"""What becomes of a function that is to be compiled. The compiler's front runs, and makes of each
function what it was: there may be no C compiler here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import torch
from structlog.testing import capture_logs
from torch import _dynamo

from stages.neural import fusing
from stages.neural.fusing import fused, keep_compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[torch.fx.Graph]]:
    """The programs that the compiler is given, with a Triton that is there."""
    programs: list[torch.fx.Graph] = []

    def take(program: torch.fx.GraphModule, _inputs: object) -> Callable[..., object]:
        programs.append(program.graph)
        return program.forward

    monkeypatch.setattr(fusing, "BACKEND", take)
    monkeypatch.setattr(fusing, "find_spec", lambda name: name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(fusing.CACHE, raising=False)
    yield programs
    fusing._failed.clear()  # noqa: SLF001 - a process tells it once
    _dynamo.reset()


def gate(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.silu(x) * weight + x


def decide(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """No compiler makes one kernel of it."""
    return x if x.sum() > 0 else x * weight


def test_a_cpu_and_who_does_not_want_it_run_the_function_itself() -> None:
    assert fused(gate, CPU) is gate
    assert fused(gate, CPU, wanted="on") is gate
    assert fused(gate, GPU, wanted="off") is gate
    assert fusing.CACHE not in os.environ


def test_without_triton_the_function_runs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "find_spec", lambda _name: None)
    assert fused(gate, GPU) is gate
    assert fused(gate, GPU, wanted="on") is not gate  # its error tells what is missing


@torch.inference_mode()
def test_batches_of_all_sizes_share_a_kernel(compiled: list[torch.fx.Graph]) -> None:
    """But for those of one."""
    function, weight = fused(gate, GPU, batched=(0,)), torch.randn(3)
    for n in (1, 4, 8, 2, 64):
        x = torch.randn(n, 3)
        assert torch.equal(function(x, weight), gate(x, weight))
    assert len(compiled) == 2


def test_a_function_may_be_met_in_many_shapes(compiled: list[torch.fx.Graph]) -> None:
    """torch itself gives up at the ninth."""
    function = fused(lambda x: x.view(*x.shape, *[1] * x.dim()) + 1, GPU, wanted="on")
    for n_dims in range(1, 12):
        assert function(torch.zeros([2] * n_dims)).dim() == 2 * n_dims
    assert len(compiled) == 11


@torch.inference_mode()
def test_what_cannot_be_compiled_is_told_once_and_runs_as_it_is(
    compiled: list[torch.fx.Graph],
) -> None:
    with capture_logs() as logs:
        function, other = fused(decide, GPU), fused(gate, GPU)
        x, weight = -torch.ones(2, 3), torch.full((3,), 5.0)
        for _ in range(2):
            assert torch.equal(function(x, weight), 5 * x)
        assert torch.equal(other(x, weight), gate(x, weight))
    (warning,) = logs
    assert warning["function"] == "decide"
    assert "--torch-compile off" in warning["advice"]
    assert warning["reason"]
    assert not compiled


def test_who_insists_on_compiling_is_told_by_an_error() -> None:
    with pytest.raises(_dynamo.exc.Unsupported):
        fused(decide, GPU, wanted="on")(torch.ones(1), torch.ones(1))


def test_what_was_compiled_is_kept_for_the_next_start(tmp_path: Path) -> None:
    keep_compiled()
    folder = tmp_path / "voice-server" / "compiled"
    assert folder.is_dir()
    assert os.environ[fusing.CACHE] == str(folder)


def test_another_folder_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fusing.CACHE, "elsewhere")
    keep_compiled()
    assert os.environ[fusing.CACHE] == "elsewhere"


def test_where_there_can_be_no_folder_torch_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "voice-server").write_bytes(b"a file is in the way")
    keep_compiled()
    assert fusing.CACHE not in os.environ
