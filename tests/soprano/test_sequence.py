"""How far a text is: when its next sound is due, and when it ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from soprano.tts import SopranoTTS

from stages.tts.soprano.decoder import Piece
from stages.tts.soprano.sequence import TokenSequence

STOP = 3
FAR = 1000.0


def sequence(max_states: int = 512, length: int | None = None) -> TokenSequence:
    return TokenSequence(slot=2, n_prompt=10, max_states=max_states, stop_token=STOP, length=length)


def test_a_row_goes_on_from_the_last_token() -> None:
    it = sequence()
    it.take(70, FAR)
    assert it.row == (70, 10, 1)
    it.take(71, FAR)
    assert it.row == (71, 11, 2)


def test_the_state_that_stops_is_not_spoken() -> None:
    it = sequence()
    it.take(70, FAR)
    it.take(STOP, FAR)
    assert (it.n_states, it.has_ended, it.cut) == (1, True, None)


def test_pieces_depend_on_the_position_alone() -> None:
    it = sequence()
    pieces = []
    for token in [*range(100, 112), STOP]:
        it.take(token, FAR)
        piece = it.next_piece(chunk_states=3)
        if piece is not None:
            pieces.append(piece)
    assert pieces == [
        Piece(2, 0, 4, is_last=False),
        Piece(2, 4, 7, is_last=False),
        Piece(2, 7, 10, is_last=False),
        Piece(2, 10, 12, is_last=True),
    ]


@pytest.mark.parametrize("n_states", [0, 1, 2])
def test_a_text_that_ends_at_once_has_one_last_piece(n_states: int) -> None:
    it = sequence()
    for _ in range(n_states):
        it.take(100, FAR)
        assert it.next_piece(3) is None
    it.take(STOP, FAR)
    assert it.next_piece(3) == Piece(2, 0, n_states, is_last=True)


def test_a_text_that_does_not_end_is_cut_at_its_budget() -> None:
    it = sequence(max_states=5)
    for _ in range(5):
        assert not it.has_ended
        it.take(100, FAR)
    assert (it.n_states, it.has_ended, it.cut) == (5, True, "length")


def test_a_forced_length_overrides_the_model_and_the_guards() -> None:
    it = sequence(max_states=5, length=40)
    for _ in range(41):
        assert not it.has_ended
        it.take(STOP, 0.0)
    assert (it.n_states, it.has_ended, it.cut) == (40, True, None)


def test_a_forced_length_may_be_none_at_all() -> None:
    it = sequence(length=0)
    it.take(100, FAR)
    assert (it.n_states, it.has_ended) == (0, True)


@pytest.mark.parametrize("seed", range(20))
def test_a_run_is_found_where_the_package_finds_it(seed: int) -> None:
    """`hallucination_detector` looks at the whole; ours says at which state it would first."""
    random = np.random.default_rng(seed)
    steps = random.choice([0.1, 3.0], size=80, p=[0.8, 0.2])
    states = torch.from_numpy(np.cumsum(steps)[:, None] * np.ones(512)).float()
    it = sequence()
    for number in range(len(states)):
        change = FAR if number == 0 else float((states[number] - states[number - 1]).abs().sum())
        found = SopranoTTS.hallucination_detector(None, states[: number + 1])
        it.take(100, change)
        assert (it.cut == "repetition") == found
        if found:
            return
    assert not it.has_ended
