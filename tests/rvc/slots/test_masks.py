"""Frames that are not there, in the networks that see a whole window; and what is compiled."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import _dynamo

from stages.neural import fusing
from stages.neural.fusing import fused
from stages.rvc.network.config import tensor_shapes
from stages.rvc.network.synthesizer import Synthesizer
from tests.rvc.conversions import CPU, Kind, synthesizer, voice_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stages.rvc.network.config import VoiceConfig

N, ABSENT = 40, 13
GPU = torch.device("cuda:0")


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@torch.inference_mode()
def test_frames_that_are_not_there_are_as_if_the_window_began_behind_them() -> None:
    """Nothing of them is to be found in the others, where they are as large as may be."""
    voice = synthesizer(Kind())
    config, speaker = voice.config, voice.speaker(0)
    features, f0 = noise(2, N, config.content_width), noise(2, N).abs() * 300
    drawn_by = noise(2, N, config.inter_channels)
    features[0, :ABSENT] = 1e3
    is_there = torch.ones(2, N, 1, dtype=torch.bool)
    is_there[0, :ABSENT] = False
    made = voice.latents(features, f0, drawn_by, speaker.flow.expand(2, -1, -1), is_there)
    rows = slice(0, 1), slice(1, 2)
    alone = [
        voice.latents(features[row, n:], f0[row, n:], drawn_by[row, n:], speaker.flow)
        for row, n in zip(rows, (ABSENT, 0), strict=True)
    ]
    torch.testing.assert_close(made[:1, ABSENT:], alone[0], rtol=0, atol=2e-6)
    torch.testing.assert_close(made[1:], alone[1], rtol=0, atol=2e-6)


def small() -> VoiceConfig:
    """As other voices but for the number of layers."""
    return replace(
        voice_file(Kind()).config,
        n_layers=1,
        n_speakers=1,
        upsample_rates=(480,),
        upsample_kernels=(960,),
        upsample_initial_channel=16,
        resblock_kernels=(3,),
        resblock_dilations=((1, 2, 3),),
    )


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the compiler is given."""
    taken: list[Any] = []

    def take(program: torch.fx.GraphModule, _inputs: object) -> Callable[..., object]:
        taken.append(program)
        return program.forward

    monkeypatch.setattr(fusing, "BACKEND", take)
    monkeypatch.setattr(fusing, "find_spec", lambda name: name)
    monkeypatch.setattr(fusing, "keep_compiled", lambda: None)
    yield taken
    _dynamo.reset()


@pytest.mark.usefixtures("unpacked")
@torch.inference_mode()
def test_a_decoders_step_is_compiled_whole_and_once(programs: list[Any]) -> None:
    """For batches of any size."""
    config = small()
    assert math.prod(config.upsample_rates) == config.hop
    weights = {
        name.replace("weight_v", "weight"): noise(*shape) / 10
        for name, shape in tensor_shapes(config)
        if not name.endswith("weight_g")
    }
    decoder = Synthesizer(config, weights, CPU, torch.float32).decoder
    step = fused(decoder.step, GPU, wanted="on", batched=range(5))
    for size in (3, 2):
        given = (
            noise(size, config.inter_channels, 1, 8),
            noise(size, 1, 1, 8 * config.hop),
            noise(size, config.upsample_initial_channel, 1, 1),
            torch.arange(size) + 3,
            noise(size, decoder.state_size),
        )
        for made, wanted in zip(step(*given), decoder.step(*given), strict=True):
            torch.testing.assert_close(made, wanted)
    assert len(programs) == 1
