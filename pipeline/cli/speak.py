"""The command ``server.py speak``: a text, or standard input as it arrives, to a file or a pipe."""

from __future__ import annotations

import codecs
import logging
import math
import os
import sys
import wave
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.cli.open_service import open_service
from pipeline.cli.progress import Progress
from pipeline.speak_text import speak_text
from stages.items import PcmFrame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from pipeline.cli.settings import SpeakSettings
    from stages.items import Outgoing, PacingMode

log = structlog.stdlib.get_logger("server")

STANDARD_STREAM = Path("-")

READ_BYTES = 4096
"""The most that one read of standard input takes; text is handed on as it arrives."""


async def speak(options: SpeakSettings) -> None:
    """Speak the text, or standard input as it arrives, to a file or a pipe."""
    text = _standard_input() if options.text is None else options.text
    is_typed = options.text is None and sys.stdin.isatty()
    if is_typed:
        log.info("speaking what you type; end with Ctrl-D")
    to_pipe = options.output == STANDARD_STREAM
    encoding = options.encoding if to_pipe else "s16le"  # what WAV has in every player
    with ExitStack() as stack:
        pacing: PacingMode = "smooth" if to_pipe else "asap"  # nobody listens to a file yet
        async with open_service(options, 1, math.inf, pacing) as service:
            write = _to_pipe if to_pipe else stack.enter_context(_wav_file(options))
            # Typed text is on the terminal already, and must not be written over.
            progress = Progress(is_shown=log.isEnabledFor(logging.INFO) and not is_typed)
            stack.callback(progress.clear)

            async def hear(item: Outgoing) -> None:
                if isinstance(item, PcmFrame):
                    # In a thread, since a pipe may block for as long as a player likes.
                    await trio.to_thread.run_sync(write, item.data, abandon_on_cancel=True)
                    progress.add(item.n_samples / options.sample_rate)

            config = {"encoding": encoding, "sample_rate": options.sample_rate}
            await speak_text(service, text, hear, config)
    if not progress.sound_s:
        log.warning("there was nothing to speak")
    if not to_pipe:
        log.info("wrote %s: %s", options.output, progress)


async def _standard_input() -> AsyncIterator[str]:
    """Text as it arrives; what is not UTF-8 becomes replacement characters."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    standard_input = sys.stdin.fileno()
    while data := await trio.to_thread.run_sync(
        os.read, standard_input, READ_BYTES, abandon_on_cancel=True
    ):
        if text := decoder.decode(data):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


def _to_pipe(data: bytes) -> None:
    """Write past Python's buffer, in which sound would wait for what is said next, and whose lock
    an abandoned thread would hold when the program ends."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(sys.stdout.fileno(), rest) :]


@contextmanager
def _wav_file(options: SpeakSettings) -> Iterator[Callable[[bytes], object]]:
    # Opened here, since wave leaves half an object with warnings where it cannot open a file.
    with options.output.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setparams((1, 2, options.sample_rate, 0, "NONE", ""))
        yield wav.writeframes
