"""Each format as other programs read it."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.audio.encoders import FORMATS, SoundFormat, check_format, new_encoder
from stages.audio.pcm import encode
from tests.audio.listening import (
    RATE,
    delay_of,
    encoded,
    hear,
    signal_to_noise_db,
    voice_like,
)

if TYPE_CHECKING:
    from stages.audio.format import PcmEncoding

SOUND = voice_like(RATE + 77)

LOSSY = {"mp3": ("mp3", "mp3float"), "aac": ("aac", "aac"), "opus": ("ogg", "opus")}
WITH_CODEC: list[SoundFormat] = ["mp3", "aac", "opus", "flac"]


def whole_frames(n_samples: int, frame: int) -> int:
    return -(-n_samples // frame) * frame


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "rate"), [(n, r) for n in WITH_CODEC for r in FORMATS[n].rates])
def test_every_rate_is_heard_as_it_was_said(name: SoundFormat, rate: int, channels: int) -> None:
    sound = voice_like(RATE // 2)
    heard = hear(encoded(new_encoder(name, rate, channels), sound))
    assert heard.sample_rate == (48_000 if name == "opus" else rate)
    assert heard.sound.shape[0] == channels
    assert np.allclose(heard.sound[0], heard.sound[-1], atol=0.02)
    length = len(sound) * heard.sample_rate / RATE
    # A codec's frames are whole: MP3 and AAC add their delay in front and fill up the last one.
    assert -1 <= heard.sound.shape[1] - length < 4096
    again = voice_like(round(length), heard.sample_rate)
    delay = delay_of(heard.sound[0], again)
    assert 0 <= delay <= 2200
    likeness = np.corrcoef(
        heard.sound[0][delay:][: len(again)], again[: len(heard.sound[0]) - delay]
    )
    assert likeness[0, 1] > 0.97


@pytest.mark.parametrize(("name", "least_db"), [("mp3", 25), ("aac", 20), ("opus", 15)])
def test_what_is_heard_is_close_to_the_sound(name: SoundFormat, least_db: float) -> None:
    heard = hear(encoded(new_encoder(name), SOUND))
    assert (heard.container, heard.codec) == LOSSY[name]
    delay = delay_of(heard.sound[0], SOUND)
    assert signal_to_noise_db(heard.sound[0], SOUND, delay) > least_db


def test_opus_begins_and_ends_where_the_sound_does() -> None:
    """The pre-skip cuts off what the encoder's looking ahead put before it, and the last page's
    granule position what filled up its packet."""
    for n_samples in (0, 1, 647, 648, 649, 959, 960, 961):
        heard = hear(encoded(new_encoder("opus"), voice_like(n_samples)))
        assert heard.sound.shape[1] == n_samples
    heard = hear(encoded(new_encoder("opus"), SOUND))
    assert heard.sound.shape == (2, len(SOUND))
    assert delay_of(heard.sound[0], SOUND) == 0


def test_flac_is_exact() -> None:
    heard = hear(encoded(new_encoder("flac"), SOUND))
    exact = np.frombuffer(encode(SOUND, "s16le", 1), "<i2") / 32_768
    assert (heard.container, heard.codec) == ("flac", "flac")
    assert np.array_equal(heard.sound[0], exact)


def test_flac_does_not_claim_a_length() -> None:
    start = new_encoder("flac").start()
    assert start[:8] == b"fLaC\x80\0\0\x22"  # one block of metadata, STREAMINFO, and the last
    assert len(start) == 8 + 34
    n_samples = int.from_bytes(start[8 + 13 : 8 + 18], "big") & (1 << 36) - 1
    assert n_samples == 0  # unknown (RFC 9639, 8.2)


def test_wav_of_unknown_length_is_read_to_its_end() -> None:
    data = encoded(new_encoder("wav", 24_000), SOUND)
    assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"
    with wave.open(io.BytesIO(data)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 24_000)
    assert data[44:] == encoded(new_encoder("s16le", 24_000), SOUND)
    assert hear(data).sound.shape == (1, (len(SOUND) + 1) // 2)


@pytest.mark.parametrize("name", ["s16le", "f32le", "mulaw", "alaw"])
def test_bare_samples_are_nothing_but_samples(name: PcmEncoding) -> None:
    assert encoded(new_encoder(name, channels=2), SOUND) == encode(SOUND, name, 2)


def mp3_frames(data: bytes) -> list[bytes]:
    """The frames of MPEG-1 or -2 audio, layer III (ISO/IEC 11172-3, 2.4.1.3); fails where there is
    anything else between them."""
    frames = []
    while data:
        sync, version, layer = data[0] << 3 | data[1] >> 5, data[1] >> 3 & 3, data[1] >> 1 & 3
        assert (sync, layer) == (0x7FF, 1)
        is_mpeg1 = version == 3
        kbits = (
            [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
            if is_mpeg1
            else [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
        )[data[2] >> 4]
        rate = [44_100, 48_000, 32_000][data[2] >> 2 & 3] >> {3: 0, 2: 1, 0: 2}[version]
        size = (144 if is_mpeg1 else 72) * kbits * 1000 // rate + (data[2] >> 1 & 1)
        frames.append(data[:size])
        assert len(frames[-1]) == size
        data = data[size:]
    return frames


@pytest.mark.parametrize("rate", FORMATS["mp3"].rates)
def test_mp3_is_a_run_of_frames_without_a_tag(rate: int) -> None:
    """A tag in mid-stream makes LiveKit's decoder lose what is behind it, and one that tells a
    length is wrong in a stream, and where answers are joined."""
    data = encoded(new_encoder("mp3", rate), SOUND)
    frames = mp3_frames(data)
    per_frame = 1152 if rate >= 32_000 else 576
    assert len(frames) * per_frame >= len(SOUND) * rate / RATE
    for tag in (b"Xing", b"Info", b"VBRI"):  # other tags are no frames
        assert not any(tag in frame for frame in frames)
    assert not hear(data).tags


def test_mp3_answers_can_be_joined() -> None:
    """LibreChat does: no frame needs the one before it."""
    data = encoded(new_encoder("mp3"), SOUND)
    frames = mp3_frames(data)
    assert all(frame[4] == 0 and frame[5] >> 7 == 0 for frame in frames)  # main_data_begin
    once, twice = hear(data).sound, hear(data + data).sound
    assert twice.shape[1] == 2 * once.shape[1]


def test_aac_frames_say_their_length_and_nothing_of_who_made_them() -> None:
    data = encoded(new_encoder("aac"), SOUND)
    assert b"Lavc" not in data
    n_frames = 0
    while data:
        assert data[:2] == b"\xff\xf1"
        size = int.from_bytes(data[3:6], "big") >> 5 & 0x1FFF
        assert 7 < size <= len(data)
        data = data[size:]
        n_frames += 1
    assert n_frames * 1024 >= len(SOUND)


@pytest.mark.parametrize(
    ("name", "most_ms"), [("wav", 1), ("opus", 20), ("flac", 48), ("mp3", 48), ("aac", 43)]
)
def test_the_first_bytes_need_little_sound(name: SoundFormat, most_ms: int) -> None:
    encoder = new_encoder(name)
    encoder.start()
    assert any(encoder.push(piece) for piece in np.split(voice_like(48 * most_ms), most_ms))


@pytest.mark.parametrize("name", FORMATS)
def test_no_sound_at_all_is_a_stream_too(name: SoundFormat) -> None:
    data = encoded(new_encoder(name), voice_like(0))
    assert bool(data) == (name in {"wav", "opus", "flac"})  # those that begin with a head


@pytest.mark.parametrize("name", FORMATS)
def test_a_broken_model_is_silence(name: SoundFormat) -> None:
    sound = np.full(9_600, np.nan, np.float32)
    assert encoded(new_encoder(name), sound) == encoded(new_encoder(name), np.zeros_like(sound))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", ["mp3", "aac", "opus"])
def test_a_bit_rate_can_be_asked_for(name: SoundFormat, channels: int) -> None:
    sound = voice_like(3 * RATE)
    sizes = [len(encoded(new_encoder(name, 48_000, channels, r), sound)) for r in (64_000, 192_000)]
    assert sizes[0] < 3 * 64_000 / 8 * 1.2
    assert sizes[0] < sizes[1] < 3 * 192_000 / 8 * 1.2


@pytest.mark.parametrize(
    ("name", "rate", "bits", "told"),
    [
        ("opus", 44_100, None, "sample_rate: opus has 8000, 12000, 16000, 24000, 48000, not 44100"),
        ("mp3", 11_025, None, "sample_rate: mp3"),
        ("mp3", 48_000, 400_000, "bit_rate: mp3 has 8000 to 320000, not 400000"),
        ("opus", 48_000, 300_000, "bit_rate: opus has 8000 to 256000"),
        ("flac", 48_000, 64_000, "bit_rate: flac has none"),
    ],
)
def test_what_cannot_be_had_is_told(
    name: SoundFormat, rate: int, bits: int | None, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        check_format(name, rate, bits)
