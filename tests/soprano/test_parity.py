"""The same as the package's own offline `infer`, in tokens and in sound, on random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.tts.soprano.model import SopranoOptions
from stages.tts.soprano.sequence import TokenSequence
from tests.soprano.reference import Reference
from tests.soprano.speaking import SENTENCE, open_engine, say

if TYPE_CHECKING:
    from pathlib import Path

    from stages.audio.format import Samples


def tokens_and_sound(
    folder: Path, text: str, n_states: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[int], Samples]:
    """What our engine makes of a text in so many states."""
    tokens: list[int] = []
    take = TokenSequence.take

    def note(self: TokenSequence, token: int, change: float) -> None:
        tokens.append(token)
        take(self, token, change)

    monkeypatch.setattr(TokenSequence, "take", note)
    engine = open_engine(folder, force_length=lambda _text: n_states)
    sound = say(engine, text)
    engine.close()
    return tokens, sound


@pytest.mark.parametrize(
    ("text", "n_states"),
    [
        (SENTENCE, 40),
        ("Good morning!", 2),
        ("Was it 3.14, or 1,234 dollars and 5 cents?", 61),
        ("Dr. Smith paid $5 at 10:30, etc. and that was that: no more!", 7),
    ],
)
def test_a_tiny_model_says_what_the_package_says(
    tiny_model: Path, text: str, n_states: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ":" in text:
        text = text.replace("that was that: ", "that was that, ")  # infer would cut at the colon
    wanted, wanted_tokens = Reference(tiny_model).infer(text, n_states)
    tokens, sound = tokens_and_sound(tiny_model, text, n_states, monkeypatch)
    assert tokens[:-1] == wanted_tokens  # and the last state would have stopped
    assert len(sound) == 2048 * (n_states - 1)
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(sound, wanted, atol=1e-4)


def test_a_full_model_says_what_the_package_says(
    full_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, wanted_tokens = Reference(full_model).infer(SENTENCE, 30)
    tokens, sound = tokens_and_sound(full_model, SENTENCE, 30, monkeypatch)
    assert tokens[:-1] == wanted_tokens  # and the last state would have stopped
    np.testing.assert_allclose(sound, wanted, atol=1e-4)


def test_bfloat16_says_nearly_the_same(full_model: Path) -> None:
    """Tokens part sooner or later, as the likeliest are close together in random weights; the
    first states do not depend on them."""
    exact = open_engine(full_model, force_length=lambda _text: 4)
    rounded = open_engine(
        full_model, SopranoOptions(dtype=torch.bfloat16, n_slots=8), lambda _text: 4
    )
    wanted, sound = say(exact, SENTENCE), say(rounded, SENTENCE)
    first = slice(0, 1024)
    error = np.abs(sound[first] - wanted[first]).max() / np.abs(wanted).max()
    assert 0 < error < 0.2
