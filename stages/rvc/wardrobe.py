"""The voices that are ready to be spoken with: read off the model thread, kept while there is room,
and read again when their files have changed."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stages.rvc.index import read_index
from stages.rvc.pitch.choosing import choose
from stages.rvc.shelf import Shelf
from stages.rvc.synthesizer import Synthesizer
from stages.rvc.voice_file import read_voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stages.rvc.index import FeatureIndex
    from stages.rvc.library import Stamp, VoiceEntry
    from stages.rvc.pitch.estimator import PitchEstimator


@dataclass(frozen=True, slots=True)
class Outfit:
    """All that a voice is spoken with."""

    synthesizer: Synthesizer
    index: FeatureIndex | None
    pitch: PitchEstimator


@dataclass(frozen=True, slots=True)
class _Read:
    synthesizer: Synthesizer
    index: FeatureIndex | None

    @property
    def n_bytes(self) -> int:
        return self.synthesizer.n_bytes + (self.index.n_bytes if self.index else 0)


class Wardrobe:
    """Reads voices one after the other, on a thread of its own."""

    def __init__(
        self,
        *,
        max_bytes: int,
        device: torch.device,
        dtype: torch.dtype,
        rmvpe_path: Path,
        when_read: Callable[[], None],
    ) -> None:
        """`when_read` is called, on the reading thread, when something has been read."""
        self._shelf = Shelf[_Read](max_bytes)
        self._estimators: dict[tuple[str, int], PitchEstimator] = {}
        self._device = device
        self._dtype = dtype
        self._rmvpe_path = rmvpe_path
        self._when_read = when_read
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="voices")

    def outfit(self, entry: VoiceEntry, filter_radius: int) -> Future[Outfit]:
        """What this voice is spoken with: at once if it is at hand, and else when it has been
        read. What is wrong with it is the future's exception."""
        # Of before it is read: a change meanwhile is noticed by the next who asks.
        stamp = entry.stamp
        read = self._shelf.get(entry.name, stamp)
        pitch = self._estimators.get((entry.settings.pitch_method, filter_radius))
        future: Future[Outfit]
        if read is not None and pitch is not None:
            future = Future()
            future.set_result(Outfit(read.synthesizer, read.index, pitch))
            return future
        future = self._reader.submit(self._make, entry, stamp, filter_radius)
        future.add_done_callback(lambda _: self._when_read())
        return future

    def close(self) -> None:
        """Read nothing more."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    @torch.inference_mode()
    def _make(self, entry: VoiceEntry, stamp: Stamp, filter_radius: int) -> Outfit:
        read = self._shelf.get(entry.name, stamp)  # it may have been read while this waited
        if read is None:
            file = read_voice(entry.path)
            width = file.config.content_width
            index = read_index(entry.index, width) if entry.index is not None else None
            read = _Read(Synthesizer(file, self._device, self._dtype), index)
            self._shelf.put(entry.name, read, read.n_bytes, stamp)
        key = entry.settings.pitch_method, filter_radius
        pitch = self._estimators.get(key)
        if pitch is None:
            pitch = self._estimators[key] = choose(
                key[0], self._rmvpe_path, self._device, self._dtype, filter_radius=filter_radius
            )
        return Outfit(read.synthesizer, read.index, pitch)
