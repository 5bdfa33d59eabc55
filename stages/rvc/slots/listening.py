"""From speech to content features, pitch and loudness, for a batch of slots: graph A.

    speech ▶ 16 kHz ▶ high pass ─┬▶ content, of the last frames ▶ layers, of the whole window
     (slot)   (slot)             ├▶ energy of each frame
                                 └▶ pitch

It is `ConversionStream` and `Converter._content` as tensors of one shape, whatever the positions of
the rows. What a stream keeps lies in tensors that are indexed by slot, with what is newest at their
ends; a block shifts them. What was found in earlier blocks stays as it was found.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from stages.neural import accelerator
from stages.rvc.network.config import CONTENT_WIDTHS
from stages.rvc.network.content import FEATURE_REACH, ContentState
from stages.rvc.schedule import PITCH_FRAMES
from stages.rvc.slots.high_pass import HighPass
from stages.rvc.slots.polyphase import Polyphase
from stages.rvc.speech import HOP, RATE, SETTLES

if TYPE_CHECKING:
    from stages.rvc.network.config import Version
    from stages.rvc.network.content import ContentEncoder
    from stages.rvc.pitch.rmvpe import RmvpePitch
    from stages.rvc.slots.plan import SteadyShape

SPARE = 4 * HOP
"""Samples at 16 kHz that there may be beyond those that a block needs."""
KEPT = PITCH_FRAMES * HOP + SETTLES + SPARE
"""Samples at 16 kHz that are kept: those that pitch is found in, those that the high pass settles
in, and the spare ones."""
KEPT_RAW = 1_024
"""Samples at the input rate that are kept: twice the half width of the resampler's filter and one
of its units, 864 at 48 kHz."""


class ListenRows(NamedTuple):
    """A block of each of a batch's streams. Frames are 10 ms, counted from a segment's start. A row
    that is not used has the spare slot, and anything in range elsewhere."""

    slot: torch.Tensor
    """(batch,) int64."""
    is_first: torch.Tensor
    """(batch,) bool: the segment's first block, to which nothing in the slot counts."""
    raw: torch.Tensor
    """(batch, shape.max_in(in_rate)) float32: new speech at the input rate, and after it
    anything."""
    n_raw: torch.Tensor
    """(batch,) int64: the samples of it; as many as the block needs, see `Listening.needed`, or all
    that is left of the segment."""
    n_in: torch.Tensor
    """(batch,) int64: the samples before it."""
    n_total: torch.Tensor
    """(batch,) int64: samples of the whole segment at 16 kHz, if this block has the last of its
    speech or an earlier one had; else a number that is never reached."""
    start: torch.Tensor
    """(batch,) int64: the window's first frame that counts; even."""
    stop: torch.Tensor
    """(batch,) int64: the frame behind the window's last; even."""
    n_new: torch.Tensor
    """(batch,) int64: the frames that were in no window before, at most `shape.computed`; even."""
    keep_pitch_from: torch.Tensor
    """(batch,) int64: the frame from which on the pitch that is found now counts. Those before keep
    theirs, with which they were decoded."""
    f0_given: torch.Tensor
    """(batch, window) float32: pitch in hertz, where the host finds it."""
    has_f0_given: torch.Tensor
    """(batch,) bool."""
    ratio: torch.Tensor
    """(batch,) float32: of the voice's pitch to what is found."""


@dataclass(frozen=True, slots=True)
class SpeechMemory:
    """What is kept of the speech in each slot: a row for each, and at the end one for rows that are
    not used. The newest is at the end of a row."""

    features: torch.Tensor
    """(slots, window / 2, content_width), in the networks' dtype: content features of the window;
    for `Speaking`."""
    drawn: torch.Tensor
    """The same, which the voice's index then draws to itself; for `Speaking`."""
    f0: torch.Tensor
    """(slots, window) float32: the voice's pitch in hertz, 0 where there is none; for
    `Speaking`."""
    speech_energy: torch.Tensor
    """(slots, window) float32: the mean square of each frame's speech; for `Speaking`."""

    raw: torch.Tensor
    """(slots, `KEPT_RAW`) float32: speech at its own rate."""
    speech: torch.Tensor
    """(slots, `KEPT`) float32: speech at 16 kHz."""
    n_speech: torch.Tensor
    """(slots,) int64: samples at 16 kHz since the segment's start."""
    local: torch.Tensor
    """(slots, window / 2, channels), in the networks' dtype: local content features."""
    count: torch.Tensor
    """(slots, 1) float64; this and what follows are `ContentState`'s."""
    total: torch.Tensor
    """(slots, channels) float64."""
    squares: torch.Tensor
    """(slots, channels) float64."""

    @classmethod
    def of(
        cls, encoder: ContentEncoder, version: Version, n_slots: int, shape: SteadyShape
    ) -> SpeechMemory:
        """For so many slots, besides the spare one."""

        def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return accelerator.zeros((n_slots + 1, *shape), dtype, encoder.device)

        n_units, width = shape.window // 2, CONTENT_WIDTHS[version]
        channels = encoder.n_channels
        return cls(
            features=zeros(n_units, width, dtype=encoder.dtype),
            drawn=zeros(n_units, width, dtype=encoder.dtype),
            f0=zeros(shape.window),
            speech_energy=zeros(shape.window),
            raw=zeros(KEPT_RAW),
            speech=zeros(KEPT),
            n_speech=zeros(dtype=torch.int64),
            local=zeros(n_units, channels, dtype=encoder.dtype),
            count=zeros(1, dtype=torch.float64),
            total=zeros(channels, dtype=torch.float64),
            squares=zeros(channels, dtype=torch.float64),
        )

    @property
    def n_bytes(self) -> int:
        """Of the device's memory."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))


class _Excerpt(NamedTuple):
    """A stretch of each row's speech that is filtered for itself, in samples at 16 kHz since the
    segment's start."""

    begin: torch.Tensor
    """(batch,) int64: where the filter begins."""
    end: torch.Tensor
    """(batch,) int64: where it ends, and the speech is mirrored: at the segment's end or before."""
    stop: torch.Tensor
    """(batch,) int64: up to where it is read."""

    @classmethod
    def of(cls, n_speech: torch.Tensor, start: torch.Tensor, stop: torch.Tensor) -> _Excerpt:
        """What `FilteredSpeech.filtered` filters to read from `start` to `stop`, where there are
        so many samples."""
        needed_from = torch.minimum(start, 2 * n_speech - stop)
        return cls((needed_from - SETTLES).clamp_min(0), torch.minimum(n_speech, stop), stop)

    def read(
        self, filtered: torch.Tensor, n_speech: torch.Tensor, places: torch.Tensor
    ) -> torch.Tensor:
        """As many samples before `stop` as there are places, (batch, n), mirrored at the segment's
        start and at `end`; from the filtered speech (batch, `KEPT`), which ends at `n_speech`."""
        position = (self.stop - len(places))[:, None] + places
        period = (2 * self.end - 2).clamp_min(1)[:, None]
        position = position.abs() % period
        position = torch.minimum(position, period - position)
        read = _taken(filtered, position + (KEPT - n_speech)[:, None])
        return read.masked_fill(n_speech[:, None] == 0, 0.0)


class Listening:
    """Graph A, for speech at one rate and voices of one version."""

    def __init__(
        self,
        encoder: ContentEncoder,
        rmvpe: RmvpePitch | None,
        n_slots: int,
        shape: SteadyShape,
        in_rate: int,
        *,
        version: Version,
        memory: SpeechMemory | None = None,
    ) -> None:
        """`rmvpe`: None where all pitch is given, or voices have none. `n_slots`: besides the spare
        one, which is the last. `memory`: that of another rate's `Listening` for this version, if
        they share their slots."""
        self.memory = memory or SpeechMemory.of(encoder, version, n_slots, shape)
        self._encoder = encoder
        self._rmvpe = rmvpe
        self._shape = shape
        self._version = version
        device = encoder.device
        self._to_16k = Polyphase(in_rate, RATE, device)
        self._high_pass = HighPass(KEPT, device)
        n_unit, half_width = self._to_16k.n_in, self._to_16k.half_width
        if n_unit + 2 * half_width > KEPT_RAW:
            raise ValueError(f"too little is kept of speech at {in_rate} Hz")
        # The first may have been begun by the block before.
        n_units = 1 + -(-(shape.max_in(in_rate) + half_width) // n_unit)

        def places(n: int) -> torch.Tensor:
            return torch.arange(n, device=device)

        self._raw_places = places(KEPT_RAW)
        self._raw_taken = places(KEPT_RAW + shape.max_in(in_rate))
        self._resampled_places = places(n_units * n_unit + 2 * half_width)
        self._speech_places = places(KEPT)
        self._content_places = places(shape.computed * HOP + FEATURE_REACH)
        self._pitch_places = places(PITCH_FRAMES * HOP)
        self._frames = places(shape.window)
        self._features = places(shape.window // 2)

    def needed(self, n_speech: int) -> int:
        """The least number of samples at the input rate that make so many at 16 kHz final while the
        segment has not ended."""
        if n_speech <= 0:
            return 0
        to_16k = self._to_16k
        return (n_speech - 1) * to_16k.n_in // to_16k.n_out + to_16k.half_width + 1

    @torch.inference_mode()
    def __call__(self, rows: ListenRows) -> None:
        """Take the speech of each row, and leave in the memory what `Speaking` needs."""
        speech, n_speech = self._hear(rows)
        content_stop, pitch_stop = rows.stop * HOP + FEATURE_REACH, rows.stop * HOP
        content = _Excerpt.of(n_speech, (rows.stop - rows.n_new) * HOP, content_stop)
        pitch = _Excerpt.of(n_speech, pitch_stop - PITCH_FRAMES * HOP, pitch_stop)
        n_forgotten = (n_speech - KEPT).repeat(2)
        filtered = self._high_pass(
            speech.repeat(2, 1),
            (torch.cat([content.begin, pitch.begin]) - n_forgotten).clamp(0, KEPT),
            (torch.cat([content.end, pitch.end]) - n_forgotten).clamp(0, KEPT),
        )
        for_content, for_pitch = filtered.chunk(2)
        for_content = content.read(for_content, n_speech, self._content_places)
        self._find_features(rows, for_content)
        self._measure(rows, for_content)
        self._find_pitch(rows, pitch.read(for_pitch, n_speech, self._pitch_places))

    def _hear(self, rows: ListenRows) -> tuple[torch.Tensor, torch.Tensor]:
        """The speech at 16 kHz that is kept of each row, this block's included, (batch, `KEPT`);
        and the samples since the segment's start, (batch,)."""
        memory, to_16k = self.memory, self._to_16k
        n_raw = rows.n_raw[:, None]
        raw = torch.cat([_kept(memory.raw, rows), rows.raw], dim=1)
        raw = raw.masked_fill(self._raw_taken >= KEPT_RAW + n_raw, 0.0)  # silence is behind the end
        memory.raw.index_copy_(0, rows.slot, _taken(raw, self._raw_places + n_raw))

        n_known = _kept(memory.n_speech, rows)
        unit = n_known // to_16k.n_out  # the first that is not known whole
        first = unit * to_16k.n_in - to_16k.half_width + KEPT_RAW - rows.n_in
        made = to_16k.resampled(_taken(raw, first[:, None] + self._resampled_places))
        n_in = rows.n_in + rows.n_raw
        n_final = -((to_16k.half_width - n_in) * to_16k.n_out // to_16k.n_in)
        n_all = (2 * n_in * to_16k.n_out + to_16k.n_in) // (2 * to_16k.n_in)  # `resampled_length`
        n_speech = torch.where(n_all >= rows.n_total, rows.n_total, n_final)
        n_speech = torch.maximum(n_speech, n_known)

        place = (n_speech - n_known)[:, None] + self._speech_places
        in_made = place - KEPT + (n_known - unit * to_16k.n_out)[:, None]
        place = torch.where(place < KEPT, place, KEPT + in_made)
        speech = _taken(torch.cat([_kept(memory.speech, rows), made], dim=1), place)
        memory.speech.index_copy_(0, rows.slot, speech)
        memory.n_speech.index_copy_(0, rows.slot, n_speech)
        return speech, n_speech

    def _find_features(self, rows: ListenRows, speech: torch.Tensor) -> None:
        """The window's content features, from the speech of its last frames."""
        memory, encoder = self.memory, self._encoder
        state = ContentState(
            _kept(memory.count, rows), _kept(memory.total, rows), _kept(memory.squares, rows)
        )
        n_new = rows.n_new // 2
        new, state = encoder.local_from(speech, state, n_new)
        local = _shifted(_kept(memory.local, rows), new, n_new, self._features)
        n_missing = (self._shape.window - (rows.stop - rows.start)) // 2
        is_there = self._features >= n_missing.clamp_max(len(self._features) - 1)[:, None]
        features = encoder.encode(local, self._version, is_there)
        memory.local.index_copy_(0, rows.slot, local)
        memory.count.index_copy_(0, rows.slot, state.count)
        memory.total.index_copy_(0, rows.slot, state.total)
        memory.squares.index_copy_(0, rows.slot, state.squares)
        memory.features.index_copy_(0, rows.slot, features)
        memory.drawn.index_copy_(0, rows.slot, features)

    def _measure(self, rows: ListenRows, speech: torch.Tensor) -> None:
        """The energy of the window's frames, from the speech of the last of them."""
        frames = speech[:, :-FEATURE_REACH].unflatten(1, (-1, HOP))
        known = _kept(self.memory.speech_energy, rows)
        energy = _shifted(known, frames.square().mean(2), rows.n_new, self._frames)
        self.memory.speech_energy.index_copy_(0, rows.slot, energy)

    def _find_pitch(self, rows: ListenRows, speech: torch.Tensor) -> None:
        """The pitch of the window's frames, from the speech of the last of them."""
        found, window = rows.f0_given, self._shape.window
        if self._rmvpe is not None:
            own = functional.pad(self._rmvpe.estimate_batch(speech), (window - PITCH_FRAMES, 0))
            found = torch.where(rows.has_f0_given[:, None], found, own)
        found = found * rows.ratio[:, None]
        known = _shifted(_kept(self.memory.f0, rows), found, rows.n_new, self._frames)
        frame = (rows.stop - window)[:, None] + self._frames
        f0 = torch.where(frame >= rows.keep_pitch_from[:, None], found, known)
        self.memory.f0.index_copy_(0, rows.slot, f0)


def _kept(memory: torch.Tensor, rows: ListenRows) -> torch.Tensor:
    """What the memory has for each row: nothing, as zeros, at a segment's start."""
    own = memory.index_select(0, rows.slot)
    return own.masked_fill(rows.is_first.view(-1, *[1] * (own.dim() - 1)), 0)


def _taken(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The values (batch, n, ...) at these places (batch, m) int64. A place that is out of range,
    which only rows have that are not used, means nothing; a GPU would end the process for it."""
    places = places.clamp(0, values.shape[1] - 1)
    more = values.shape[2:]
    return values.gather(1, places.view(*places.shape, *[1] * len(more)).expand(-1, -1, *more))


def _shifted(
    known: torch.Tensor, new: torch.Tensor, n_new: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    """The last of what is known (batch, n, ...) and the last `n_new` (batch,) of what is new
    (batch, m, ...), n in all; `places` is the range of n."""
    place = places + n_new[:, None]
    place = torch.where(place < len(places), place, place + (new.shape[1] - n_new)[:, None])
    return _taken(torch.cat([known, new], dim=1), place)
