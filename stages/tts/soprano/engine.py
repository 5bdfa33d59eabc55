"""Soprano as a synthesizer: all listeners' sentences in one decode loop.

On a CPU it goes `step_by_step`; on a GPU in launches of several steps, `launching`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from stages.engine import Engine
from stages.file_sizes import megabytes, size_of
from stages.neural import accelerator
from stages.text.normalise.letters import LetterStyle
from stages.tts.soprano import checkpoint
from stages.tts.soprano.decoder import SAMPLE_RATE
from stages.tts.soprano.launching import InLaunches
from stages.tts.soprano.model import SopranoModel, SopranoOptions
from stages.tts.soprano.step_by_step import StepByStep
from stages.tts.soprano.text import legible
from stages.tts.soprano.utterances import Utterances
from stages.voices import Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from stages.engine import Launched, Request
    from stages.tts.soprano.shapes import Shapes

ENGINE = "soprano"
VOICE = Voice(
    name=ENGINE,
    engine=ENGINE,
    language="en-us",
    gender=None,
    description="Soprano-1.1-80M",
    sample_rate=SAMPLE_RATE,
    type="neural",
    licence="Soprano's voice, weights: Apache 2.0",
    is_free=True,
)


class SopranoEngine(Engine):
    """Soprano-1.1-80M from a directory."""

    name = ENGINE
    sample_rate = SAMPLE_RATE
    can_use_gpu = True
    letters = LetterStyle.SPACED
    least_chars = 30  # the package joins shorter sentences

    _model: SopranoModel
    _utterances: Utterances
    _way: StepByStep | InLaunches

    def __init__(
        self,
        folder: Path,
        options: SopranoOptions | None = None,
        *,
        force_length: Callable[[str], int] | None = None,
        shapes: Shapes | None = None,
    ) -> None:
        """`force_length` says after how many states, fewer than `MAX_STATES`, a normalised text
        stops, whatever the model says and without any guard: a model with random weights hardly
        ever stops. `shapes`: others than the device's, for tests: they decide which way it
        goes."""
        self._folder = folder
        self._options = options or SopranoOptions()
        self._force_length = force_length
        self._shapes = shapes
        self.runs_on = accelerator.describe(self._options.device, self._options.dtype)

    def voices(self) -> tuple[Voice, ...]:
        """There is one."""
        return (VOICE,)

    def legible(self, text: str, language: str) -> str:
        """The text without letters that are not Latin, which is all that the model knows."""
        del language
        return legible(text)

    @property
    def reads(self) -> str:
        return f"Soprano, {megabytes(size_of([self._folder]))}"

    def load(self) -> None:
        """Read, check and lay out the model. Raises `UnusableModel`."""
        read = checkpoint.read(self._folder, self._options.dtype)
        self._model = SopranoModel(read, self._options, self._shapes)
        self._utterances = Utterances(
            self._model.shapes.n_slots,
            read.prompt,
            self._model.stop_token,
            is_drawn=not self._options.sampling.is_greedy,
            force_length=self._force_length,
        )
        way = InLaunches if self._model.shapes.fixed else StepByStep
        self._way = way(self._model, self._utterances, self._options.chunk_states)

    @torch.inference_mode()
    def install(self) -> None:
        """Put the model where it runs."""
        self._model.install()

    def can_step(self, request: Request) -> bool:
        """It is under way, or there is a slot for it."""
        return bool(self._utterances.free) or self._utterances.slot_of(request) is not None

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Newcomers, or some of those who have a slot: see the way that it goes."""
        return self._way.choose(requests)

    def step(self, batch: Sequence[Request]) -> Launched | None:
        """Take newcomers in, or go on with those who have a slot."""
        return self._way.step(batch)

    @property
    def is_lost(self) -> bool:
        return self._model.is_lost

    def leave(self, request: Request) -> None:
        """Give the slot back."""
        self._utterances.leave(request)

    def close(self) -> None:
        """Let go of the model, and of the memory of the sequences."""
        self.__dict__.pop("_way", None)
        self.__dict__.pop("_model", None)
