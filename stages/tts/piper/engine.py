"""Piper's voices as a synthesizer, streamed below the sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.audio.format import PIPELINE_RATE
from stages.engine import Engine
from stages.tts.piper.voices import ENGINE, PiperVoices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.engine import Request
    from stages.tts.piper.voice_file import PiperVoiceFile
    from stages.voices import Voice

__all__ = ["ENGINE", "PiperEngine"]

MAX_VOICE_BYTES = 1_000_000_000
"""Some five voices of 200 MB."""


class PiperEngine(Engine):
    """All Piper voices there are."""

    name = ENGINE
    sample_rate = PIPELINE_RATE
    takes_sounds = True

    def __init__(
        self,
        voices: Sequence[PiperVoiceFile],
        *,
        max_voice_bytes: int = MAX_VOICE_BYTES,
        n_threads: int = 1,
    ) -> None:
        """Opens no file yet. `max_voice_bytes` bounds what is kept loaded, `n_threads` what a step
        computes with."""
        self._voices = PiperVoices(voices)
        self._max_voice_bytes = max_voice_bytes
        self._n_threads = n_threads

    def voices(self) -> tuple[Voice, ...]:
        """Those that are listed: each file, and the speakers of those that have few."""
        return tuple(self._voices.listed())

    def voice(self, name: str) -> Voice | None:
        """The voice of this name, listed or not: every speaker can be asked for."""
        return self._voices.voice(name)

    def step(self, batch: Sequence[Request]) -> None:
        """Not there yet."""
        raise NotImplementedError
