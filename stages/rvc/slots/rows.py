"""A batch of planned blocks as the tensors that the two graphs of a block take: a row for each, and
spare ones up to a size that was captured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from stages.audio.pitch_shift import pitch_ratio
from stages.rvc.noise import places
from stages.rvc.slots.listening import ListenRows
from stages.rvc.slots.speaking import SpeakRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import DTypeLike, NDArray

    from stages.conversion_settings import ConversionSettings
    from stages.rvc.network.config import VoiceConfig
    from stages.rvc.slots.plan import PlannedBlock, SteadyShape


class Row(NamedTuple):
    """A block of one stream, and all that decides how it sounds."""

    slot: int
    planned: PlannedBlock
    settings: ConversionSettings
    semitones: float
    seed: int
    has_index: bool


class RowMaker:
    """Makes the rows of one shape."""

    def __init__(self, shape: SteadyShape, spare: int) -> None:
        """`spare`: the slot of rows that nobody wants."""
        self._shape = shape
        self._spare = spare

    def listen(self, rows: Sequence[Row], raw: NDArray[np.float32]) -> ListenRows:
        """The rows of graph A, as many as `raw` (size, samples) has: the new speech of each."""
        size, window = len(raw), self._shape.window
        f0 = np.zeros((size, window), np.float32)
        for own, row in zip(f0, rows, strict=False):
            planned = row.planned
            if planned.f0 is not None:
                at = window - (planned.block.stop - planned.pitch_from)
                own[at : at + len(planned.f0)] = planned.f0
        planned_rows = [row.planned for row in rows]
        blocks = [planned.block for planned in planned_rows]
        return ListenRows(
            slot=self._slots(rows, size),
            is_first=_column((own.is_first for own in planned_rows), size, np.bool_, spare=True),
            raw=torch.from_numpy(raw),
            n_raw=_column((own.n_raw for own in planned_rows), size),
            n_in=_column((own.n_in for own in planned_rows), size),
            n_total=_column((own.n_total for own in planned_rows), size),
            start=_column((block.start for block in blocks), size),
            stop=_column((block.stop for block in blocks), size),
            n_new=_column((own.n_new for own in planned_rows), size),
            keep_pitch_from=_column((own.keep_pitch_from for own in planned_rows), size),
            f0_given=torch.from_numpy(f0),
            has_f0_given=_column((own.f0 is not None for own in planned_rows), size, np.bool_),
            ratio=_column((pitch_ratio(row.semitones) for row in rows), size, np.float32),
        )

    def speak(self, rows: Sequence[Row], size: int, config: VoiceConfig) -> SpeakRows:
        """`size` rows of graph B, for voices of this config."""
        blocks = [row.planned.block for row in rows]
        seeds = [row.seed for row in rows]
        flow, pushed = self._shape.flow, self._shape.pushed
        flow_from = [block.stop - flow for block in blocks]
        push_from = [block.push_from for block in blocks]
        latent_noise_at = places(seeds, flow_from, flow, config.inter_channels)
        source_noise_at = places(seeds, push_from, pushed, config.hop)
        settings = [row.settings for row in rows]
        return SpeakRows(
            slot=self._slots(rows, size),
            is_first=_column((row.planned.is_first for row in rows), size, np.bool_, spare=True),
            start=_column((block.start for block in blocks), size),
            stop=_column((block.stop for block in blocks), size),
            push_from=_column(push_from, size),
            n_pushed=_column((row.planned.n_pushed for row in rows), size),
            latent_noise_at=_padded(latent_noise_at, size),
            source_noise_at=_padded(source_noise_at, size),
            unvoiced_share=_column((own.unvoiced_share for own in settings), size, np.float32),
            has_index=_column((row.has_index for row in rows), size, np.float32),
            loudness_exponent=_column((1 - own.rms_mix_rate for own in settings), size, np.float32),
        )

    def _slots(self, rows: Sequence[Row], size: int) -> torch.Tensor:
        slots = np.full(size, self._spare)
        slots[: len(rows)] = [row.slot for row in rows]
        return torch.from_numpy(slots)


def _column(
    values: Iterable[float], size: int, dtype: DTypeLike = np.int64, *, spare: float | None = None
) -> torch.Tensor:
    """A number for each row. Spare rows have `spare`, or what the first row has."""
    own = np.fromiter(values, dtype)
    column = np.full(size, own[0] if spare is None else spare, dtype)
    column[: len(own)] = own
    return torch.from_numpy(column)


def _padded(rows: NDArray[np.int64], size: int) -> torch.Tensor:
    spare = np.broadcast_to(rows[:1], (size - len(rows), *rows.shape[1:]))
    return torch.from_numpy(np.concatenate([rows, spare]))
