"""The choice of the next token: repetition penalty, temperature, top-k, top-p, in this order, as
upstream's ``infer`` has it through transformers; for every row at once, on the device.

Where upstream turns a temperature of 0 into 0.001 and draws, we take the likeliest token: the
same but where two logits lie within a few thousandths of each other, and then upstream tosses
a coin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

TOP_K = 50
"""Tokens to draw among at most: what transformers' ``generate`` does unless it is told not to, and
upstream does not tell it."""


LEAST_TEMPERATURE = 0.001
"""Upstream's own. Below some 1e-38 quotients would be infinite."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The parameters of the choice. The defaults are upstream's."""

    temperature: float = 0.0
    """The temperature of the softmax; below `LEAST_TEMPERATURE` the likeliest token is taken."""
    top_p: float = 0.95
    """The probability of the likeliest tokens that are drawn among, together."""
    repetition_penalty: float = 1.2
    """The divisor of a token's logit once it was seen (a factor where the logit is negative), at
    least 1. Keskar et al., 2019 (CTRL), section 4.1."""

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken, and nothing drawn."""
        return self.temperature < LEAST_TEMPERATURE


def sample(
    logits: torch.Tensor, seen: torch.Tensor, draws: torch.Tensor, sampling: Sampling
) -> torch.Tensor:
    """The token of each row: (n, vocabulary) to (n,).

    `seen` (n, vocabulary): the tokens that came before. `draws` (n,): a uniform number in
    [0, 1) for each row, which alone decides what is drawn."""
    logits, penalty = logits.float(), sampling.repetition_penalty
    # Whichever is less: the product of a negative logit, the quotient of another.
    scores = torch.where(seen, torch.minimum(logits * penalty, logits / penalty), logits)
    if sampling.is_greedy:
        return scores.argmax(-1)
    likeliest, tokens = scores.topk(TOP_K)
    probabilities = (likeliest / sampling.temperature).softmax(-1)
    before = probabilities.cumsum(-1) - probabilities  # of all that are likelier
    kept = torch.where(before < sampling.top_p, probabilities, 0.0)
    upto = kept.cumsum(-1)
    # The first token whose cumulated probability exceeds the draw's share of the kept whole.
    drawn = (upto <= draws[:, None] * upto[:, -1:]).sum(-1, keepdim=True)
    n_kept = (kept > 0).sum(-1, keepdim=True)
    # At least 0, or a row that is no number would fail all others.
    return tokens.gather(-1, drawn.minimum(n_kept - 1).clamp(min=0)).squeeze(-1)
