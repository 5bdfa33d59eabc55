"""The law: what a listener decodes is the sound that was encoded, to one step of its format."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.audio.pcm import encode

CHANNELS = st.sampled_from([1, 2])
Values = npt.NDArray[np.float32]
IN_RANGE = hnp.arrays(np.float32, st.integers(0, 300), elements=st.floats(-1, 1, width=32))
# Short, and with the odd ones often: among many numbers they are hardly ever drawn.
ODD = st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 1.0, -1.0])
ANY = st.lists(st.one_of(st.floats(width=32), ODD), max_size=20).map(
    lambda values: np.array(values, np.float32)
)


@given(IN_RANGE, CHANNELS)
def test_f32le_is_exact(sound: Values, channels: int) -> None:
    decoded = np.frombuffer(encode(sound, "f32le", channels), "<f4").reshape(-1, channels)
    for channel in range(channels):
        assert np.array_equal(decoded[:, channel], sound)


@given(IN_RANGE, CHANNELS)
def test_s16le_is_off_by_half_a_step_at_most(sound: Values, channels: int) -> None:
    decoded = np.frombuffer(encode(sound, "s16le", channels), "<i2").reshape(-1, channels)
    assert len(decoded) == len(sound)
    for channel in range(channels):
        error = decoded[:, channel].astype(np.float64) - sound.astype(np.float64) * 32767
        assert np.all(np.abs(error) <= 0.5 + 1e-2)  # float32 keeps 24 bits of the product


@given(ANY, CHANNELS)
def test_whatever_an_engine_emits_is_in_range_and_finite(sound: Values, channels: int) -> None:
    decoded = np.frombuffer(encode(sound, "f32le", channels), "<f4").reshape(-1, channels)[:, 0]
    assert np.all(np.abs(decoded) <= 1.0)
    assert np.all(decoded[np.isnan(sound)] == 0.0)
    integers = np.frombuffer(encode(sound, "s16le", channels), "<i2").reshape(-1, channels)[:, 0]
    assert np.all(np.abs(integers.astype(int)) <= 32767)
    assert np.all(integers[sound > 1] == 32767)
    assert np.all(integers[sound < -1] == -32767)
