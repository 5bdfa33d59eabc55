"""The program of espeak-ng's process: what it is asked comes in on its standard input, one thing at
a time, and is answered on its standard output, in the frames of ``wire.py``.

It ends when its input does, also in the middle of a text: however the server ends, this process
goes with it. Signals that stop the server are not for it.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys

from stages.tts.espeak import wire
from stages.tts.espeak.libespeak import ENDPAUSE, PHONEMES, EspeakRefusal, Libespeak

TYPE_CHECKING = False  # see wire.py
if TYPE_CHECKING:
    from stages.tts.espeak.wire import Mark


FIRST_BUFFERS = 2
"""Of 60 ms, told at once: the least that a first piece of 80 ms (`pieces.py`) can be cut from, as
silence comes first."""
BUFFERS = 4
"""Told at once behind them, a piece: each time the server is woken, which costs more than a buffer
does where others want the processor, too."""


class _EspeakRequest:
    """What the server has asked last."""

    def __init__(self, kind: int, body: bytes) -> None:
        self.kind = kind
        self.body = body
        self.is_broken_off = False


class EspeakServant:
    """Answers what it is asked. A thread of its own listens, so that a text can be broken off, and
    the end of the input is seen, whatever the library does."""

    def __init__(self, answers: int) -> None:
        """`answers` is a file descriptor."""
        self._answers = answers
        self._asked = _EspeakRequest(wire.BREAK_OFF, b"")
        self._has_asked = _thread.allocate_lock()  # released for each thing; `threading` takes 3 ms
        self._has_asked.acquire()

    def serve(self, library: str, folder: bytes) -> None:
        """Set the library up, and answer for ever."""
        _thread.start_new_thread(self._listen, ())
        try:
            libespeak = Libespeak(library, folder)
        except (EspeakRefusal, OSError) as error:
            self._answer(wire.REFUSED, str(error).encode())
            return
        self._answer(wire.READY)
        while True:
            self._has_asked.acquire()
            asked = self._asked
            try:
                if asked.kind == wire.SPEAK:
                    self._speak(libespeak, asked)
                else:
                    self._translate(libespeak, asked)
            except Exception as error:  # noqa: BLE001 - told to who asked
                told = str(error) if isinstance(error, EspeakRefusal) else f"espeak-ng: {error!r}"
                self._answer(wire.REFUSED, told.encode())
            else:
                self._answer(wire.DONE)

    def _speak(self, libespeak: Libespeak, asked: _EspeakRequest) -> None:
        voice, language_file, text, words_per_minute, volume, wanted = wire.unpack_speech(
            asked.body
        )

        held_marks: list[Mark] = []
        held: list[bytes] = []
        n_wanted = FIRST_BUFFERS

        def on_sound(marks: list[Mark], samples: bytes) -> bool:
            nonlocal n_wanted
            held_marks.extend(marks)
            held.append(samples)
            if len(held) >= n_wanted:
                tell()
                n_wanted = BUFFERS
            return not asked.is_broken_off

        def tell() -> None:
            self._answer(wire.SOUND, wire.pack_sound(held_marks, b"".join(held)))
            held_marks.clear()
            held.clear()

        end_pause, has_phonemes = wanted & wire.END_PAUSE, wanted & wire.HAS_PHONEMES
        libespeak.choose(voice, language_file)
        libespeak.speak(
            text,
            words_per_minute=words_per_minute,
            volume=volume,
            flags=ENDPAUSE * bool(end_pause) | PHONEMES * bool(has_phonemes),
            on_sound=on_sound,
        )
        tell()

    def _translate(self, libespeak: Libespeak, asked: _EspeakRequest) -> None:
        said = libespeak.translate(*wire.unpack_texts(asked.body))
        # All in one, since each writing wakes who reads.
        self._write(
            b"".join(wire.frame(wire.PHONEMES, wire.pack_phonemes(clauses)) for clauses in said)
        )

    def _answer(self, kind: int, body: bytes = b"") -> None:
        self._write(wire.frame(kind, body))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._answers, data) :]

    def _listen(self) -> None:
        """Hear what is asked, until the server has gone."""
        head_size = wire.HEAD.size
        requests = sys.stdin.buffer
        while len(head := requests.read(head_size)) == head_size:
            kind, length = wire.HEAD.unpack(head)
            body = requests.read(length)
            if kind == wire.BREAK_OFF:
                self._asked.is_broken_off = True
            elif len(body) == length:
                self._asked = _EspeakRequest(kind, body)
                self._has_asked.release()
        os._exit(0)


def main() -> None:
    """Answer until the server has gone. Arguments: the library and the folder with its data."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _leave_no_core()
    answers = os.dup(1)
    os.dup2(2, 1)  # should the library print something
    library, folder = sys.argv[1:]
    try:
        EspeakServant(answers).serve(library, os.fsencode(folder))
    except BrokenPipeError:  # the server has gone
        os._exit(0)


def _leave_no_core() -> None:
    """A crash is to cost milliseconds. A limit of 1 also keeps it from programs that take cores,
    which a limit of 0 does not (``fs/coredump.c``)."""
    try:
        import resource  # noqa: PLC0415 - Windows has none, nor cores
    except ImportError:
        return
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
