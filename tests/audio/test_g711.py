"""G.711, for every sample and every code there is, against FFmpeg's decoder."""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt
import pytest

from stages.audio import g711
from stages.audio.pcm import encode

EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)
LAWS = {"mulaw": g711.mulaw, "alaw": g711.alaw}


def decoded(law: str, codes: bytes) -> npt.NDArray[np.int64]:
    decoder = av.CodecContext.create(f"pcm_{law}", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate = 8_000
    decoder.layout = "mono"
    [frame] = decoder.decode(av.Packet(codes))
    levels: npt.NDArray[np.int64] = frame.to_ndarray()[0].astype(np.int64)
    return levels


@pytest.mark.parametrize("law", LAWS)
def test_every_code_is_what_its_own_sound_becomes(law: str) -> None:
    codes = bytes(range(256))
    again = LAWS[law](decoded(law, codes).astype(np.int16)).tobytes()
    differ = [code for code, other in zip(codes, again, strict=True) if code != other]
    assert differ == ([0x7F] if law == "mulaw" else [])  # mu-law has a negative zero


@pytest.mark.parametrize("law", LAWS)
def test_every_sample_is_off_by_half_a_step_at_most(law: str) -> None:
    heard = decoded(law, LAWS[law](EVERY_SAMPLE).tobytes())
    assert np.all(np.diff(heard) >= 0)
    levels = np.unique(heard)
    place = np.searchsorted(levels, heard)
    steps = np.diff(levels, prepend=2 * levels[0] - levels[1], append=2 * levels[-1] - levels[-2])
    half = np.maximum(steps[place], steps[place + 1]) / 2
    within = np.abs(EVERY_SAMPLE.astype(int)) <= 32_256  # beyond it, the last code
    assert np.all(np.abs(heard - EVERY_SAMPLE)[within] <= half[within])


def test_silence_and_full_scale_in_bytes() -> None:
    """Table 1a and 2a of G.711, as they are sent."""
    sound = np.array([0.0, 1.0, -1.0, np.nan], np.float32)
    assert encode(sound, "mulaw", 1).hex() == "ff8000ff"
    assert encode(sound, "alaw", 1).hex() == "d5aa2ad5"
    assert encode(sound, "alaw", 2).hex() == "d5d5aaaa2a2ad5d5"
