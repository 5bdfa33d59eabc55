"""An encoder of FFmpeg's, by PyAV: samples in, packets out. Only the files beside this know it.

PyAV, and FFmpeg's libraries with it, are imported when the first codec is opened: 45 ms and 19 MB
that a server whose listeners want PCM does not spend.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from stages.audio.format import NO_SAMPLES
from stages.audio.pcm import clean, linear16

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy.typing as npt
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame

    from stages.audio.format import Samples


class _Direct(Protocol):
    """PyAV's way past its own cutting of sound into frames. It is not public, so PyAV is pinned.

    `AudioCodecContext.encode` puts a filter graph before the encoder, which cuts sound as
    `Codec` does, costs as much again as Opus itself, and keeps a thread for each core, for each
    listener."""

    def _send_frame_and_recv(self, frame: AudioFrame | None) -> Iterable[Iterable[int]]: ...


class Codec:
    """One stream through one encoder. What comes out does not depend on how it was cut."""

    def __init__(
        self,
        name: str,
        sample_format: str,
        sample_rate: int,
        channels: int = 1,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """`name`, `sample_format` and `options` are FFmpeg's (``ffmpeg -h encoder=NAME``)."""
        import av  # noqa: PLC0415 - see above

        context = cast("AudioCodecContext", av.CodecContext.create(name, "w"))
        context.format = sample_format
        context.layout = "mono" if channels == 1 else "stereo"
        context.sample_rate = sample_rate
        context.time_base = Fraction(1, sample_rate)
        context.options = dict(options or {})
        context.open()
        self.head = context.extradata or b""
        """What the codec has a container say of the stream."""
        self._context = context
        self._new_frame = av.AudioFrame.from_ndarray
        self._held = NO_SAMPLES
        self._n_sent = 0

    def push(self, samples: Samples) -> list[bytes]:
        """Take mono sound, at the codec's rate; give out the packets that are ready."""
        held = np.concatenate((self._held, samples)) if len(self._held) else samples
        size = self._context.frame_size
        n_whole = len(held) - len(held) % size
        self._held = held[n_whole:].copy()
        return [
            packet
            for start in range(0, n_whole, size)
            for packet in self._packets(self._frame(held[start : start + size]))
        ]

    def flush(self) -> list[bytes]:
        """Give out all that is left. Nothing may be pushed after that."""
        last = self._packets(self._frame(self._held)) if len(self._held) else ()
        return [*last, *self._packets(None)]

    def _frame(self, samples: Samples) -> AudioFrame:
        context = self._context
        channels, form = context.layout.nb_channels, context.format
        values: npt.NDArray[Any] = linear16(samples) if form.name == "s16" else clean(samples)
        planes = (
            np.tile(values, (channels, 1))  # (n_channels, n_samples)
            if form.is_planar
            else np.repeat(values, channels)[np.newaxis]  # (1, n_samples * n_channels)
        )
        frame = self._new_frame(planes, form.name, context.layout.name)
        frame.sample_rate = context.sample_rate
        frame.time_base = context.time_base
        frame.pts = self._n_sent
        self._n_sent += len(samples)
        return frame

    def _packets(self, frame: AudioFrame | None) -> Iterator[bytes]:
        context = cast("_Direct", self._context)
        for packet in context._send_frame_and_recv(frame):  # noqa: SLF001 - see `_Direct`
            yield bytes(packet)
