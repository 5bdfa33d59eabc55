"""Blocks cover a stream once, by position alone, in few shapes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from stages.rvc import schedule
from stages.rvc.schedule import END_STEP, LEAD, MARGIN, PITCH_FRAMES, RAMP, WINDOW, Block
from tests.random_rvc import ROWS
from tests.rvc.conversions import Kind, synthesizer

if TYPE_CHECKING:
    from tests.random_rvc import Rate, Version

N_BLOCKS = 60


def blocks_of(block_frames: int, left: int = 11, right: int = 11) -> list[Block]:
    return list(itertools.islice(schedule.blocks(block_frames, left, right), N_BLOCKS))


@pytest.mark.parametrize("block_frames", [16, 24, 32, 64])
@pytest.mark.parametrize(("left", "right"), [(11, 11), (12, 13), (19, 8), (40, 30)])
def test_every_frame_is_seen_and_decoded_once(block_frames: int, left: int, right: int) -> None:
    blocks = blocks_of(block_frames, left, right)
    first = blocks[0]
    assert first.push_from == -left
    assert first.new_from == first.start == -first.lead
    assert first.lead >= max(LEAD, left)
    for before, block in itertools.pairwise(blocks):
        assert block.push_from == before.push_to
        assert block.new_from == before.stop
        assert block.start >= before.start
    for block in blocks:
        assert block.start <= min(block.new_from, block.push_from)
        assert block.stop == block.push_to + MARGIN
        assert block.stop - block.start <= max(WINDOW, first.stop - first.start)
        assert block.start % 2 == block.new_from % 2 == block.stop % 2 == 0


@pytest.mark.parametrize("block_frames", [16, 32, 64])
def test_blocks_begin_short_and_soon_are_all_alike(block_frames: int) -> None:
    blocks = blocks_of(block_frames)
    pushed = [block.push_to - block.push_from for block in blocks]
    heard = [pushed[0] - 11 - 12, *pushed[1:]]  # the first has both sides of its context as well
    assert heard[: len(RAMP)] == [min(frames, block_frames) for frames in RAMP]
    assert set(heard[len(RAMP) :]) == {block_frames}
    # A window grows to its full size, and then nothing new comes.
    assert len({block.shape for block in blocks}) <= 3 + WINDOW // block_frames
    assert blocks[-1].shape == (WINDOW, block_frames, block_frames)


def test_pitch_is_found_in_all_new_frames() -> None:
    """And in as many before as `PITCH_FRAMES` leaves; else there would be frames without."""
    for block in blocks_of(64)[1:]:
        assert block.stop - block.new_from < PITCH_FRAMES


@pytest.mark.parametrize("end", range(30, 120))
def test_the_last_block_ends_with_the_segment(end: int) -> None:
    block = next(block for block in blocks_of(32) if block.push_to >= end)
    last = block.ending_at(end)
    assert end <= last.push_to < end + END_STEP
    assert last.push_from == block.push_from < last.push_to <= block.push_to
    assert last.new_from == block.new_from < last.stop == last.push_to + MARGIN
    assert -last.lead <= last.start <= block.start


@pytest.mark.parametrize("block_frames", [16, 18, 24, 32, 34, 64])
@pytest.mark.parametrize(("left", "right"), [(11, 11), (12, 13), (19, 8)])
def test_the_lengths_that_a_decoder_can_get_are_told(
    block_frames: int, left: int, right: int
) -> None:
    firsts, laters = schedule.pushed_lengths(block_frames, left, right)
    first, *others = blocks_of(block_frames, left, right)
    met = {first.push_to - first.push_from}
    met |= {
        first.ending_at(end).push_to - first.push_from for end in range(right + 1, first.push_to)
    }
    assert firsts == met
    met = set()
    for block in others:
        met |= {
            block.ending_at(end).push_to - block.push_from
            for end in range(block.push_from + 1, block.push_to + 1)
        }
    assert laters == met


def test_blocks_of_the_usual_size_have_few_lengths() -> None:
    """Each costs 0.1 s at a start."""
    assert schedule.pushed_lengths(32, 10, 11) == ({22, 30, 38}, {8, 16, 24, 32})


@pytest.mark.parametrize(("version", "rate"), ROWS)
def test_a_decoder_has_what_it_needs_around_its_first_sample(version: Version, rate: Rate) -> None:
    decoder = synthesizer(Kind(version, rate)).decoder
    first = next(schedule.blocks(32, decoder.left_frames, decoder.right_frames))
    assert -first.push_from * decoder.hop >= decoder.left_samples
    n_pushed = first.push_to - first.push_from
    n_made = n_pushed * decoder.hop - decoder.left_samples - decoder.right_samples
    assert n_made >= RAMP[0] * decoder.hop


@pytest.mark.parametrize(("n", "wanted"), [(-3, -2), (0, 0), (1, 2), (2, 2), (7, 8)])
def test_even(n: int, wanted: int) -> None:
    assert schedule.even(n) == wanted
