"""The cutting of sound into messages: how much goes out when. Pure, and without a clock.

Without ``frame_ms`` the first message of an utterance goes out as soon as there is sound;
after that, messages hold 160 to 340 ms, and the last of a segment what is left. Longer ones
would delay barge-in and playback, shorter ones cost each client a wake-up; with tiny ones a
client that takes one message for each token it sends falls behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.audio.format import Samples, StreamFormat

MIN_MESSAGE_MS = 160
MAX_MESSAGE_MS = 340
MIN_MESSAGE_SAMPLES = 32
"""A WebSocket frame of at least 126 bytes has a header of 4: together with whole float32
samples every frame is a multiple of four bytes, which clients rely on that lay a typed array
over their receive buffer. 32 mono float32 samples are the first 128 bytes."""
MAX_MESSAGE_VALUES = 16_383
"""The most float32 values in a message below 64 KiB, where the header would grow to 10."""


class Framer:
    """A buffer for the samples of one stream, which gives them out in message-sized pieces."""

    def __init__(self, stream_format: StreamFormat, tail_samples: int = 0) -> None:
        """`tail_samples` is the silence that must follow an utterance's last sound in exact
        frames, for an encoder that looks ahead."""
        rate, channels = stream_format.sample_rate, stream_format.channels
        frame_ms = stream_format.exact_ms
        self._exact = None if frame_ms is None else rate * frame_ms // 1000
        self._least = rate * MIN_MESSAGE_MS // 1000
        self._most = min(rate * MAX_MESSAGE_MS // 1000, MAX_MESSAGE_VALUES // channels)
        self._tail_samples = tail_samples
        self._held: list[Samples] = []
        self._n_held = 0
        self._utterance_begun = False

    def push(self, samples: Samples) -> Iterator[Samples]:
        """Take sound in; give out what should go now."""
        self._held.append(samples)
        self._n_held += len(samples)
        if self._exact is not None:
            self._utterance_begun = True
            yield from self._whole_frames(self._exact)
            return
        if not self._utterance_begun:
            if self._n_held >= MIN_MESSAGE_SAMPLES:
                yield from self._everything()
        elif self._n_held >= self._least:
            yield from self._whole_messages()

    def end_segment(self) -> Iterator[Samples]:
        """Nothing is held back past a segment's end, but for an exact frame's beginning."""
        if self._exact is None and self._n_held:
            yield from self._everything()

    def end_utterance(self) -> Iterator[Samples]:
        """Nothing at all is held back past an utterance's end."""
        if self._exact is not None and self._utterance_begun:
            missing = -(self._n_held + self._tail_samples) % self._exact
            yield from self.push(np.zeros(self._tail_samples + missing, np.float32))
        self._utterance_begun = False

    def _whole_messages(self) -> Iterator[Samples]:
        """As much as goes into messages that are neither too short nor too long. Where the
        two are close together (stereo float32 at 48 kHz: 160 and 170 ms), some is held."""
        n_messages = -(-self._n_held // self._most)
        if n_messages * self._least <= self._n_held:
            yield from self._everything()
        else:
            yield from self._whole_frames(self._most)

    def _whole_frames(self, size: int) -> Iterator[Samples]:
        if self._n_held < size:
            return
        samples = self._take_all()
        whole = len(samples) - len(samples) % size
        if whole < len(samples):
            self._held, self._n_held = [samples[whole:]], len(samples) - whole
        for start in range(0, whole, size):
            yield samples[start : start + size]

    def _everything(self) -> Iterator[Samples]:
        self._utterance_begun = True
        samples = _pad(self._take_all(), MIN_MESSAGE_SAMPLES)
        pieces = -(-len(samples) // self._most)
        yield from np.array_split(samples, pieces)  # of even length, so none is too short

    def _take_all(self) -> Samples:
        samples = self._held[0] if len(self._held) == 1 else np.concatenate(self._held)
        self._held, self._n_held = [], 0
        return samples


def _pad(samples: Samples, least: int) -> Samples:
    missing = least - len(samples)
    return samples if missing <= 0 else np.pad(samples, (0, missing))
