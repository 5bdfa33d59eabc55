"""Loaded voices: read off the model thread, kept while there is room, and read again when their
files have changed.

A listener's voice is loaded when it is chosen, so that it is there when there is something to say.
Of what a listener chooses only the newest waits to be loaded, and for a voice that is only chosen
none leaves that a listener has chosen or speaks with."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

import torch

from stages.conversion_settings import ConversionSettings
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.index import read_index
from stages.rvc.voices.loaded import LoadedVoice
from stages.rvc.voices.loader import BackgroundLoader, settle
from stages.rvc.voices.lru import LruCache

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from stages.items import Style
    from stages.rvc.pitch.choosing import PitchEstimators
    from stages.rvc.voices.library import VoiceEntry


class VoiceCache:
    """Loads voices one after the other, on a thread of its own. A *user* is a listener who has
    chosen a voice, or a request that is spoken with one."""

    def __init__(
        self,
        *,
        max_bytes: int,
        device: torch.device,
        dtype: torch.dtype,
        estimators: PitchEstimators,
        warm_up: Callable[[LoadedVoice], None],
    ) -> None:
        """`max_bytes` is for voices and pitch estimators. `warm_up` is called on the loading
        thread with each voice that was loaded, when nobody waits for another."""
        self._voices = LruCache[LoadedVoice](max_bytes)
        self._max_bytes = max_bytes
        self._device = device
        self._dtype = dtype
        self._estimators = estimators
        self._warm_up = warm_up
        self._loader = BackgroundLoader("voices")
        self._lock = threading.Lock()  # for the cache and for its users
        self._voice_of: dict[Hashable, str] = {}  # each user's

    def load(
        self, user: Hashable, entry: VoiceEntry, style: Style, *, ahead: bool = False
    ) -> Future[LoadedVoice]:
        """The voice as this style sets it; see `stages.engine.Engine.load_voice`.

        This looks at the voice's files at once, some microseconds for each: what is kept should
        not wait for a thread, and what has changed must not be spoken with."""
        with self._lock:
            self._voice_of[user] = entry.name
        kept = self._kept(entry, _stamp(entry))
        if kept is None:
            load = partial(self._load, entry, style, ahead=ahead)
            return self._loader.load(load, user, ahead=ahead)
        self._loader.forget(user)  # what it chose before it need not be loaded
        voice = Future[LoadedVoice]()
        settle(voice, partial(kept.styled, entry, style))
        return voice

    def to_read(self, entry: VoiceEntry) -> int:
        """See `stages.engine.Engine.to_read`."""
        if self._kept(entry, _stamp(entry)) is not None:
            return 0
        return sum(n_bytes for stamp in entry.stamp if stamp for _, n_bytes in [stamp])

    def release(self, user: Hashable) -> None:
        """This user neither speaks with a voice nor will."""
        with self._lock:
            self._voice_of.pop(user, None)
        self._loader.forget(user)

    def close(self) -> None:
        """Load nothing more."""
        self._loader.close()

    def _kept(self, entry: VoiceEntry, stamp: Hashable) -> LoadedVoice | None:
        with self._lock:
            return self._voices.get(entry.name, stamp)

    @torch.inference_mode()
    def _load(self, entry: VoiceEntry, style: Style, *, ahead: bool) -> LoadedVoice:
        stamp = _stamp(entry)  # from before it is read
        voice = self._kept(entry, stamp)  # it may have been loaded while this waited
        if voice is None:
            voice = self._read(entry)
            with self._lock:
                self._voices.max_bytes = self._max_bytes - self._estimators.n_bytes
                in_use = frozenset(self._voice_of.values())
                self._voices.put(
                    entry.name, voice, voice.n_bytes, stamp, in_use=in_use, ahead=ahead
                )
        if ahead:
            self._warm_up(voice)
        else:
            self._loader.load(partial(self._warm_up, voice), ("warm-up", entry.name), ahead=True)
        return voice.styled(entry, style)

    def _read(self, entry: VoiceEntry) -> LoadedVoice:
        file = read_voice(entry.path)
        width = file.config.content_width
        index = read_index(entry.index, width) if entry.index is not None else None
        synthesizer = Synthesizer(file.config, file.weights, self._device, self._dtype)
        pitch = self._estimators.choose(entry.settings.pitch_method)
        return LoadedVoice(synthesizer, index, ConversionSettings(), 0.0, pitch)


def _stamp(entry: VoiceEntry) -> Hashable:
    """Changes with the voice's files, and with the setting that decides what is loaded."""
    return entry.stamp, entry.settings.pitch_method
