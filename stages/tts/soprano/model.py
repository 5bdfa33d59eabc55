"""Soprano's networks and the memory of all sentences under way, in the shapes of the device.

What `engine.py` decides, this computes: prompts read into slots, a step of a group of slots, pieces
of sound decoded. Everything but the making runs on the model thread, in inference mode.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from stages.neural import accelerator
from stages.neural.graphs import Graphs
from stages.tts.soprano.decoder import FLUSH_UNITS, StreamingDecoder, sounds_of
from stages.tts.soprano.device_loop import MAX_STEPS, DeviceLoop
from stages.tts.soprano.language_model import LENGTH_STEP, LanguageModel, Slots
from stages.tts.soprano.sampling import Sampling
from stages.tts.soprano.sequence import FIRST_CHUNK, MAX_STATES
from stages.tts.soprano.shapes import MAX_LENGTH, Shapes

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from contextlib import AbstractContextManager

    from stages.audio.format import Samples
    from stages.neural.fusing import CompileUse
    from stages.neural.graphs import GraphUse
    from stages.neural.transfers import Fetched
    from stages.tts.soprano.checkpoint import Checkpoint
    from stages.tts.soprano.decoder import Piece, StreamingDecoderState
    from stages.tts.soprano.language_model import Stepped

StepRow = tuple[int, int, int]
"""A row of a step: a token, its position in the sequence, and the number of states before it."""

EMPTY_ROW: StepRow = (0, 0, 1)
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
    _loop: DeviceLoop
    _decoder_state: StreamingDecoderState
    _graphs: Graphs

    def __init__(
        self, read: Checkpoint, options: SopranoOptions, shapes: Shapes | None = None
    ) -> None:
        """Lay out the weights on the device. `shapes`: others than the device's; tests try those of
        a GPU on a CPU."""
        self.stop_token = read.config.stop_token
        self.shapes = shapes or Shapes.on(options.device, options.n_slots)
        self._config = read.config
        self._options = options
        self._spare = self.shapes.n_slots  # an unused slot
        self._last_units = max(FIRST_CHUNK, options.chunk_states) + FLUSH_UNITS
        lm_weights, decoder_weights = (
            {name: weight.to(options.device) for name, weight in weights.items()}
            for weights in (read.lm_weights, read.decoder_weights)
        )
        self._lm = LanguageModel(read.config, lm_weights, options.sampling, options.torch_compile)
        self._decoder = StreamingDecoder(decoder_weights, options.torch_compile)

    def install(self) -> None:
        """Take memory for the sentences, and run every shape once."""
        device = self._options.device
        accelerator.use(device)
        n_slots = self._spare + 1
        self._graphs = Graphs(device, wanted=self._options.graphs)
        with self.stream():
            self._slots = Slots(
                self._config,
                n_slots,
                max_length=MAX_LENGTH,
                # A row that is full and not needed any more computes on beside what it has.
                max_states=MAX_STATES + 1,
                dtype=self._options.dtype,
                device=device,
            )
            self._decoder_state = self._decoder.start(n_slots)
            if self.shapes.fixed:
                self._loop = DeviceLoop(
                    self._lm, self._slots, self.shapes.widths, self._options.torch_compile
                )
                self._meet_every_shape()
            else:
                self._warm_up()

    def stream(self) -> AbstractContextManager[None]:
        """Where everything is done that is done on the device."""
        return self._graphs.stream()

    @property
    def is_lost(self) -> bool:
        """Whether the device does nothing more in this process."""
        return self._graphs.is_lost

    # Step by step: the host reads each token before it asks for the next one.

    def prefill(
        self, slots: Sequence[int], prompts: Sequence[list[int]], draws: Sequence[float]
    ) -> Stepped:
        """Read prompts (token ids) into slots, and make the first state of each. `draws`: numbers
        in [0, 1) for sampling. StepRow by row as the slots."""
        for slot in slots:
            self._decoder_state.reset(slot)
        key, *rows = self._prompt_rows(slots, prompts, draws)
        return self._graphs.run(key, partial(self._lm.prefill, self._slots), *rows)

    def step(self, first: int, rows: Sequence[StepRow], draws: Sequence[float]) -> Stepped:
        """One state further in the slots from `first` on. A row that is run again with the same
        values changes nothing; the last that is not `EMPTY_ROW` is the last of what returns."""
        length = self.shapes.attention_length(max(position for _, position, _ in rows))
        n_used = self.shapes.used_rows([row != EMPTY_ROW for row in rows])
        return self._graphs.run(
            ("step", first, len(rows)),
            partial(self._lm.step, self._slots, first, n_used=n_used, length=length),
            torch.tensor(rows).T.contiguous(),
            torch.tensor(draws),
        )

    def decode(self, pieces: Sequence[Piece]) -> list[Samples]:
        """The sound of some pieces, which are of equal units."""
        return sounds_of(pieces, self._decoded(pieces, self.units(pieces[0])))

    def units(self, piece: Piece) -> int:
        """The decoder's units that a piece is run in; pieces of equal units run together."""
        return self._last_units if piece.is_last else piece.end - piece.begin

    def clear(self, slot: int) -> None:
        """Zero a slot. What is masked has no effect, but 0 x NaN is NaN."""
        self._slots.clear(slot)

    # In launches: the device goes on by itself, and what it made is fetched when it is done.

    def launch_prefill(
        self, slots: Sequence[int], prompts: Sequence[list[int]], draws: Sequence[float]
    ) -> Fetched:
        """As `prefill`; what is fetched is (2, n): tokens and changes. Steps that are launched
        behind it go on from there. Whatever was in these slots is gone."""
        key, *rows = self._prompt_rows(slots, prompts, draws)
        return self._graphs.fetch(self._graphs.run(key, self._read_in, *rows))

    def launch_steps(
        self, n_steps: dict[int, int], draws: dict[int, list[float]], last_position: int
    ) -> Fetched:
        """So many steps, at most `MAX_STEPS`, in each of some slots. `draws`: as many numbers in
        [0, 1) for each. `last_position`: the last one that any of them comes to. What is fetched is
        (MAX_STEPS, 2, width): of each step the tokens and changes, by slot."""
        _, width = self.shapes.rows(list(n_steps))
        length = self.shapes.attention_length(last_position)
        steps, drawn = [0] * width, np.zeros((MAX_STEPS, width), np.float32)
        for slot, n in n_steps.items():
            steps[slot] = n
            drawn[:n, slot] = draws[slot]
        made = self._graphs.run(
            ("steps", width, length),
            partial(self._loop.step, length),
            torch.tensor(steps),
            torch.from_numpy(drawn),
            torch.zeros(1, dtype=torch.int64),
            repeats=max(n_steps.values()),
        )
        return self._graphs.fetch(made)

    def launch_decode(self, pieces: Sequence[Piece]) -> Fetched:
        """Decode some pieces, which are of equal units; `sounds_of` cuts what is fetched."""
        return self._graphs.fetch(self._decoded(pieces, self.units(pieces[0])))

    def forget_behind(self, slot: int, n_states: int) -> None:
        """Zero what a launch computed behind the end of a sentence, where it is no number."""
        self._slots.states[slot, n_states:] = 0

    def _read_in(
        self,
        rows: torch.Tensor,
        prompts: torch.Tensor,
        lengths: torch.Tensor,
        draws: torch.Tensor,
    ) -> torch.Tensor:
        self._slots.wipe(rows)
        self._decoder_state.wipe(rows)
        made = self._lm.prefill(self._slots, rows, prompts, lengths, draws)
        return self._loop.start(rows, lengths, made)

    def _prompt_rows(
        self, slots: Sequence[int], prompts: Sequence[list[int]], draws: Sequence[float]
    ) -> tuple[Hashable, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The key of a prefill's shape, and its inputs in this shape."""
        n_rows, longest = self.shapes.prompts(len(prompts), max(map(len, prompts)))
        padded = [prompt + [self.stop_token] * (longest - len(prompt)) for prompt in prompts]
        n_spare = n_rows - len(prompts)
        return (
            ("prefill", n_rows, longest),
            torch.tensor([*slots, *[self._spare] * n_spare]),
            torch.tensor([*padded, *[[self.stop_token] * longest] * n_spare]),
            torch.tensor([*map(len, prompts), *[1] * n_spare]),
            torch.tensor([*draws, *[0.0] * n_spare]),
        )

    def _decoded(
        self, pieces: Sequence[Piece], n_units: int, n_rows: int | None = None
    ) -> torch.Tensor:
        return self._decoder.decode(
            self._graphs,
            self._decoder_state,
            self._slots.states,
            pieces,
            n_units=n_units,
            n_rows=n_rows or self.shapes.decoder_rows(len(pieces)),
        )

    def _warm_up(self) -> None:
        """Run one shape of each kind."""
        prompt = [self.stop_token] * LENGTH_STEP
        self.prefill([self._spare], [prompt], [0.0])
        for width in self.shapes.widths:
            self.step(0, [EMPTY_ROW] * width, [0.0] * width)
        self._meet_the_decoders_shapes((1,))

    def _meet_every_shape(self) -> None:
        """Run every shape that a graph has to be made for, of each kind the largest first: the
        others find room in the memory of its graph."""
        for n_rows, longest in reversed(self.shapes.all_prompts):
            prompt = [self.stop_token] * longest
            self.launch_prefill([self._spare] * n_rows, [prompt] * n_rows, [0.0] * n_rows)
        for width, length in reversed(self.shapes.all_launches):
            self.launch_steps({width - 1: 1}, {width - 1: [0.0]}, length - 1)
        self._meet_the_decoders_shapes(self.shapes.decoder_row_counts[::-1])

    def _meet_the_decoders_shapes(self, row_counts: Sequence[int]) -> None:
        for n_rows in row_counts:
            for n_units in {FIRST_CHUNK, self._options.chunk_states, self._last_units}:
                self._decoded([], n_units, n_rows)
