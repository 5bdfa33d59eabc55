"""Soprano's decoder as a stream: hidden states in, sound out, each frame computed once.

Upstream (``soprano.vocos``) decodes a whole sentence: states are interpolated to four frames
each, pass eight ConvNeXt blocks, whose depthwise convolutions look one frame to either side,
and become sound by an inverse STFT of 2048 samples every 512. Here each convolution keeps the last
two frames it saw, and the overlap-add keeps what later frames still add to. So a state costs
its four frames and nothing is computed twice; the price is a lag of nine frames:

    after k states, 2048 * (k - 1) - 4608 samples are final

which is sound from the fourth state on. What comes out is what upstream makes of the whole.

The work comes in *units* of one state, four frames. Frame 0 is state 0 itself, so that unit has
three frames before the beginning; they and those behind the end count as the zeros that
upstream's convolutions are padded with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from stages.neural.accelerator import zeros
from stages.neural.fusing import fused
from stages.neural.layers import LayerNorm, linear
from stages.neural.state import StreamState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stages.audio.format import Samples
    from stages.neural.fusing import CompileUse
    from stages.neural.graphs import Graphs
    from stages.neural.linear import FixedLinear

SAMPLE_RATE = 32_000

FRAMES_PER_STATE = 4
N_FFT = 2048
HOP = 512
SAMPLES_PER_STATE = FRAMES_PER_STATE * HOP
"""64 ms."""
OVERLAPS = N_FFT // HOP
"""Frames that add to each sample."""

N_BLOCKS = 8
LAG_FRAMES = N_BLOCKS + 1
"""One a convolution, and one for the overlap-add, which is symmetric about its frame."""
LAG_SAMPLES = LAG_FRAMES * HOP
FLUSH_UNITS = 2
"""Units behind the end that bring out the last frame: eight blocks' lag. The overlap-add's own
lies in its tail."""

UNENDING = 1 << 30
"""The number of frames of a sentence whose end is not known."""

NORM_EPS = 1e-6

MAX_MAGNITUDE = 100.0
"""Upstream's guard against a spectrum that explodes."""


def n_samples_of(n_states: int) -> int:
    """The samples of so many states."""
    return SAMPLES_PER_STATE * max(0, n_states - 1)


def n_final_samples(n_states: int) -> int:
    """The samples of so many states that are final while more may come."""
    return max(0, n_samples_of(n_states) - LAG_SAMPLES)


@dataclass(slots=True)
class StreamingDecoderState(StreamState):
    """The decoder's state of the sentence in each slot."""

    frames: torch.Tensor
    """(slots, blocks, 2, dim): the last two frames that went into each convolution."""
    sound: torch.Tensor
    """(slots, 2, OVERLAPS - 1, HOP): the sum so far of the samples that are not final, and the
    same of the squared window, by which it is divided."""

    def reset(self, slot: int) -> None:
        """Begin a sentence in a slot. The frames before it are masked, but 0 x NaN is NaN."""
        self.frames[slot] = 0
        self.sound[slot] = 0

    def wipe(self, rows: torch.Tensor) -> None:
        """Begin a sentence in each of these slots, (n,), from within a graph."""
        self.frames.index_fill_(0, rows, 0)
        self.sound.index_fill_(0, rows, 0)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of states of one sentence that is to be decoded next."""

    slot: int
    begin: int
    """The first state that is not decoded yet."""
    end: int
    """The state behind the last one."""
    is_last: bool
    """Whether no state follows."""

    @property
    def sound(self) -> tuple[int, int]:
        """The samples of the sentence that come out: from the first up to the last."""
        done = n_final_samples(self.begin)
        return done, n_samples_of(self.end) if self.is_last else n_final_samples(self.end)

    @property
    def is_audible(self) -> bool:
        """Whether any sound comes out."""
        begin, end = self.sound
        return begin < end

    @property
    def n_frames(self) -> int:
        """The frames of the sentence, if no state follows; else `UNENDING`."""
        return FRAMES_PER_STATE * (self.end - 1) + 1 if self.is_last else UNENDING


class StreamingDecoder:
    """The decoder's weights and what runs them; the memory is `StreamingDecoderState`."""

    def __init__(
        self, weights: Mapping[str, torch.Tensor], torch_compile: CompileUse = "auto"
    ) -> None:
        """`weights` as in ``decoder.pth``, float32, on the device that it runs on.
        `torch_compile`: of what is between its Fourier transform and what it keeps."""
        self._embed = linear(weights, "decoder.embed")
        self._norm = LayerNorm(weights, "decoder.norm", eps=NORM_EPS)
        self._blocks = [_ConvNextBlock(weights, f"decoder.convnext.{n}") for n in range(N_BLOCKS)]
        self._final_norm = LayerNorm(weights, "decoder.final_layer_norm", eps=NORM_EPS)
        self._out = linear(weights, "head.out")
        self._device = weights["decoder.embed.weight"].device
        self._dim = weights["decoder.embed.weight"].shape[0]
        self._window = torch.hann_window(N_FFT).to(self._device)
        self._enter = fused(_entered, self._device, wanted=torch_compile)
        self._block = fused(
            _ConvNextBlock.__call__, self._device, wanted=torch_compile, batched=(1, 2)
        )
        self._spectrum = fused(_spectrum, self._device, wanted=torch_compile, batched=(2,))
        self._overlap_add = fused(
            _overlap_added, self._device, wanted=torch_compile, batched=(0, 2, 3)
        )

    def start(self, n_slots: int) -> StreamingDecoderState:
        """The state of slots in which nothing has been decoded."""
        return StreamingDecoderState(
            zeros((n_slots, N_BLOCKS, 2, self._dim), torch.float32, self._device),
            zeros((n_slots, 2, OVERLAPS - 1, HOP), torch.float32, self._device),
        )

    def decode(
        self,
        graphs: Graphs,
        state: StreamingDecoderState,
        states: torch.Tensor,
        pieces: Sequence[Piece],
        *,
        n_units: int,
        n_rows: int = 0,
    ) -> torch.Tensor:
        """Decode a piece of each of some slots' sentences at once; returns what `sounds_of` takes,
        once it is on the CPU.

        `states` (slots, most, 512): all states so far. `n_units`: how many units each row runs:
        a piece that is not the last has so many states, a last one has at least `FLUSH_UNITS`
        fewer. `n_rows`: the rows that are run, if more than there are pieces; the others use
        the last slot, which must be unused."""
        for piece in pieces:
            _check_fits(piece, n_units)
        spare = [(states.shape[0] - 1, 0, 0)] * (n_rows - len(pieces))
        rows = [(piece.slot, piece.begin, piece.n_frames) for piece in pieces] + spare
        return graphs.run(
            ("decode", len(rows), n_units),
            partial(self._run, state, states, n_units),
            torch.tensor(rows).T.contiguous(),
        )

    def _run(
        self, state: StreamingDecoderState, states: torch.Tensor, n_units: int, pieces: torch.Tensor
    ) -> torch.Tensor:
        """The work on the device. `pieces` (3, n): slots, first states, and how many frames the
        sentences have. Returns (n, samples), beginning at `_first_sample`."""
        rows, begins, ends = pieces
        first_frames = FRAMES_PER_STATE * (begins - 1) + 1
        numbers = first_frames[:, None] + torch.arange(
            FRAMES_PER_STATE * n_units, device=rows.device
        )
        # Of each block, and of the overlap-add, which lag behind each other by a frame.
        numbers = numbers - torch.arange(LAG_FRAMES, device=rows.device)[:, None, None]
        exists = ((numbers >= 0) & (numbers < ends[:, None]))[..., None]
        x = self._enter((self._embed, self._norm), states, rows, begins, n_units)
        before = state.frames[rows]  # (n, blocks, 2, dim)
        kept = []
        for lag, block in enumerate(self._blocks):
            x, last = self._block(block, x * exists[lag], before[:, lag])
            kept.append(last)
        state.frames[rows] = torch.stack(kept, 1)
        magnitude, phase = self._spectrum(self._final_norm, self._out, x)
        bins = torch.polar(magnitude, phase)
        bins[..., 0] = 0  # as upstream: neither a constant nor the highest frequency
        bins[..., -1] = 0
        waves: torch.Tensor = torch.fft.irfft(bins, N_FFT)  # (n, frames, 2048)
        made, tail = self._overlap_add(waves, self._window, exists[N_BLOCKS], state.sound[rows])
        state.sound[rows] = tail
        return made


class _ConvNextBlock:
    """ConvNeXt (Liu et al., 2022) in one dimension; the convolution has a width of three."""

    def __init__(self, weights: Mapping[str, torch.Tensor], name: str) -> None:
        # (dim, 1, 3) to three rows of (dim,): the past, the present, the future
        self._taps = weights[f"{name}.dwconv.weight"].squeeze(1).T.contiguous()
        self._bias = weights[f"{name}.dwconv.bias"]
        self._scale = weights[f"{name}.gamma"]
        self._norm = LayerNorm(weights, f"{name}.norm", eps=NORM_EPS)
        self._widen = linear(weights, f"{name}.pwconv1")
        self._narrow = linear(weights, f"{name}.pwconv2")

    def __call__(self, x: torch.Tensor, before: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Frames (n, frames, dim) and the two before them to as many, one frame later, and the
        last two."""
        frames = torch.cat((before, x), 1)
        past, present, future = frames[:, :-2], frames[:, 1:-1], frames[:, 2:]
        y = torch.addcmul(self._bias, past, self._taps[0])
        y = y.addcmul_(present, self._taps[1]).addcmul_(future, self._taps[2])
        y = self._narrow(functional.gelu(self._widen(self._norm(y))))
        return torch.addcmul(present, y, self._scale), frames[:, -2:]


def sounds_of(pieces: Sequence[Piece], made: torch.Tensor) -> list[Samples]:
    """``piece.sound`` of each, of rows of samples that `StreamingDecoder.decode` made of them, the
    caller's own."""
    sounds = []
    for piece, row_sound in zip(pieces, made, strict=False):  # behind them the spare rows
        first = _first_sample(piece.begin)
        begin, end = piece.sound
        sounds.append(row_sound[begin - first : end - first].numpy().copy())
    return sounds


def _entered(
    layers: tuple[FixedLinear, LayerNorm],
    states: torch.Tensor,
    rows: torch.Tensor,
    begins: torch.Tensor,
    n_units: int,
) -> torch.Tensor:
    """What goes into the first block: (n, frames, dim)."""
    embed, norm = layers
    return norm(embed(_interpolated(states, rows, begins, n_units)))


def _spectrum(
    norm: LayerNorm, out: FixedLinear, x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Magnitudes and phases of what comes out of the last block: (n, frames, 1025) each."""
    log_magnitude, phase = out(norm(x)).chunk(2, dim=-1)
    return log_magnitude.exp().clamp(max=MAX_MAGNITUDE), phase


def _overlap_added(
    waves: torch.Tensor, window: torch.Tensor, exists: torch.Tensor, before: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames, (n, frames, 2048), to samples, those of the tail included: (n, samples); and what is
    kept of the sum for the next frames, as `before` of those that came before."""
    n, n_frames, _ = waves.shape
    both = torch.stack((waves * window * exists, window.square() * exists), 1)
    parts = both.view(n, 2, n_frames, OVERLAPS, HOP)
    added = waves.new_zeros(n, 2, n_frames + OVERLAPS - 1, HOP)
    added[:, :, : OVERLAPS - 1] = before
    for part in range(OVERLAPS):
        added[:, :, part : part + n_frames] += parts[:, :, :, part]
    # Beyond the frames there is no sentence, and the quotient is not used.
    sound, envelope = added.unbind(1)
    return (sound / envelope.clamp(min=1e-11)).flatten(1), added[:, :, n_frames:]


def _interpolated(
    states: torch.Tensor, rows: torch.Tensor, begins: torch.Tensor, n_units: int
) -> torch.Tensor:
    """Four frames a state, on a straight line from the state before: (n, 4 * units, 512).

    There is nothing before state 0, and nothing behind the last one: what stands for it is
    masked later."""
    numbers = begins[:, None] + torch.arange(-1, n_units, device=rows.device)
    near = states[rows[:, None], numbers.clamp(0, states.shape[1] - 1)]  # (n, units + 1, 512)
    before, after = near[:, :-1, None], near[:, 1:, None]
    way = torch.arange(1, FRAMES_PER_STATE + 1, device=rows.device) / FRAMES_PER_STATE
    way = way[:, None]
    return (before * (1 - way) + after * way).flatten(1, 2)


def _first_sample(first_state: int) -> int:
    """The number in its sentence of the first sample that comes out of a run."""
    first_frame = FRAMES_PER_STATE * (first_state - 1) + 1 - N_BLOCKS
    return HOP * first_frame - N_FFT // 2


def _check_fits(piece: Piece, n_units: int) -> None:
    n_states = piece.end - piece.begin
    fits = n_states + FLUSH_UNITS <= n_units if piece.is_last else n_states == n_units
    if not fits:
        raise ValueError(f"{piece} does not fit {n_units} units")
