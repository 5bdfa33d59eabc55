"""What Soprano does on a GPU: on one, and as far as it can be tried without; see
`stand_in_device`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from stages.neural import accelerator
from stages.tts.soprano import checkpoint, decoder, device_loop, language_model, model
from stages.tts.soprano.model import SopranoModel, SopranoOptions
from stages.tts.soprano.sampling import Sampling
from tests.neural.stand_in_device import DEVICE, StandInGraphs
from tests.soprano.speaking import SENTENCE, open_engine, request_for, run_all, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = ("Yes.", "The quick brown fox jumps over the lazy dogs of the village.", "No. " * 40)


@pytest.mark.parametrize(
    ("n_slots", "dtype", "sampling"),
    [(3, torch.float32, Sampling()), (9, torch.bfloat16, Sampling(temperature=0.8))],
    ids=["greedy", "sampled"],
)
def test_every_graph_can_be_captured_and_is_made_before_anybody_speaks(
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_slots: int,
    dtype: torch.dtype,
    sampling: Sampling,
) -> None:
    """A graph that is first met in mid-sentence would run its step more than once."""
    graphs = StandInGraphs(DEVICE)
    monkeypatch.setattr(model, "Graphs", lambda _device, **_options: graphs)
    options = SopranoOptions(DEVICE, dtype, sampling=sampling, n_slots=n_slots)
    engine = open_engine(tiny_model, options, force_length=lambda text: 4 + len(text) // 6)
    known = graphs.keys
    requests = [request_for(TEXTS[number % 3]) for number in range(n_slots + 2)]
    run_all(engine, requests)
    assert all(len(request.sound) for request in requests)
    assert graphs.keys == known
    kinds = Counter(key[0] for key in known)  # type: ignore[index]
    wide = n_slots // 8
    assert kinds == {"prefill": 3 * (wide + 2), "steps": 3 * (wide + 1), "decode": 3 * (wide + 2)}


class Kernels(TorchDispatchMode):
    """Counts what a GPU would be given: operators that are more than a view. What is fused counts
    as a kernel for each matrix product and one for each chain between two of them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.n_operators = self.n_kernels = 0
        self._is_fused = self._is_in_chain = False

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - as torch has it
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        made = func(*args, **(kwargs or {}))
        if not func.is_view and func.overloadpacket not in ALLOCATING:
            is_product = func.overloadpacket is torch.ops.aten.linear
            self.n_operators += 1
            self.n_kernels += is_product or not (self._is_fused and self._is_in_chain)
            self._is_in_chain = not is_product
        return made

    def fused(self, function: Callable[..., Any], *_device: object, **_how: object) -> object:
        """In the place of `stages.neural.fusing.fused`."""

        def counted(*args: object) -> object:
            self._is_fused, self._is_in_chain = True, False
            made = function(*args)
            self._is_fused = False
            return made

        return counted


ALLOCATING = {torch.ops.aten.empty, torch.ops.aten.new_empty, torch.ops.aten.empty_like}


@torch.inference_mode()
def test_a_step_is_few_kernels(full_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the true size. Each takes some 2 microseconds, whatever it does: that, and not reading the
    weights, is a step's time on a GPU."""
    kernels = Kernels()
    for where in (language_model, decoder, device_loop):
        monkeypatch.setattr(where, "fused", kernels.fused)
    monkeypatch.setattr(model, "Graphs", lambda _device, **_options: StandInGraphs(DEVICE))
    options = SopranoOptions(DEVICE, torch.bfloat16, n_slots=8)
    loaded = SopranoModel(checkpoint.read(full_model, torch.bfloat16), options)
    loaded.install()
    loop = loaded._loop  # noqa: SLF001 - one step, without what captures it
    n_steps, counter = (torch.zeros(n, dtype=torch.int64, device=DEVICE) for n in (8, 1))
    draws = torch.zeros(device_loop.MAX_STEPS, 8, device=DEVICE)
    with kernels:
        loop.step(256, n_steps, draws, counter)
    assert (kernels.n_operators, kernels.n_kernels) == (336, 182)


@pytest.mark.needs_gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_gpu_says_the_same(tiny_model: Path) -> None:
    """Also for more than the narrowest graph holds."""
    engine = open_engine(tiny_model, force_length=lambda text: 5 + len(text) % 13)
    options = SopranoOptions(device=accelerator.choose_device("cuda"), n_slots=64)
    on_gpu = open_engine(tiny_model, options, force_length=lambda text: 5 + len(text) % 13)
    wanted = say(engine, SENTENCE)
    np.testing.assert_allclose(say(on_gpu, SENTENCE), wanted, atol=1e-3)
    requests = [request_for(SENTENCE) for _ in range(40)]
    run_all(on_gpu, requests)
    for request in requests:
        np.testing.assert_allclose(request.sound, wanted, atol=1e-3)
