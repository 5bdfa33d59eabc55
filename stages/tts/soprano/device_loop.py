"""Steps that go on from their own tokens, so that several can be launched without reading any.

On a GPU a step is short, and between two of them there was the way of a token to the host and back.
Here the device keeps of each slot what its next step goes on from. A *launch* is a few steps of the
slots up to a width: each is the same graph, counts itself, and leaves its tokens in its own place
of what is fetched once at the end. The host then takes them one after the other, as if each had
been a step of its own, and forgets those behind a stop.

A row goes on for as many steps as it was told, and from then on computes the same again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from stages.neural.fusing import fused
from stages.tts.soprano.language_model import attend_one
from stages.tts.soprano.sampling import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stages.neural.fusing import CompileUse
    from stages.neural.linear import FixedLinear
    from stages.tts.soprano.language_model import LanguageModel, Qwen3Layer, Slots, Stepped
    from stages.tts.soprano.sampling import Sampling

MAX_STEPS = 4
"""Steps of a launch at most: whoever comes waits for no more than these."""


class DeviceLoop:
    """Steps of a language model on a device, and what each slot goes on from."""

    def __init__(
        self,
        model: LanguageModel,
        slots: Slots,
        widths: Sequence[int],
        torch_compile: CompileUse = "auto",
    ) -> None:
        """`widths`: the numbers of slots that a launch may have, from the first on."""
        self._model = model
        self._slots = slots
        device, n_slots, max_length = slots.seen.device, len(slots.seen), slots.keys.shape[3]
        self._now = torch.zeros((3, n_slots), dtype=torch.int64, device=device)
        """Of each slot the token that it goes on from, that token's position in the sequence, and
        the number of states."""
        self._now[2] = 1  # an unused slot computes where the next prompt writes
        self._numbers = torch.arange(n_slots, device=device)
        self._masks = torch.full(
            (max_length, max_length), -torch.inf, dtype=slots.keys.dtype, device=device
        ).triu(1)
        """For each position what a query there must not look at, to be added."""
        self._made = {
            width: torch.zeros((MAX_STEPS, 2, width), dtype=torch.float64, device=device)
            for width in widths
        }
        self._end = fused(_ending(model.sampling), device, wanted=torch_compile)

    def start(self, rows: torch.Tensor, lengths: torch.Tensor, made: Stepped) -> torch.Tensor:
        """Let slots go on from the prompts that were just read into them. `rows` and `lengths`
        (n,): the slots, and the prompts' lengths. Returns (2, n): tokens and changes."""
        self._now[:, rows] = torch.stack((made.tokens, lengths, torch.ones_like(lengths)))
        return torch.stack((made.tokens.double(), made.change.double()))

    def step(
        self, length: int, n_steps: torch.Tensor, draws: torch.Tensor, counter: torch.Tensor
    ) -> torch.Tensor:
        """The step of this number, and one more for the counter.

        `length`: how far attention looks; above every position that counts. `n_steps` (width,):
        for how many steps each row goes on. `draws` (MAX_STEPS, width): uniform numbers in
        [0, 1). `counter` (1,): the number of the step in its launch. Returns (MAX_STEPS, 2,
        width): of each step so far the tokens and the changes, as in `Stepped`."""
        width = len(n_steps)
        model, slots = self._model, self._slots
        now, rows = self._now[:, :width], self._numbers[:width]
        tokens, positions, n_states = now
        seen, states = slots.seen[:width], slots.states[:width]
        seen.scatter_(1, tokens[:, None], value=True)
        mask = self._masks[:, :length].index_select(0, positions)[:, None, None]

        def attend(number: int, q: torch.Tensor, kv: torch.Tensor) -> torch.Tensor:
            cache = slots.cache[:, number, :width]
            cache[:, rows, :, positions] = kv
            return attend_one(q, cache[0, :, :, :length], cache[1, :, :, :length], mask)

        cos, sin = model.cos[positions, None], model.sin[positions, None]  # (width, 1, head_dim)
        x, attended = model.through(model.embedding[tokens], cos, sin, attend)
        new, of_step, then, following = self._end(
            (model.layers[-1], model.norm, model.head),
            (x, attended, states, rows, now, seen),
            (draws, n_steps, counter),
        )
        states[rows, n_states] = new
        made = self._made[width]
        made.index_copy_(0, counter, of_step)
        now.copy_(then)
        counter.copy_(following)
        return made


def _ending(sampling: Sampling) -> Callable[..., tuple[torch.Tensor, ...]]:
    """What a step does behind the attention of the last layer; it keeps nothing of it."""

    def end(
        layers: tuple[Qwen3Layer, Callable[[torch.Tensor], torch.Tensor], FixedLinear],
        at: tuple[torch.Tensor, ...],
        launch: tuple[torch.Tensor, ...],
    ) -> tuple[torch.Tensor, ...]:
        """The new states (width, hidden), float32; their tokens and changes (1, 2, width), which
        float64 holds exactly; what the next step goes on from (3, width), and its number (1,)."""
        layer, norm, head = layers
        x, attended, states, rows, now, seen = at
        draws, n_steps, counter = launch
        last = norm(layer.finish(x, attended))
        new = last.float()
        change = (new - states[rows, now[2] - 1]).abs().sum(-1)
        drawn = draws.index_select(0, counter).squeeze(0)
        tokens = sample(head(last), seen, drawn, sampling)
        goes_on = counter < n_steps
        then = (torch.where(goes_on, tokens, now[0]), now[1] + goes_on, now[2] + goes_on)
        made = torch.stack((tokens.double(), change.double()))[None]
        # What runs before a capture may count beyond a launch.
        return new, made, torch.stack(then), (counter + 1) % MAX_STEPS

    return end
