"""Pitch is found beside the model thread, and a stream that is left leaves nothing behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.audio.resample import Resampler
from stages.errors import SynthesisError
from stages.rvc.pitch.praat import PraatPitch
from stages.rvc.schedule import PITCH_FRAMES
from stages.rvc.slots.host_pitch import PitchThreads
from stages.rvc.slots.plan import SteadyShape
from stages.rvc.speech import HOP, RATE, FilteredSpeech
from tests.rvc.voices import words
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.pitch.estimator import PitchEstimator
    from stages.rvc.slots.host_pitch import HostPitch

IN_RATE = 32_000
LEFT, LAG = 12, 10
SPEECH = words(IN_RATE)


class Told:
    """Waits for what is told on another thread."""

    def __init__(self) -> None:
        self._more = threading.Condition()

    def wake(self) -> None:
        with self._more:
            self._more.notify_all()

    def wait_for(self, pitch: HostPitch) -> NDArray[np.float32]:
        with self._more:
            assert self._more.wait_for(lambda: pitch.is_ready, PATIENCE_S)
        return pitch.take()


class HeldPitch:
    """Finds no pitch before it is let."""

    name = "held"
    n_bytes = 0

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.may_go_on = threading.Semaphore(0)
        self.threads: set[str] = set()

    def estimate(self, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        self.threads.add(threading.current_thread().name)
        self.began.release()
        assert self.may_go_on.acquire(timeout=PATIENCE_S)
        return np.full(len(samples) // HOP, filter_radius, np.float32)


class BrokenPitch(HeldPitch):
    """Finds pitch once."""

    name = "broken"

    def estimate(self, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        if self.threads:
            raise FloatingPointError("no")
        self.threads.add("")
        return np.zeros(len(samples) // HOP, np.float32)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def threads(told: Told) -> Iterator[PitchThreads]:
    threads = PitchThreads(told.wake)
    yield threads
    threads.close()


def started(threads: PitchThreads, estimator: PitchEstimator) -> HostPitch:
    blocks = SteadyShape.of(32).blocks(LEFT, LAG)
    return threads.start(estimator, blocks, in_rate=IN_RATE, lag=LAG, filter_radius=3)


@pytest.mark.parametrize("n_pieces", [1, 7, 100])
def test_it_finds_what_is_in_the_speech_however_it_comes(
    threads: PitchThreads, told: Told, n_pieces: int
) -> None:
    pitch = started(threads, PraatPitch())
    for piece in np.array_split(SPEECH, n_pieces):
        pitch.push(piece)
    pitch.end()
    to_16k = Resampler(IN_RATE, RATE)
    whole = FilteredSpeech()
    whole.push(np.concatenate([to_16k.push(SPEECH), to_16k.flush()]))
    n_voiced = 0
    for block in SteadyShape.of(32).blocks(LEFT, LAG):
        found = told.wait_for(pitch)
        start = max(block.start, block.stop - PITCH_FRAMES)
        expected = PraatPitch().estimate(whole.filtered(start * HOP, block.stop * HOP))
        # The filter begins with the speech here, and with what is kept of it there.
        np.testing.assert_allclose(found, expected, rtol=1e-3)
        n_voiced += int(np.count_nonzero(found))
        if block.push_to - LAG >= 100:
            break
    assert n_voiced > 100
    assert not pitch.is_ready


def test_the_last_blocks_wait_for_the_end(threads: PitchThreads, told: Told) -> None:
    pitch = started(threads, PraatPitch())
    pitch.push(SPEECH[: IN_RATE // 10])
    pitch.end()
    told.wait_for(pitch)
    empty = started(threads, PraatPitch())
    empty.end()
    assert not empty.is_ready


def test_it_is_found_on_threads_of_its_own(threads: PitchThreads, told: Told) -> None:
    """Whoever pushes does not wait; and there is one thread at a time for one stream."""
    estimator = HeldPitch()
    pitch = started(threads, estimator)
    pitch.push(SPEECH)
    assert estimator.began.acquire(timeout=PATIENCE_S)
    assert not pitch.is_ready
    pitch.push(SPEECH)
    pitch.end()
    assert not estimator.began.acquire(blocking=False)
    estimator.may_go_on.release(100)
    assert (told.wait_for(pitch) == 3).all()
    assert all(name.startswith("pitch") for name in estimator.threads)


def test_what_goes_wrong_is_told_when_the_pitch_is_wanted(
    threads: PitchThreads, told: Told
) -> None:
    pitch = started(threads, BrokenPitch())
    pitch.push(SPEECH)
    told.wait_for(pitch)
    with pytest.raises(SynthesisError, match=r"broken cannot find the pitch .* FloatingPointError"):
        told.wait_for(pitch)
    pitch.push(SPEECH)  # which nobody looks at
    assert pitch.is_ready


def test_a_stream_that_is_left_keeps_no_thread(threads: PitchThreads, told: Told) -> None:
    """A barge-in in the midst of it: its thread takes up no further block, and what is found then
    goes nowhere."""
    estimator = HeldPitch()
    pitch = started(threads, estimator)
    pitch.push(SPEECH)
    assert estimator.began.acquire(timeout=PATIENCE_S)
    pitch.close()
    estimator.may_go_on.release(100)
    other = started(threads, PraatPitch())
    other.push(SPEECH)
    told.wait_for(other)
    assert not estimator.began.acquire(blocking=False)
    assert not pitch.is_ready
    pitch.push(SPEECH)
    pitch.end()
    assert not pitch.is_ready
