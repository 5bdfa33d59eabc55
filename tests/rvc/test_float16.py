"""Conversion in float16, as older GPUs want it. On a CPU: on a GPU it has never run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.rvc.conversion import Converter
from stages.rvc.network.content import ContentEncoder
from stages.rvc.network.synthesizer import Synthesizer
from tests.rvc.conversions import CPU, Kind, content_model, start, voice_file
from tests.rvc.voices import words


def converted_in(dtype: torch.dtype, kind: Kind) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    converter = Converter(ContentEncoder(content_model(kind.hubert), dtype, CPU))
    file = voice_file(kind)
    stream = start(Synthesizer(file.config, file.weights, CPU, dtype))
    stream.push(words(9_600))
    stream.end()
    sounds = []
    with torch.inference_mode():
        while stream.is_due:
            sounds += converter.advance([stream])
    return np.concatenate(sounds)


@pytest.mark.parametrize("kind", [Kind(), Kind("v1", "40k", has_pitch=False), Kind("v2")], ids=str)
def test_it_is_near_float32(kind: Kind) -> None:
    """Nearer than bfloat16, which has 8 bits where float16 has 11: 0.001 and 0.01 of its
    loudness. What was out of range would not be finite, or far off."""
    exact, half = converted_in(torch.float32, kind), converted_in(torch.float16, kind)
    assert len(half) == len(exact)
    assert np.isfinite(half).all()
    assert np.linalg.norm(half - exact) < 0.005 * np.linalg.norm(exact)
