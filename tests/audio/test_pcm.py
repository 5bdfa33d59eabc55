"""The wire's bytes, written out."""

from __future__ import annotations

import numpy as np

from stages.audio.pcm import encode


def test_bytes_of_each_encoding() -> None:
    sound = np.array([0.0, 1.0, -1.0, 0.5], np.float32)
    assert encode(sound, "f32le", 1).hex() == "000000000000803f000080bf0000003f"
    assert encode(sound, "s16le", 1).hex() == "0000ff7f01800040"


def test_two_channels_are_the_same_interleaved() -> None:
    assert encode(np.array([1.0, -1.0], np.float32), "s16le", 2).hex() == "ff7fff7f01800180"


def test_a_broken_model_is_silence_not_noise() -> None:
    sound = np.array([np.nan, np.inf, -np.inf, 7.0], np.float32)
    assert np.frombuffer(encode(sound, "f32le", 1), "<f4").tolist() == [0.0, 1.0, -1.0, 1.0]


def test_the_sound_handed_in_is_left_alone() -> None:
    sound = np.array([np.nan, 2.0], np.float32)
    encode(sound, "f32le", 1)
    assert np.isnan(sound[0])
    assert sound[1] == 2.0
