"""espeak-ng's process dies, hangs, is killed: what its listeners hear, and what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from stages.errors import SynthesisError
from stages.tts.espeak import wire
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.library import EspeakLibrary
from stages.tts.espeak.process import EspeakDied, EspeakProcess
from stages.tts.piper.config import PiperConfig
from stages.tts.piper.phonemes import Phonemizer
from tests.engine_driver import DrivenRequest, make_segment, run, speak
from tests.espeak.deadly import DEADLY, HARMLESS, VOICE
from tests.server_process import PATIENCE_S, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stages.audio.format import Samples

SENTENCE = "The weather is quite lovely today, friend, and it will stay so until the evening."
CONFIG = PiperConfig(phoneme_id_map={"a": [1]})


@pytest.fixture
def engine() -> Iterator[EspeakEngine]:
    engine = EspeakEngine()
    engine.load()
    engine.install()
    yield engine
    engine.close()


@pytest.fixture
def phonemizer(engine: EspeakEngine) -> Iterator[Phonemizer]:
    """It shares the engine's process."""
    phonemizer = Phonemizer()
    phonemizer.load()
    yield phonemizer
    phonemizer.close()


def child_of(engine: EspeakEngine) -> psutil.Process:
    assert engine.pid is not None
    return psutil.Process(engine.pid)


def wait_gone(process: psutil.Process) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


class KillingRequest(DrivenRequest):
    """Has its engine's process killed while it hears its sound."""

    engine: EspeakEngine
    kills_at: tuple[int, ...] = ()
    """After so many pieces."""
    number = signal.SIGKILL

    def emit(self, samples: Samples) -> None:
        super().emit(samples)
        if len(self.emitted) in self.kills_at:
            child_of(self.engine).send_signal(self.number)
            if self.number == signal.SIGKILL:
                wait_gone(child_of(self.engine))


def killing(engine: EspeakEngine, *kills_at: int, text: str = SENTENCE) -> KillingRequest:
    request = KillingRequest(make_segment(text))
    request.engine, request.kills_at = engine, kills_at
    return request


def test_text_that_ends_the_process_fails_alone(engine: EspeakEngine) -> None:
    """It ended the whole server: one message, and nobody had a voice any more."""
    before, n_restarts = speak(engine, SENTENCE), engine.n_restarts
    culprit, other = (DrivenRequest(make_segment(*each)) for each in ((DEADLY, VOICE), (SENTENCE,)))
    engine.step([culprit, other])
    assert isinstance(culprit.error, SynthesisError)
    assert str(culprit.error) == "espeak-ng broke on this text in the voice 'my': SIGABRT"
    assert np.array_equal(other.sound, before)
    assert engine.n_restarts - n_restarts == 2  # it is tried once more, and no third time
    assert len(speak(engine, HARMLESS, VOICE))


def test_what_was_said_before_the_end_is_heard_once(engine: EspeakEngine) -> None:
    before, text = run(engine, DrivenRequest(make_segment(f"{HARMLESS}!", VOICE))), f"{HARMLESS}! "
    culprit = run(engine, DrivenRequest(make_segment(text + DEADLY, VOICE)))
    assert isinstance(culprit.error, SynthesisError)
    assert not culprit.finished
    assert 0 < len(culprit.sound) <= len(before.sound) + engine.sample_rate
    n_same = len(culprit.sound) // 2
    assert np.array_equal(culprit.sound[:n_same], before.sound[:n_same])


@pytest.mark.parametrize("n_pieces", [1, 2, 5])
def test_who_is_spoken_to_hears_nothing_of_it(engine: EspeakEngine, n_pieces: int) -> None:
    """Somebody kills it, or what it spoke before had harmed it: the text is spoken from its
    beginning, and heard from where it was."""
    n_restarts = engine.n_restarts
    quiet = run(engine, DrivenRequest(make_segment(SENTENCE)))
    disturbed = run(engine, killing(engine, n_pieces))
    assert engine.n_restarts - n_restarts == 1
    assert disturbed.finished
    assert [len(piece) for piece in disturbed.emitted] == [len(piece) for piece in quiet.emitted]
    assert np.array_equal(disturbed.sound, quiet.sound)
    assert disturbed.words == quiet.words


def test_who_has_left_is_not_spoken_to_again(engine: EspeakEngine) -> None:
    request, n_restarts = killing(engine, 2), engine.n_restarts
    request.dies_after = 2
    run(engine, request)
    assert len(request.emitted) == 2
    assert len(speak(engine, SENTENCE))
    assert engine.n_restarts - n_restarts == 1


def test_a_process_that_died_while_nobody_spoke_is_replaced(
    engine: EspeakEngine, phonemizer: Phonemizer
) -> None:
    quiet, before = speak(engine, SENTENCE), engine.n_restarts
    for n_restarts in (1, 2):
        child = child_of(engine)
        child.kill()
        wait_gone(child)
        if n_restarts == 1:
            assert np.array_equal(speak(engine, SENTENCE), quiet)
        else:
            assert phonemizer.phonemes(make_segment("Hello!"), "en-us", CONFIG).text == "həlˈoʊ!"
        assert engine.n_restarts - before == n_restarts


def test_a_process_that_hangs_is_ended(engine: EspeakEngine) -> None:
    """Once: whoever else is spoken to waits as long."""
    n_restarts = engine.n_restarts
    request = killing(engine, 2, text=SENTENCE * 20)  # more than a pipe holds
    request.number = signal.SIGSTOP
    run(engine, request)
    assert str(request.error).endswith("in the voice 'en-us': it did not come back")
    assert engine.n_restarts - n_restarts == 1
    assert len(speak(engine, SENTENCE))


def test_pipers_phonemes_come_from_it_too(engine: EspeakEngine, phonemizer: Phonemizer) -> None:
    n_restarts = engine.n_restarts
    expected = phonemizer.phonemes(make_segment(SENTENCE), "en-us", CONFIG)
    with pytest.raises(SynthesisError, match="broke on this text in the voice 'my': SIGABRT"):
        phonemizer.phonemes(make_segment(DEADLY), VOICE, CONFIG)
    assert phonemizer.phonemes(make_segment(SENTENCE), "en-us", CONFIG) == expected
    assert engine.n_restarts - n_restarts == 2


def test_signals_that_stop_the_server_are_not_for_it(engine: EspeakEngine) -> None:
    """Ctrl-C goes to a whole group of processes, and a service manager's SIGTERM to all of a
    service's: the last words are still spoken then."""
    child, n_restarts = child_of(engine), engine.n_restarts
    assert os.getpgid(child.pid) != os.getpgid(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        child.send_signal(number)
    assert len(speak(engine, SENTENCE))
    assert (engine.pid, engine.n_restarts) == (child.pid, n_restarts)


def test_it_ends_when_it_is_closed() -> None:
    library = EspeakLibrary()
    assert library.pid is not None
    child = psutil.Process(library.pid)
    library.close()
    assert not child.is_running()


HOLDER = """
import sys
from stages.tts.espeak import wire
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.process import EspeakDied, EspeakProcess
from tests.engine_driver import DrivenRequest, make_segment
engine = EspeakEngine()
engine.load()
engine.install()

class Waiting(DrivenRequest):
    def emit(self, samples):
        print(engine.pid, flush=True)
        sys.stdin.read()

print(engine.pid, flush=True)
sys.stdin.readline()
engine.step([Waiting(make_segment("It goes on for longer than a pipe holds. " * 100))])
"""


def start_holder(folder: Path) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """A program that has an engine, started in a folder that has nothing to do with ours."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    return holder, psutil.Process(int(holder.stdout.readline()))


@pytest.mark.parametrize("how", ["it ends", "it is killed", "it is killed in mid-text"])
def test_it_ends_with_its_server_however_that_ends(tmp_path: Path, how: str) -> None:
    holder, child = start_holder(tmp_path)
    with holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if how == "it ends":
            holder.stdin.close()
        elif how == "it is killed":
            holder.kill()
        else:
            holder.stdin.write(b"\n")
            holder.stdin.flush()
            holder.stdout.readline()
            holder.kill()
    wait_gone(child)


FULL = """
import errno, os, resource
from stages.tts.espeak import wire
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.process import EspeakDied, EspeakProcess
from stages.tts.piper.config import PiperConfig
from stages.tts.piper.phonemes import Phonemizer
from tests.engine_driver import DrivenRequest, make_segment, run, speak

engine, phonemizer = EspeakEngine(), Phonemizer()
engine.load()
engine.install()
phonemizer.load()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError as error:
    assert error.errno == errno.EMFILE
said = ("Hallo!", "de+f3"), ("[x](/pʊt/)", "en-gb"), ("你好", "cmn"), ("Hi!", "en-us")
for text, voice in said:
    assert len(speak(engine, text, voice)), voice
config = PiperConfig(phoneme_id_map={"a": [1]})
for text, voice in (("Bonjour!", "fr"), ("[x](/pʊt/)", "it")):
    assert phonemizer.phonemes(make_segment(text), voice, config).text, voice
os.kill(engine.pid, 9)
request = run(engine, DrivenRequest(make_segment("Hi!")))
assert str(request.error) == "espeak-ng's process cannot be started: Too many open files"
os.closerange(taken[0], taken[-1] + 1)
assert len(speak(engine, "Hi!"))
engine.close()
phonemizer.close()
"""


def test_connections_that_take_all_descriptors_take_nobodys_voice() -> None:
    """The library opens a voice and a dictionary for each segment, and other listeners went mute as
    soon as connections had taken the server's last descriptor. Its process has its own."""
    done = subprocess.run(
        [sys.executable, "-c", FULL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


OVERRUN = """
import os, sys
from itertools import cycle
sys.path.append(sys.argv[1])
from stages.tts.espeak import wire
try:
    for number, answer in enumerate({answers}):
        os.write(1, answer)
        if number == 0:  # it is ready, and waits to be asked
            os.read(0, 100)
except BrokenPipeError:
    pass
"""


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("()", "exit status 0"),
        ("[wire.frame(wire.REFUSED, b'no data')]", "no data"),
        ("[wire.frame(wire.READY), wire.HEAD.pack(wire.SOUND, 1 << 30)]", "made no sense"),
        ("[wire.frame(wire.READY), wire.frame(wire.SOUND, b'xyz')]", "made no sense"),
        ("[wire.frame(wire.READY), wire.frame(wire.PHONEMES)]", "made no sense"),
        ("[wire.frame(wire.READY), wire.frame(wire.SOUND, bytes(9))]", "made no sense"),
        ("[wire.frame(wire.READY), *[wire.frame(wire.SOUND, bytes(2000))] * 10]", "exit status 0"),
        ("cycle([wire.frame(wire.READY), wire.frame(wire.SOUND, bytes(60000))])", "made no sense"),
        (
            "cycle([wire.frame(wire.READY)] + [wire.frame(wire.SOUND, bytes(60000))] * 999)",
            "did not come to an end",
        ),
    ],
)
def test_what_an_overrun_process_says_is_not_trusted(
    tmp_path: Path, answers: str, told: str
) -> None:
    """It cannot have us keep more than its bounds, nor run anything."""

    def unpack(kind: int, body: bytes) -> None:
        if kind != wire.SOUND:
            raise ValueError(kind)
        wire.unpack_sound(body)

    process = EspeakProcess(tmp_path, OVERRUN.format(answers=answers))
    with pytest.raises(EspeakDied, match=told):
        process.ask(wire.SPEAK, b"", unpack, lambda _: True)
    assert process.has_ended
    process.close()
