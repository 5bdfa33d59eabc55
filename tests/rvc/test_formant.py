"""Decoder frames lie where the stretched time wants them, each exactly once."""

from __future__ import annotations

import itertools

import pytest
import torch

from stages.rvc.formant import Formant

SHIFTS = [-12.0, -4.0, -0.3, 0.0, 0.7, 5.0, 12.0]


def test_an_octave_is_a_factor_of_two() -> None:
    assert Formant(12).factor == 2
    assert Formant(-12).factor == 0.5
    assert Formant(0).factor == 1


@pytest.mark.parametrize("semitones", SHIFTS)
def test_pieces_of_input_give_every_decoder_frame_once(semitones: float) -> None:
    """Each piece but the first is given together with the frame before it."""
    formant = Formant(semitones)
    frames = torch.arange(-20.0, 100.0)[None, :, None]
    edges = [-20, 5, 7, 40, 100]
    made, stop = [], formant.first(-20)
    for first, behind in itertools.pairwise(edges):
        start, stop = stop, formant.stop(behind)
        given_from = first if first == -20 else first - 1
        part = frames[:, given_from + 20 : behind + 20]
        piece = formant.latents(part, given_from, start, stop)
        assert piece.shape[1] == stop - start
        made.append(piece)
    # An input frame's value is its place here, so a decoder frame's is its place in input frames.
    wanted = torch.arange(formant.first(-20), stop) / formant.factor
    torch.testing.assert_close(torch.cat(made, 1)[0, :, 0], wanted, rtol=0, atol=1e-5)
    assert 99 - 1 / formant.factor < wanted[-1] <= 99


@pytest.mark.parametrize("semitones", SHIFTS)
def test_enough_input_frames_are_asked_for(semitones: float) -> None:
    formant = Formant(semitones)
    for n in range(40):
        frames = formant.frames_for(n)
        assert -formant.first(-frames) >= n
        assert frames <= n / formant.factor + 2


@pytest.mark.parametrize("semitones", SHIFTS)
def test_pitch_is_moved_against_the_formants(semitones: float) -> None:
    """And comes from one frame: voiced and unvoiced are never mixed."""
    formant = Formant(semitones)
    f0 = torch.tensor([[0.0, 0, 0, 0, 300, 300, 300, 300, 0, 0, 0, 0]])
    made = formant.f0(f0, 0, 0, formant.stop(12))[0]
    voiced = made[made > 0]
    torch.testing.assert_close(voiced, torch.full_like(voiced, 300 / formant.factor))
    assert abs(len(voiced) - 4 * formant.factor) <= 1.5
