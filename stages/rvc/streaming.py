"""The conversion of one segment while it is being spoken: its state, and its speech and sound.

A `ConversionStream` has no thread and no clock. Speech is pushed in at any rate, and
`conversion.py` converts the next block of one or more streams. How the speech was cut changes
nothing: `schedule.py` decides by position what is converted together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.audio.format import PIPELINE_RATE
from stages.audio.resample import Resampler, resampled_length
from stages.rvc import schedule
from stages.rvc.formant import Formant
from stages.rvc.loudness import LoudnessMatch
from stages.rvc.network.content import FEATURE_REACH
from stages.rvc.speech import HOP, RATE, FilteredSpeech

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.network.content import ContentState
    from stages.rvc.schedule import Block
    from stages.rvc.voices.loaded import LoadedVoice


class ConversionStream:
    """One segment on its way: n samples at `in_rate` become `resampled_length` at 48 kHz."""

    def __init__(self, voice: LoadedVoice, *, in_rate: int, block_frames: int, seed: int) -> None:
        """`block_frames`: of 10 ms, even; how much is converted at a time, but for the first
        blocks, which are shorter."""
        self.voice = voice
        self.seed = seed
        self.formant = Formant(voice.settings.formant_shift)
        decoder, config = voice.synthesizer.decoder, voice.synthesizer.config
        self._n_right = self.formant.frames_for(decoder.right_frames)
        n_left = self.formant.frames_for(decoder.left_frames)
        self._blocks = schedule.blocks(block_frames, n_left, self._n_right)
        self._next = next(self._blocks)
        self._in_rate = in_rate
        self._n_in = 0
        self._n_out = 0
        self._has_ended = False
        self._to_16k = Resampler(in_rate, RATE)
        self._speech = FilteredSpeech()
        self._to_48k = Resampler(config.sample_rate * self.formant.factor, PIPELINE_RATE)
        self._loudness = LoudnessMatch(voice.settings.rms_mix_rate)
        # The decoder's sound begins before the segment does.
        n_before = -self.formant.first(self._next.push_from) * decoder.hop
        self._n_to_skip = n_before - decoder.left_samples
        self._f0: NDArray[np.float32] = np.empty(0, np.float32)  # from the lead on

        self.content: ContentState | None = None
        """The content encoder's state; None: nothing was heard."""
        self.local: torch.Tensor | None = None
        """(1, n, channels): the window's content features before the encoder's layers."""
        self.state = voice.synthesizer.start()

    def push(self, samples: Samples) -> None:
        """Take more speech."""
        self._n_in += len(samples)
        self._speech.push(self._to_16k.push(samples))

    def end(self) -> None:
        """End the speech."""
        self._speech.push(self._to_16k.flush())
        self._has_ended = True

    @property
    def has_finished(self) -> bool:
        """Whether all sound has been handed out."""
        return self._has_ended and self._n_out == self._n_wanted

    @property
    def is_due(self) -> bool:
        """Whether the next block can be converted."""
        if self._has_ended:
            return not self.has_finished
        return self._speech.n_samples >= self._next.stop * HOP + FEATURE_REACH

    @property
    def block(self) -> Block:
        """The next block; the last one ends with the segment."""
        if not self._has_ended or self._next.push_to <= self._end_frame:
            return self._next
        return self._next.ending_at(self._end_frame)

    def take_speech(self) -> Samples:
        """The speech of the next block's new frames, at 16 kHz, and `FEATURE_REACH` more."""
        block = self.block
        samples = self._speech.filtered(block.new_from * HOP, block.stop * HOP + FEATURE_REACH)
        self._loudness.take_speech(samples[-min(block.new_from, 0) * HOP : -FEATURE_REACH], HOP)
        return samples

    def speech_for_pitch(self) -> Samples:
        """The speech in which the next block's pitch is found, at 16 kHz."""
        stop = self.block.stop
        return self._speech.filtered(self._pitch_from * HOP, stop * HOP)

    def pitch(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        """The pitch of the next block's window, in Hz, from the pitch of `speech_for_pitch`. Frames
        that were decoded keep the pitch they were decoded with."""
        block = self.block
        start = max(self._pitch_from, block.push_from if len(self._f0) else self._pitch_from)
        kept = self._f0[: start + block.lead]
        self._f0 = np.concatenate([kept, found[start - self._pitch_from :]])
        return self._f0[block.start + block.lead :]

    def take(self, sound: Samples) -> Samples:
        """Finish the block: the decoder's sound, at the voice's rate, as it goes out."""
        is_last = self._has_ended and self.block.push_to >= self._end_frame
        n_skipped = min(self._n_to_skip, len(sound))
        self._n_to_skip -= n_skipped
        made = self._to_48k.push(sound[n_skipped:])
        if is_last:
            made = np.concatenate([made, self._to_48k.flush()])
        made = self._loudness.push(made, is_all=is_last)
        if self._has_ended:  # a block before the last may reach it, since frames are whole
            made = made[: self._n_wanted - self._n_out]
        self._n_out += len(made)
        self._next = next(self._blocks)
        self._speech.forget_before(
            (self._next.stop - schedule.PITCH_FRAMES - schedule.WINDOW) * HOP
        )
        return made

    @property
    def _pitch_from(self) -> int:
        return max(self.block.start, self.block.stop - schedule.PITCH_FRAMES)

    @property
    def _end_frame(self) -> int:
        """The end of the frames that are needed, one more than there are: lengths are rounded."""
        return self._speech.n_samples // HOP + 1 + self._n_right

    @property
    def _n_wanted(self) -> int:
        return resampled_length(self._n_in, self._in_rate, PIPELINE_RATE)
