"""Speaking to files and pipes, from arguments and from standard input."""

from __future__ import annotations

import subprocess
import sys
import time
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from stages.audio.resample import resampled_length
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.library import SAMPLE_RATE
from tests import engine_driver
from tests.cli.program import complaint, hear, run, says, started, tell
from tests.server_process import PATIENCE_S, ROOT


def test_speaks_to_a_wav_file() -> None:
    done = run("speak", "Hello there!", "-o", "out.wav")
    assert done.returncode == 0
    assert b"wrote out.wav" in done.stderr
    assert done.stdout == b""
    engine = EspeakEngine(["en-us"])
    engine.load()
    engine.install()
    spoken = engine_driver.speak(engine, "Hello there!", "en-us+f3")
    engine.close()
    with wave.open("out.wav", "rb") as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 48_000)
        assert wav.getnframes() == resampled_length(len(spoken), SAMPLE_RATE, 48_000)
        frames = wav.readframes(wav.getnframes())
    assert len(frames) == 2 * wav.getnframes()
    assert Path("out.wav").stat().st_size == 44 + len(frames)
    assert np.abs(np.frombuffer(frames, "<i2")).max() > 3000


def test_a_file_has_the_rate_that_was_asked_for() -> None:
    assert run("speak", "Hello!", "-o", "out.wav", "--sample-rate", "8000").returncode == 0
    with wave.open("out.wav", "rb") as wav:
        assert wav.getframerate() == 8000
        assert 0.2 < wav.getnframes() / 8000 < 1.5


def test_a_pipe_gets_what_a_file_gets() -> None:
    text = "First, this one. And then another!"
    assert run("speak", text, "-o", "out.wav").returncode == 0
    with wave.open("out.wav", "rb") as wav:
        assert says("speak", text) == wav.readframes(wav.getnframes())


def test_standard_input_is_spoken_like_an_argument() -> None:
    text = "First, this one. And then another!"
    assert says("speak", text=text) == says("speak", text)


def test_a_pipe_can_have_float32() -> None:
    """To half a step of 16 bits, the same sound."""
    floats = np.frombuffer(says("speak", "Hello!", "--encoding", "f32le"), "<f4")
    whole = np.frombuffer(says("speak", "Hello!"), "<i2")
    np.testing.assert_allclose(floats, whole / 32768, atol=1.01 / 32768)


def test_standard_input_is_spoken_as_it_arrives() -> None:
    """To its last sample: nothing of a sentence waits for the one after it. At 8 kHz, so that
    the messages are small."""
    first, second = "The first sentence is here!", " The second one comes much later!"
    rate = ("--sample-rate", "8000")
    sound_of_first, sound_of_second = (says("speak", text, *rate) for text in (first, second))
    with started("speak", "-o", "-", "--log-level", "warning", *rate) as process:
        assert process.stdin is not None
        tell(process, first[:9])
        time.sleep(0.1)
        tell(process, first[9:])
        assert hear(process, len(sound_of_first)) == sound_of_first
        tell(process, second)
        process.stdin.close()
        assert hear(process) == sound_of_second
        assert process.wait(PATIENCE_S) == 0


def test_a_character_may_be_cut_in_two_on_its_way() -> None:
    text = "Ça va, naïve café!".encode()
    with started("speak", "-o", "-", "--log-level", "warning") as process:
        assert process.stdin is not None
        for cut in range(len(text)):
            process.stdin.write(text[cut : cut + 1])
            time.sleep(0.01)
        process.stdin.close()
        assert hear(process) == says("speak", text.decode())


def test_what_is_not_utf_8_does_not_end_it() -> None:
    with started("speak", "-o", "-", "--log-level", "warning") as process:
        assert process.stdin is not None
        process.stdin.write(b"Hello \xff\xfe world!")
        process.stdin.close()
        assert len(hear(process)) > 10_000
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("text", ["", "... 🙂"])
def test_a_text_without_words_is_an_error_and_leaves_what_was_there(text: str) -> None:
    Path("old.wav").write_bytes(b"from before")
    for done in (
        run("speak", text, "-o", "old.wav"),
        run("speak", "-o", "new.mp3", text=text),
        run("speak", "-o", "-", text=text),
    ):
        assert complaint(done) == "server.py: there was nothing to speak"
    assert Path("old.wav").read_bytes() == b"from before"
    assert not Path("new.mp3").exists()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("out.mp3", "mp3float"),
        ("out.MP3", "mp3float"),
        ("out.ogg", "opus"),
        ("out.opus", "opus"),
        ("out.flac", "flac"),
        ("out.aac", "aac"),
    ],
)
def test_a_file_is_written_as_its_name_ends(name: str, codec: str) -> None:
    """Whole: to the end of what the WAV file has, as an ordinary player decodes it."""
    text = "First, this one. And then another!"
    assert run("speak", text, "-o", name).returncode == 0
    assert run("speak", text, "-o", "out.wav").returncode == 0
    with wave.open("out.wav", "rb") as wav:
        wav_s = wav.getnframes() / wav.getframerate()
    with av.open(name) as file:
        stream = file.streams.audio[0]
        assert stream.codec_context.name == codec
        sound_s = sum(frame.samples / frame.sample_rate for frame in file.decode(stream))
    assert wav_s - 0.03 < sound_s < wav_s + 0.1


def test_a_file_without_an_end_is_wav() -> None:
    assert run("speak", "Hello!", "-o", "out").returncode == 0
    assert Path("out").read_bytes()[:4] == b"RIFF"


def test_options_come_from_the_file_in_the_folder() -> None:
    """One file does for both commands: speaking does not mind the server's options."""
    plain = says("speak", "Hello!")
    Path("voice-server.toml").write_text('port = 1\nvoice = "en-us+m1"\n')
    from_file = says("speak", "Hello!")
    assert from_file == says("speak", "Hello!", "--voice", "en-us+m1")
    assert from_file != plain


def test_a_language_is_spoken_without_being_chosen_for_the_server() -> None:
    """The whole voice, or only its language."""
    german = says("speak", "Guten Tag, 3 km.", "--voice", "de+f3")
    assert says("speak", "Guten Tag, 3 km.", "--language", "de-AT") == german
    assert says("speak", "Привет!", "--language", "auto") == says(
        "speak", "Привет!", "--voice=ru+f3"
    )


def test_the_first_language_speaks_where_no_voice_is_chosen(tmp_path: Path) -> None:
    output = tmp_path / "hallo.wav"
    spoken = subprocess.run(
        [sys.executable, "server.py", "speak", "Hallo!", "--espeak-languages=de", "-o", output],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert spoken.returncode == 0, spoken.stderr
    assert "as de+f3" in spoken.stderr
    assert output.stat().st_size > 10_000
