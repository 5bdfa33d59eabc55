"""espeak-ng's process, as the server has it: started, asked, watched, and ended."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import espeakng_loader

from stages.errors import SynthesisError
from stages.tts.espeak import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = """
import sys
sys.path.append(sys.argv.pop(1))
from stages.tts.espeak.child import main
main()
"""
"""For ``python -I -S -c``: it starts in any folder, whatever the environment says, and needs no
packages."""
_ROOT = Path(__file__).resolve().parents[3]

START_WITHIN_S = 20.0
"""Until it says that it is there: 20 ms, and seconds from a cold disk."""
GOES_ON_WITHIN_S = 2.0
"""Between two answers, which take 1 ms, or 100 where the first one waits for a dictionary to be
read. Everybody waits as long for a text at which the library runs in circles."""
LOOK_EVERY_S = 0.2
MAX_ANSWER_BYTES = 32_000_000
"""To one text: twelve minutes of sound."""

_READ_BYTES = 1 << 16
_NONSENSE = "what it said made no sense"

_Answer = TypeVar("_Answer")


class EspeakDied(Exception):
    """espeak-ng's process has ended, or had to be ended: the reason, in words."""

    def __init__(self, why: str, *, has_hung: bool = False) -> None:
        super().__init__(why)
        self.has_hung = has_hung


class EspeakProcess:
    """A process with libespeak-ng in it. One thread at a time asks, and waits for the answers."""

    def __init__(self, folder: Path, program: str = PROGRAM) -> None:
        """Start it, on the data in a folder; it gets ready by itself (17 ms). Raises `OSError`."""
        library = espeakng_loader.get_library_path()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", program, str(_ROOT), str(library), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to all of a terminal's foreground processes
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("asked for pipes, got none")
        self._requests = self._process.stdin
        self._answers = self._process.stdout.fileno()
        self._held = b""  # read, and not looked at yet
        self._is_ready = False
        self._has_hung = False
        self._waits_until: float | None = None  # by `time.monotonic`; None: nobody waits
        self._ended = threading.Event()
        self._end = weakref.finalize(self, _end, self._process)  # at the end of the program, too
        threading.Thread(target=self._watch, name="espeak-ng", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """It can be asked nothing more."""
        return self._ended.is_set() or self._process.poll() is not None

    def ask(
        self,
        request: int,
        body: bytes,
        unpack: Callable[[int, bytes], _Answer],
        take: Callable[[_Answer], bool],
    ) -> None:
        """Have it answer a request. `unpack` makes something of an answer's kind and body, or
        raises `ValueError` or `struct.error`; `take` gets that, and says whether to go on. Once it
        does not, or raises, the rest is broken off.

        Raises `SynthesisError` where the library refuses, and `EspeakDied`."""
        goes_on, error, refusal = True, None, b""
        try:
            for frame in self._answers_to(request, body):
                if not goes_on:
                    continue
                if frame[0] == wire.REFUSED:
                    refusal = frame[1]
                    continue
                try:
                    answer = unpack(*frame)
                except (struct.error, ValueError) as damage:
                    raise self._died(_NONSENSE) from damage
                try:
                    goes_on = take(answer)
                except Exception as raised:  # noqa: BLE001 - raised below
                    error, goes_on = raised, False
                if not goes_on:
                    self._send(wire.BREAK_OFF, b"")
        except EspeakDied:
            self.close()
            if goes_on:
                raise
        except BaseException:  # in the middle of an answer
            self.close()
            raise
        if error is not None:
            raise error
        if refusal:
            raise SynthesisError(refusal.decode(errors="replace"))

    def close(self) -> None:
        """End it, in whatever it does."""
        self._ended.set()
        self._end()

    def _answers_to(self, request: int, body: bytes) -> Iterator[tuple[int, bytes]]:
        """All that it answers but the end."""
        self._get_ready()
        self._send(request, body)
        n_bytes = 0
        while True:
            answer = self._receive(GOES_ON_WITHIN_S)
            if answer[0] == wire.DONE:
                return
            yield answer
            if answer[0] == wire.REFUSED:
                return
            n_bytes += len(answer[1])
            if n_bytes > MAX_ANSWER_BYTES:
                raise self._died("it did not come to an end")

    def _get_ready(self) -> None:
        if not self._is_ready:
            kind, body = self._receive(START_WITHIN_S)
            if kind != wire.READY:
                raise self._died(body.decode(errors="replace"))
            self._is_ready = True

    def _send(self, kind: int, body: bytes) -> None:
        self._waits_until = time.monotonic() + GOES_ON_WITHIN_S
        try:
            self._requests.write(wire.frame(kind, body))
            self._requests.flush()
        except (OSError, ValueError) as error:  # a closed pipe, on either side
            raise self._died() from error
        finally:
            self._waits_until = None

    def _receive(self, within_s: float) -> tuple[int, bytes]:
        """The next answer."""
        head_size = wire.HEAD.size
        while True:
            held = self._held
            if len(held) >= head_size:
                kind, length = wire.HEAD.unpack_from(held)
                if length > wire.MAX_FRAME_BYTES:
                    raise self._died(_NONSENSE)
                if len(held) >= (end := head_size + length):
                    self._held = held[end:]
                    return kind, held[head_size:end]
            self._waits_until = time.monotonic() + within_s
            try:
                read = os.read(self._answers, _READ_BYTES)
            except OSError as error:
                raise self._died() from error
            finally:
                self._waits_until = None
            if not read:
                raise self._died()
            self._held += read

    def _died(self, why: str | None = None) -> EspeakDied:
        """The error to raise; the process has ended then."""
        self._process.kill()  # it may have closed its output and live
        status = self._process.wait()
        if self._has_hung:
            return EspeakDied("it did not come back", has_hung=True)
        return EspeakDied(why or _in_words(status))

    def _watch(self) -> None:
        """End the process once it has been waited for too long."""
        while not self._ended.wait(LOOK_EVERY_S):
            until = self._waits_until
            if until is not None and time.monotonic() > until:
                self._has_hung = True
                self._process.kill()
                return


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # it has nothing to lose
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue  # what had not been sent was flushed, to nobody


def _in_words(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
