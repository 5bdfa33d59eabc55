"""The loudness of converted speech, for many streams at once: what `LoudnessMatch` does."""

from __future__ import annotations

import torch

from stages.rvc.loudness import FLOOR, FRAME, N_FRAMES


class SlotLoudness:
    """The loudness of speech and of sound in each slot, over the last second; and the gain between
    them. Frames are 10 ms."""

    def __init__(self, n_slots: int, device: torch.device) -> None:
        self._last = torch.zeros(n_slots, 2, N_FRAMES, device=device)
        """Mean squares of the last frames: of speech, and of sound."""
        self._ramp = torch.linspace(0, 1, FRAME, device=device)
        self.n_bytes = self._last.nbytes

    def matched(
        self,
        slot: torch.Tensor,
        sound: torch.Tensor,
        speech: torch.Tensor,
        *,
        first: torch.Tensor,
        n_new: torch.Tensor,
        exponent: torch.Tensor,
    ) -> torch.Tensor:
        """The sound, (batch, n, `FRAME`) float32, as loud as it should be.

        slot: (batch,) int64. speech: (batch, n) float32, the mean squares of the speech that it was
        made from. first: (batch,) int64, the segment's frame that it begins with; those before 0
        are as if they were not. n_new: (batch,) int64, the frames that count for what follows.
        exponent: (batch,) float32, 0 to leave it as it is, 1 to make it as loud as the speech."""
        n, device = sound.shape[1], sound.device
        new = torch.stack([speech, sound.square().mean(-1)], dim=1)
        squares = torch.cat([self._last.index_select(0, slot), new], dim=2)
        frames = first[:, None] - N_FRAMES + torch.arange(N_FRAMES + n, device=device)
        squares = squares.masked_fill((frames < 0)[:, None], 0.0)
        kept = torch.arange(N_FRAMES, device=device) + n_new[:, None]
        kept = kept[:, None].expand(-1, 2, -1)
        self._last.index_copy_(0, slot, squares.gather(2, kept))

        # The last second's loudness behind the frame before these, and behind each of them.
        sums = squares.double().unfold(2, N_FRAMES, 1).sum(-1)  # (batch, 2, 1 + n)
        counts = (first[:, None] + torch.arange(1 + n, device=device)).clamp(1, N_FRAMES)
        wanted, own = torch.sqrt(sums / counts[:, None]).unbind(1)
        gains = (wanted / own.clamp(min=FLOOR)) ** exponent.double()[:, None]
        stop = gains[:, 1:]
        start = torch.where(frames[:, N_FRAMES:] == 0, stop, gains[:, :-1])
        return sound * torch.lerp(start.float()[:, :, None], stop.float()[:, :, None], self._ramp)
