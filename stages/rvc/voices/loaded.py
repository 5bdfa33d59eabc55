"""A voice in memory, as it is set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stages.errors import SynthesisError

if TYPE_CHECKING:
    from stages.conversion_settings import ConversionSettings
    from stages.items import Style
    from stages.rvc.network.synthesizer import Speaker, Synthesizer
    from stages.rvc.pitch.estimator import PitchEstimator
    from stages.rvc.voices.device_index import DeviceIndex
    from stages.rvc.voices.index import FeatureIndex
    from stages.rvc.voices.library import VoiceEntry


@dataclass(frozen=True, slots=True)
class LoadedVoice:
    """All that a stream is converted with: a voice with its index, and how it is set."""

    synthesizer: Synthesizer
    index: FeatureIndex | None
    settings: ConversionSettings
    semitones: float
    """The shift of the pitch."""
    pitch: PitchEstimator
    device_index: DeviceIndex | None = None
    """The index, where it is searched on a device, in slots."""

    @property
    def speaker(self) -> Speaker:
        """The one that is set, of those the voice knows."""
        return self.synthesizer.speaker(self.settings.speaker)

    @property
    def n_bytes(self) -> int:
        """Its memory, without that of the pitch estimator, which voices share."""
        n_bytes = self.synthesizer.n_bytes
        n_bytes += 0 if self.index is None else self.index.n_bytes
        return n_bytes + (0 if self.device_index is None else self.device_index.n_bytes)

    def styled(self, entry: VoiceEntry, style: Style) -> LoadedVoice:
        """This voice as its settings and, over them, a style's set it. Raises `SynthesisError`
        for a speaker that it has not."""
        settings = entry.settings.model_copy(update=style.conversion)
        n_speakers = self.synthesizer.config.n_speakers
        if settings.speaker >= n_speakers:
            msg = f"speaker: {entry.name} has {n_speakers}, of which the last is {n_speakers - 1}"
            raise SynthesisError(msg)
        semitones = style.pitch_shift + entry.settings.pitch_shift
        return replace(self, settings=settings, semitones=semitones)
