"""The shapes that the model runs in, on each kind of device."""

from __future__ import annotations

import pytest
import torch

from stages.tts.soprano.shapes import Shapes
from stages.tts.soprano.text import MAX_CHARS, PROMPT_TOKENS

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_a_cpu_always_steps_eight_slots() -> None:
    shapes = Shapes.on(CPU, 20)
    assert shapes.n_slots == 24
    assert shapes.rows([3]) == (0, 8)
    assert shapes.rows([17, 20]) == (16, 8)
    assert shapes.group_of(7) != shapes.group_of(8)
    assert (shapes.prompts(1, 49), shapes.decoder_rows(3)) == ((1, 49), 3)
    assert [shapes.attention_length(position) for position in (0, 63, 64)] == [64, 64, 128]
    assert shapes.used_rows([False, True, False]) == 2
    assert shapes.used_rows([False] * 8) == 1


def test_a_gpu_has_one_group_and_a_few_widths() -> None:
    shapes = Shapes.on(CUDA, 256)
    assert shapes.rows([0]) == (0, 8)
    assert shapes.rows([30, 2]) == (0, 32)
    assert shapes.rows([200]) == (0, 256)
    assert shapes.prompts(2, 49) == (8, 64)
    assert shapes.decoder_rows(9) == 32
    positions = (0, 255, 256, 511, 512, 814)
    lengths = [256, 256, 512, 512, 832, 832]
    assert [shapes.attention_length(position) for position in positions] == lengths


def test_a_crowd_of_newcomers_takes_turns() -> None:
    """Thirty-three prompts were read as if they were as many as there are slots."""
    assert Shapes.on(CUDA, 500).prompt_rows == (1, 8, 32)
    assert Shapes.on(CUDA, 5).prompt_rows == (1, 5)


@pytest.mark.parametrize("n_slots", [1, 8, 20, 256, 600])
def test_every_shape_that_a_gpu_will_meet_is_known_beforehand(n_slots: int) -> None:
    """A graph that is made while somebody speaks would hold everybody up, and run their step
    more than once."""
    shapes = Shapes.on(CUDA, n_slots)
    longest = MAX_CHARS + PROMPT_TOKENS
    for n_rows in range(1, shapes.prompt_rows[-1] + 1):
        for length in (1, 64, 65, longest):
            rows, tokens = shapes.prompts(n_rows, length)
            assert (rows, tokens) in shapes.all_prompts
            assert rows >= n_rows
            assert tokens >= length
    for slot in range(n_slots):
        first, width = shapes.rows([slot])
        assert first == 0
        assert slot < width <= n_slots
        assert width in shapes.widths
        assert shapes.decoder_rows(slot + 1) in (shapes.decoder_row_counts or (slot + 1,))
        assert shapes.decoder_rows(slot + 1) > slot
