"""The command ``server.py speak``: a text, or standard input as it arrives, to a file or a pipe."""

from __future__ import annotations

import codecs
import logging
import math
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.cli.open_service import open_service
from pipeline.cli.progress import Progress, StartProgress
from pipeline.cli.sound_output import STANDARD_STREAM, sound_output
from pipeline.cli.terminal import LAST_LINE
from pipeline.speak_text import speak_text
from stages.errors import ServerError
from stages.items import PcmFrame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.cli.settings import SpeakSettings
    from stages.items import Outgoing, PacingMode

log = structlog.stdlib.get_logger("server")

READ_BYTES = 4096
"""The most that one read of standard input takes; text is handed on as it arrives."""


class NothingToSpeak(ServerError):
    """There was no text, or none of it can be spoken."""

    code = "nothing_to_speak"

    def __init__(self) -> None:
        super().__init__("there was nothing to speak")


async def speak(options: SpeakSettings) -> None:
    """Speak the text, or standard input as it arrives, to a file or a pipe. Raises `ServerError`,
    also where there is nothing to speak: then no file is made."""
    output = sound_output(options)
    if not (options.text.strip() if options.text is not None else sys.stdin):
        raise NothingToSpeak  # before models are read for it
    text = _standard_input() if options.text is None else options.text
    is_typed = options.text is None and sys.stdin.isatty()
    to_pipe = str(options.output) == STANDARD_STREAM
    pacing: PacingMode = "smooth" if to_pipe else "asap"  # nobody listens to a file yet
    with closing(output), StartProgress() as start:
        async with open_service(options, 1, math.inf, tell=start, pacing=pacing) as service:
            start.end()
            if is_typed:
                log.info("speaking what you type; end with Ctrl-D")
            # Typed text is on the terminal already, and must not be written over.
            progress = Progress(is_shown=log.isEnabledFor(logging.INFO) and not is_typed)

            async def hear(item: Outgoing) -> None:
                if isinstance(item, PcmFrame):
                    await output.write(item.data)
                    progress.add(item.n_samples / output.config["sample_rate"])

            try:
                await speak_text(service, text, hear, output.config)
                await output.end()
            finally:
                LAST_LINE.clear()
    if not progress.sound_s:
        raise NothingToSpeak
    if str(options.output) != STANDARD_STREAM:
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
