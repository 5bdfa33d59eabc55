"""Where `speak` writes: bare PCM to a pipe, or a file in the format that its name ends in."""

from __future__ import annotations

import errno
import os
import sys
import wave
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import trio

from pipeline.cli.closed_streams import require_output
from pipeline.dialects.sound_form import SoundForm
from pipeline.encoding import EncodedSound
from stages.errors import CannotStart

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.cli.settings import SpeakSettings
    from stages.audio.encoders import SoundFormat

STANDARD_STREAM = "-"

FORMATS: dict[str, SoundFormat] = {
    ".wav": "wav",
    ".mp3": "mp3",
    ".opus": "opus",
    ".ogg": "opus",
    ".flac": "flac",
    ".aac": "aac",
}
"""By the end of a file's name. One without an end, such as ``/dev/null``, gets WAV."""


class SoundOutput(Protocol):
    """A place for sound. A file is made when the first sound comes: where nothing is spoken, what
    was there stays."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The keys of the native protocol's config for the sound that it takes."""

    async def write(self, data: bytes) -> None:
        """Take sound of that form."""

    async def end(self) -> None:
        """Write what is held back. All sound has come."""

    def close(self) -> None:
        """Close the file, if there is one."""


def sound_output(options: SpeakSettings) -> SoundOutput:
    """The output that the options name. Raises `ServerError` and `OSError`, before anything slow,
    where it cannot be had."""
    path, rate = options.output, options.sample_rate
    if str(path) == STANDARD_STREAM:
        require_output()
        return _Pipe({"encoding": options.encoding, "sample_rate": rate})
    format_name = FORMATS.get(path.suffix.lower() or ".wav")
    if format_name is None:
        ends = ", ".join(FORMATS)
        told = f"{options.place_of('output')}: {path}: nothing is written as {path.suffix}"
        raise CannotStart(f"{told}; there are {ends}, and - for bare PCM")
    if path.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not path.parent.is_dir():
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    form = SoundForm(format_name, rate)
    return _WavFile(path, form) if format_name == "wav" else _CodedFile(path, form)


class _Pipe:
    """Standard output."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config

    async def write(self, data: bytes) -> None:
        # In a thread, since a pipe may block for as long as a player likes.
        await trio.to_thread.run_sync(_write_whole, data, abandon_on_cancel=True)

    async def end(self) -> None:
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """It is not ours."""


def _write_whole(data: bytes) -> None:
    """Write past Python's buffer, in which sound would wait for what is said next, and whose lock
    an abandoned thread would hold when the program ends."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(sys.stdout.fileno(), rest) :]


class _WavFile:
    """A WAV file, whose head knows how long it is."""

    def __init__(self, path: Path, form: SoundForm) -> None:
        self.config = form.config
        self._path = path
        self._rate = form.sample_rate
        self._file: BinaryIO | None = None
        self._wav: wave.Wave_write | None = None

    async def write(self, data: bytes) -> None:
        await trio.to_thread.run_sync(self._write, data, abandon_on_cancel=True)

    def _write(self, data: bytes) -> None:
        if self._wav is None:
            # wave leaves half an object with warnings where it cannot open a file itself.
            self._file = self._path.open("wb")
            self._wav = wave.open(self._file, "wb")  # noqa: SIM115 - `close` does
            self._wav.setparams((1, 2, self._rate, 0, "NONE", ""))
        self._wav.writeframes(data)

    async def end(self) -> None:
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        if self._file is not None:
            with self._file:
                if self._wav is not None:
                    self._wav.close()


class _CodedFile:
    """A file in a format that takes a codec."""

    def __init__(self, path: Path, form: SoundForm) -> None:
        self.config = form.config
        self._path = path
        self._form = form
        self._file: BinaryIO | None = None
        self._sound: EncodedSound | None = None

    async def write(self, data: bytes) -> None:
        if self._sound is None:
            self._sound = await EncodedSound.begin(self._form)
            self._file = self._path.open("wb")
        await self._write(await self._sound.push(data))

    async def end(self) -> None:
        if self._sound is not None:
            await self._write(await self._sound.end())

    async def _write(self, data: bytes) -> None:
        if self._file is not None:
            await trio.to_thread.run_sync(self._file.write, data, abandon_on_cancel=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
