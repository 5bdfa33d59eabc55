"""RVC's voices as they are loaded: with their index, and what finds the pitch for them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from stages.conversion_settings import ConversionSettings
from stages.neural.kept_voices import KeptVoices, VoiceSource
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.index import read_index
from stages.rvc.voices.loaded import LoadedVoice

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from concurrent.futures import Future

    from stages.items import Style
    from stages.rvc.pitch.choosing import PitchEstimators
    from stages.rvc.voices.library import VoiceEntry


class VoiceCache:
    """`KeptVoices` of RVC."""

    def __init__(
        self,
        *,
        max_bytes: int,
        device: torch.device,
        dtype: torch.dtype,
        estimators: PitchEstimators,
        prepare: Callable[[LoadedVoice], LoadedVoice],
        warm_up: Callable[[LoadedVoice], None],
    ) -> None:
        """`max_bytes` is for voices and pitch estimators. On the loading thread `prepare` makes
        each voice that was read what is kept, and `warm_up` is called with it when nobody waits for
        another."""
        self._kept = KeptVoices[LoadedVoice](lambda: max_bytes - estimators.n_bytes, warm_up)
        self._device = device
        self._dtype = dtype
        self._estimators = estimators
        self._prepare = prepare

    def load(
        self, user: Hashable, entry: VoiceEntry, style: Style, *, ahead: bool = False
    ) -> Future[LoadedVoice]:
        """The voice as this style sets it; see `stages.engine.Engine.load_voice`."""
        use = partial(LoadedVoice.styled, entry=entry, style=style)
        return self._kept.load(user, self._source(entry), use, ahead=ahead)

    def to_read(self, entry: VoiceEntry) -> int:
        """See `stages.engine.Engine.to_read`."""
        if self._kept.holds(self._source(entry)):
            return 0
        return sum(stamp.n_bytes for stamp in entry.stamp if stamp)

    def _source(self, entry: VoiceEntry) -> VoiceSource[LoadedVoice]:
        files = (entry.path, *filter(None, (entry.index,)), self._estimators.rmvpe_path)
        return VoiceSource(entry.name, partial(_stamp, entry), partial(self._read, entry), files)

    def release(self, user: Hashable) -> None:
        """This user neither speaks with a voice nor will."""
        self._kept.release(user)

    def close(self) -> None:
        """Load nothing more."""
        self._kept.close()

    @torch.inference_mode()
    def _read(self, entry: VoiceEntry) -> LoadedVoice:
        file = read_voice(entry.path)
        width = file.config.content_width
        index = read_index(entry.index, width) if entry.index is not None else None
        synthesizer = Synthesizer(file.config, file.weights, self._device, self._dtype)
        pitch = self._estimators.choose(entry.settings.pitch_method)
        return self._prepare(LoadedVoice(synthesizer, index, ConversionSettings(), 0.0, pitch))


def _stamp(entry: VoiceEntry) -> Hashable:
    """Changes with the voice's files, and with the setting that decides what is loaded. None: the
    voice has been removed."""
    return (entry.stamp, entry.settings.pitch_method) if entry.is_there else None
