"""What a decoder keeps of a stream between two pieces: the end of each layer's input.

A layer sees its new input behind the end of its last, and keeps the end of both. There are two ways
to keep them. `GrowingEnds` begins with nothing, as a stream does: its pieces may have any length,
and all rows are at one position. `FixedEnds` is one tensor of one size, which begins with zeros:
its rows may be at any positions, and all pieces have one shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stages.neural.state import StreamState


@dataclass(slots=True)
class DecoderState(StreamState):
    """The end of each layer's input, which a stream keeps between pieces; empty at its start."""

    latents: torch.Tensor
    """(batch, inter_channels, 1, n) for `pre`."""
    before: list[torch.Tensor]
    """(batch, channels, 1, n) for each stage's upsampling."""
    within: list[torch.Tensor]
    """(batch, channels, 1, n) for each stage's residual blocks."""
    source: torch.Tensor
    """(batch, 1, 1, samples) of excitation that some stage has not used yet."""
    after: torch.Tensor
    """(batch, channels, 1, n) for `post`."""


class GrowingEnds:
    """A `DecoderState` in the order in which layers ask for it."""

    def __init__(self, state: DecoderState) -> None:
        stages = zip(state.before, state.within, strict=True)
        between = [end for stage in stages for end in stage]
        self._ends = iter([state.latents, state.source, *between, state.after])
        self._next: list[torch.Tensor] = []

    def joined(self, x: torch.Tensor, n_kept: int, _per_frame: int) -> torch.Tensor:
        """(batch, channels, 1, n) behind what was kept of it, of which `n_kept` steps at most are
        kept now; channels last in memory."""
        window = torch.cat([next(self._ends), x], dim=-1)
        window = window.contiguous(memory_format=torch.channels_last)
        self._next.append(window[..., max(0, window.shape[-1] - n_kept) :].clone())
        return window

    def state(self) -> DecoderState:
        """The state behind the piece, once all layers have been asked."""
        latents, source, *between, after = self._next
        return DecoderState(latents, between[::2], between[1::2], source, after)


class FixedEnds:
    """The ends of all layers, channels last, side by side in one tensor (batch, numbers)."""

    def __init__(self, state: torch.Tensor, n_pushed: torch.Tensor) -> None:
        """`n_pushed` (batch,) int64: frames of each row that count."""
        self._state = state
        self._n_pushed = n_pushed
        self._n_used = 0
        self._next: list[torch.Tensor] = []

    def joined(self, x: torch.Tensor, n_kept: int, per_frame: int) -> torch.Tensor:
        """(batch, channels, 1, n) behind the `n_kept` steps that were kept of it; channels last in
        memory. x has `per_frame` steps for each frame."""
        batch, channels = x.shape[:2]
        start, self._n_used = self._n_used, self._n_used + n_kept * channels
        before = self._state[:, start : self._n_used].view(batch, n_kept, channels)
        # Joined with time before channels: the result lies channels last without another copy.
        window = torch.cat([before, x.squeeze(2).transpose(1, 2)], dim=1)
        # A row's own end, behind its frames that count.
        steps = torch.arange(n_kept, device=x.device) + (self._n_pushed * per_frame)[:, None]
        end = window.gather(1, steps[:, :, None].expand(batch, n_kept, channels))
        self._next.append(end.flatten(1))
        return window.transpose(1, 2).unsqueeze(2)

    def state(self) -> torch.Tensor:
        """The state behind the frames that count, once all layers have been asked."""
        return torch.cat(self._next, dim=1)
