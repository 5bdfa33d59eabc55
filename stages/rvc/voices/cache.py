"""The voices that are ready to be spoken with: read off the model thread, kept while there is room,
and read again when their files have changed.

A listener's voice is read when it is chosen, so that it is at hand when there is something to say.
Of what a listener chooses only the newest waits to be read, and for a voice that is only chosen
none leaves that a listener has chosen or speaks with."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import torch

from stages.errors import ServerError
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.pitch.choosing import choose
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.index import read_index
from stages.rvc.voices.loader import Errands
from stages.rvc.voices.lru import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stages.rvc.pitch.estimator import PitchEstimator
    from stages.rvc.voices.index import FeatureIndex
    from stages.rvc.voices.library import Stamp, VoiceEntry

log = structlog.stdlib.get_logger(__name__)


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
    """Reads voices one after the other, on a thread of its own. A *user* is a listener who has
    chosen a voice, or a request that is spoken with one; any thread may call this."""

    def __init__(
        self,
        *,
        max_bytes: int,
        device: torch.device,
        dtype: torch.dtype,
        rmvpe_path: Path,
        when_read: Callable[[], None],
        warm_up: Callable[[Outfit], None],
    ) -> None:
        """On the reading thread `when_read` is called when something has been read that somebody
        waits for, and `warm_up` with what was read, when nobody waits any more."""
        self._shelf = Shelf[_Read](max_bytes)
        self._estimators: dict[tuple[str, int], PitchEstimator] = {}
        self._device = device
        self._dtype = dtype
        self._rmvpe_path = rmvpe_path
        self._when_read = when_read
        self._warm_up = warm_up
        self._errands = Errands("voices")
        self._lock = threading.Lock()
        self._in_use: dict[object, str] = {}  # the voice of each user

    def outfit(self, user: object, entry: VoiceEntry, filter_radius: int) -> Future[Outfit]:
        """What this voice is spoken with: at once if it is at hand, and else when it has been
        read. What is wrong with it is the future's exception."""
        self._use(user, entry)
        # Of before it is read: a change meanwhile is noticed by the next who asks.
        stamp = entry.stamp
        at_hand = self._at_hand(entry, stamp, filter_radius)
        if at_hand is not None:
            future = Future[Outfit]()
            future.set_result(at_hand)
            return future

        def make() -> Outfit:
            outfit = self._make(entry, stamp, filter_radius, is_needed=True)
            self._errands.later(("warm-up", entry.name), lambda: self._warm_up(outfit))
            return outfit

        future = self._errands.now(make)
        future.add_done_callback(lambda _: self._when_read())
        return future

    def expect(self, user: object, entry: VoiceEntry, filter_radius: int) -> None:
        """Have this voice at hand before this user speaks with it, if there is room. It
        takes the place of what was expected of the user before."""
        self._use(user, entry)

        def make() -> None:
            try:
                outfit = self._make(entry, entry.stamp, filter_radius, is_needed=False)
            except ServerError as error:  # it is told to whoever speaks with it
                log.debug("the voice %s cannot be read ahead: %s", entry.name, error)
            else:
                self._warm_up(outfit)

        self._errands.later(user, make)

    def prepare(self, entry: VoiceEntry, filter_radius: int) -> None:
        """Read this voice and warm up for it; returns when that is done. Raises `ServerError`."""
        stamp = entry.stamp
        self._errands.now(
            lambda: self._warm_up(self._make(entry, stamp, filter_radius, is_needed=True))
        ).result()

    def leave(self, user: object) -> None:
        """This user neither speaks with a voice nor will."""
        with self._lock:
            self._in_use.pop(user, None)
        self._errands.forget(user)

    def close(self) -> None:
        """Read nothing more."""
        self._errands.close()

    def _use(self, user: object, entry: VoiceEntry) -> None:
        with self._lock:
            self._in_use[user] = entry.name

    def _at_hand(self, entry: VoiceEntry, stamp: Stamp, filter_radius: int) -> Outfit | None:
        read = self._shelf.get(entry.name, stamp)
        pitch = self._estimators.get((entry.settings.pitch_method, filter_radius))
        if read is None or pitch is None:
            return None
        return Outfit(read.synthesizer, read.index, pitch)

    @torch.inference_mode()
    def _make(
        self, entry: VoiceEntry, stamp: Stamp, filter_radius: int, *, is_needed: bool
    ) -> Outfit:
        read = self._shelf.get(entry.name, stamp)  # it may have been read while this waited
        if read is None:
            file = read_voice(entry.path)
            width = file.config.content_width
            index = read_index(entry.index, width) if entry.index is not None else None
            read = _Read(Synthesizer(file.config, file.weights, self._device, self._dtype), index)
            with self._lock:
                in_use = set(self._in_use.values())
            keep = self._shelf.put if is_needed else self._shelf.offer
            keep(entry.name, read, read.n_bytes, stamp, in_use)
        key = entry.settings.pitch_method, filter_radius
        pitch = self._estimators.get(key)
        if pitch is None:
            pitch = self._estimators[key] = choose(
                key[0], self._rmvpe_path, self._device, self._dtype, filter_radius=filter_radius
            )
        return Outfit(read.synthesizer, read.index, pitch)
