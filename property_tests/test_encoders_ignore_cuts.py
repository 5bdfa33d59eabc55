"""The law of encoding: the bytes of a stream do not depend on how its sound was cut, and what is
decoded is as long as the sound was."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.audio.encoders import FORMATS, SoundFormat, new_encoder
from stages.audio.encoders.opus import OpusPackets
from stages.audio.format import OPUS_RATES
from tests.audio.listening import encoded, hear, pages_of, voice_like

names = st.sampled_from(list(FORMATS))
rates = st.sampled_from(FORMATS["mp3"].rates)
channels = st.sampled_from([None, 1, 2])
lengths = st.integers(0, 12_000)
cuts = st.lists(st.one_of(st.integers(0, 40), st.integers(0, 5_000)), max_size=12)

WITH_CODEC: list[SoundFormat] = ["mp3", "aac", "flac", "opus"]

CODEC_DELAY_SAMPLES = 2_400
"""The most that MP3 (LAME 576, its decoder 529) and AAC (1024) put before the sound, and a part of
a frame behind it (1152)."""


@given(names, rates, channels, lengths, cuts)
def test_bytes_do_not_depend_on_cuts(
    name: SoundFormat, rate: int, n_channels: int | None, length: int, pieces: list[int]
) -> None:
    traits = FORMATS[name]
    assume(rate in traits.rates)
    sound = voice_like(length)
    whole, cut = (
        encoded(new_encoder(name, rate, n_channels), sound, where) for where in ([], pieces)
    )
    assert cut == whole


@given(st.sampled_from(WITH_CODEC), lengths, cuts)
def test_what_is_decoded_is_as_long_as_the_sound(
    name: SoundFormat, length: int, pieces: list[int]
) -> None:
    assume(length or name == "opus")  # the others are nothing then, or a head alone
    container = "aac" if name == "aac" else None  # a frame or two are not known for what they are
    heard = hear(encoded(new_encoder(name), voice_like(length), pieces), container).sound
    more = heard.shape[1] - length
    assert more == 0 if name in {"flac", "opus"} else 0 <= more < CODEC_DELAY_SAMPLES + 1152


@given(st.sampled_from(OPUS_RATES), lengths, cuts)
def test_ogg_pages_are_in_order_and_their_packets_are_the_bare_ones(
    rate: int, length: int, pieces: list[int]
) -> None:
    sound = voice_like(length)
    pages = list(pages_of(encoded(new_encoder("opus", rate), sound, pieces)))
    assert [page.number for page in pages] == list(range(len(pages)))
    assert [bool(page.flags & 4) for page in pages] == [*[False] * (len(pages) - 1), True]
    granules = [page.granule for page in pages]
    assert granules == sorted(granules)
    if rate == 48_000:
        assert granules[-1] == length + 312
        filled = np.pad(sound, (0, (len(pages) - 2) * 960 - length))
        packets = [packet for page in pages[2:] for packet in page.packets]
        assert packets == OpusPackets(rate).push(filled)
