"""Soprano's networks and the memory of all sentences under way, in the shapes of the device.

What `engine.py` decides, this computes: prompts read into slots, a step of a group of slots, pieces
of sound decoded. Everything but the making runs on the model thread, in inference mode.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import torch

from stages.neural import accelerator
from stages.neural.graphs import Graphs
from stages.tts.soprano.decoder import FLUSH_UNITS, StreamingDecoder
from stages.tts.soprano.language_model import LanguageModel, Slots, Stepped
from stages.tts.soprano.sampling import Sampling
from stages.tts.soprano.sequence import FIRST_CHUNK, MAX_STATES
from stages.tts.soprano.shapes import Shapes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from stages.audio.format import Samples
    from stages.neural.fusing import CompileUse
    from stages.neural.graphs import GraphUse
    from stages.tts.soprano.checkpoint import Checkpoint
    from stages.tts.soprano.decoder import Piece, StreamingDecoderState

Row = tuple[int, int, int]
"""A row of a step: a token, its position in the sequence, and the number of states before it."""

EMPTY_ROW: Row = (0, 0, 1)
"""The row of an unused slot, which computes at its beginning, where the next prompt writes."""


@dataclass(frozen=True, slots=True)
class SopranoOptions:
    """The options of the engine."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    """The precision of the language model; the decoder is float32."""
    chunk_states: int = 3
    """States in each piece of sound after the first, 64 ms each. Fewer cost more work for each
    second, more make listeners wait longer between the first sound and the second."""
    sampling: Sampling = field(default_factory=Sampling)
    n_slots: int = 256
    """The most sentences under way at a time: as many as there may be listeners."""
    graphs: GraphUse = "auto"
    """Whether functions run as graphs on a GPU."""
    torch_compile: CompileUse = "auto"
    """Whether chains of operators are compiled for a GPU."""


class SopranoModel:
    """The networks and their memory."""

    _slots: Slots
    _decoder_state: StreamingDecoderState
    _graphs: Graphs

    def __init__(self, read: Checkpoint, options: SopranoOptions) -> None:
        """Lay out the weights on the device."""
        self.stop_token = read.config.stop_token
        self.shapes = Shapes.on(options.device, options.n_slots)
        self._config = read.config
        self._options = options
        self._spare = self.shapes.n_slots  # an unused slot
        self._last_units = max(FIRST_CHUNK, options.chunk_states) + FLUSH_UNITS
        lm_weights, decoder_weights = (
            {name: weight.to(options.device) for name, weight in weights.items()}
            for weights in (read.lm_weights, read.decoder_weights)
        )
        self._lm = LanguageModel(read.config, lm_weights, options.sampling)
        self._decoder = StreamingDecoder(decoder_weights)

    def install(self) -> None:
        """Take memory for the sentences, and run every shape once."""
        device = self._options.device
        accelerator.use(device)
        self._graphs = Graphs(device, wanted=self._options.graphs)
        with self.stream():
            self._lay_out(device)
            self._warm_up()
        self._graphs.tell("soprano")

    def stream(self) -> AbstractContextManager[None]:
        """What everything that follows is called within; see `Graphs.stream`."""
        return self._graphs.stream()

    def prefill(
        self, slots: Sequence[int], prompts: Sequence[list[int]], draws: Sequence[float]
    ) -> Stepped:
        """Read prompts (token ids) into slots, and make the first state of each. `draws`: numbers
        in [0, 1) for sampling. Row by row as the slots."""
        for slot in slots:
            self._decoder_state.reset(slot)
        n_rows, longest = self.shapes.prompts(len(prompts), max(map(len, prompts)))
        padded = [prompt + [self.stop_token] * (longest - len(prompt)) for prompt in prompts]
        n_spare = n_rows - len(prompts)
        made = self._graphs.run(
            ("prefill", n_rows, longest),
            partial(self._lm.prefill, self._slots),
            torch.tensor([*slots, *[self._spare] * n_spare]),
            torch.tensor([*padded, *[[self.stop_token] * longest] * n_spare]),
            torch.tensor([*map(len, prompts), *[1] * n_spare]),
            torch.tensor([*draws, *[0.0] * n_spare]),
        )
        return Stepped(*self._graphs.fetch(*made).result())

    def step(self, first: int, rows: Sequence[Row], draws: Sequence[float]) -> Stepped:
        """One state further in the slots from `first` on. A row that is run again with the same
        values changes nothing; the last that is not `EMPTY_ROW` is the last of what returns."""
        length = self.shapes.attention_length(max(position for _, position, _ in rows))
        n_used = self.shapes.used_rows([row != EMPTY_ROW for row in rows])
        made = self._graphs.run(
            ("step", first, len(rows)),
            partial(self._lm.step, self._slots, first, n_used=n_used, length=length),
            torch.tensor(rows).T.contiguous(),
            torch.tensor(draws),
        )
        return Stepped(*self._graphs.fetch(*made).result())

    def units(self, piece: Piece) -> int:
        """The decoder's units that a piece is run in; pieces of equal units run together."""
        return self._last_units if piece.is_last else piece.end - piece.begin

    def decode(self, pieces: Sequence[Piece]) -> list[Samples]:
        """The sound of some pieces, which are of equal units."""
        n_rows = self.shapes.decoder_rows(len(pieces))
        return self._decode(pieces, self.units(pieces[0]), n_rows)

    def clear(self, slot: int) -> None:
        """Zero a slot. What is masked has no effect, but 0 x NaN is NaN."""
        self._slots.clear(slot)

    def _decode(self, pieces: Sequence[Piece], n_units: int, n_rows: int) -> list[Samples]:
        return self._decoder.decode(
            self._graphs,
            self._decoder_state,
            self._slots.states,
            pieces,
            n_units=n_units,
            n_rows=n_rows,
        )

    def _lay_out(self, device: torch.device) -> None:
        n_slots = self._spare + 1
        self._slots = Slots(
            self._config,
            n_slots,
            max_length=self.shapes.max_length,
            max_states=MAX_STATES,
            dtype=self._options.dtype,
            device=device,
        )
        self._decoder_state = self._decoder.start(n_slots)

    def _warm_up(self) -> None:
        """Run every shape that a graph has to be made for; on a CPU, one of each kind."""
        for n_rows, longest in self.shapes.all_prompts:
            prompt = [self.stop_token] * longest
            self.prefill([self._spare] * n_rows, [prompt] * n_rows, [0.0] * n_rows)
        for width in self.shapes.widths:
            self.step(0, [EMPTY_ROW] * width, [0.0] * width)
        for n_rows in self.shapes.decoder_row_counts or (1,):
            for n_units in {FIRST_CHUNK, self._options.chunk_states, self._last_units}:
                self._decode([], n_units, n_rows)
