"""The sound of one text, chunk by chunk, equal to that of the whole network at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.tts.piper.schedule import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from stages.audio.format import Samples
    from stages.tts.piper.network import TextReading, VoiceNetwork


class SoundStream:
    """A text's prior, and how far it has become sound.

    Each chunk's flow and decoder see as many frames around it as have a part in its samples
    (`reach.py`), so these do not depend on the chunks."""

    def __init__(
        self,
        network: VoiceNetwork,
        prior: npt.NDArray[np.float32],
        speaker: int,
        chunks: Iterable[Chunk],
    ) -> None:
        """`prior` is z_p: shape (frames, channels). The chunks follow each other; they need not be
        all of it."""
        self._network = network
        self._speaker = speaker
        self._prior = prior
        self._latent = np.empty_like(prior)
        self._chunks = iter(chunks)
        self._next = next(self._chunks, None)
        first = self._next or Chunk(0, 0)
        self._n_latent = first.within(network.decoder_reach, len(prior)).start  # made up to here

    @property
    def has_finished(self) -> bool:
        """There are no more chunks."""
        return self._next is None

    def advance(self) -> Samples:
        """The next chunk's samples."""
        chunk = self._next
        if chunk is None:
            raise RuntimeError("all of it has been made")
        network, n_frames = self._network, len(self._prior)
        seen = chunk.within(network.decoder_reach, n_frames)
        self._extend_latent(seen.end)
        sound = network.sound(self._latent[seen.start : seen.end], self._speaker)
        self._next = next(self._chunks, None)
        before = chunk.start - seen.start
        return sound[before * network.hop : (before + chunk.end - chunk.start) * network.hop]

    def _extend_latent(self, end: int) -> None:
        new = Chunk(self._n_latent, end)
        if new.start < new.end:
            seen = new.within(self._network.flow_reach, len(self._prior))
            made = self._network.latent(self._prior[seen.start : seen.end], self._speaker)
            self._latent[new.start : new.end] = made[new.start - seen.start :][: end - new.start]
            self._n_latent = end


def prior_of(
    reading: TextReading, counts: npt.NDArray[np.int64], draws: np.random.Generator
) -> npt.NDArray[np.float32]:
    """z_p of a text whose ids last so many frames."""
    of_frame = np.repeat(np.arange(len(counts)), counts)
    n_channels = reading.means.shape[1]
    prior = draws.standard_normal((len(of_frame), n_channels), np.float32)
    prior *= reading.scales[of_frame]
    prior += reading.means[of_frame]
    return prior


def rest_of(stream: SoundStream) -> Samples:
    """All that is left of it, in one."""
    made = []
    while not stream.has_finished:
        made.append(stream.advance())
    return np.concatenate([np.zeros(0, np.float32), *made])
