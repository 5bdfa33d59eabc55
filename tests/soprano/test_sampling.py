"""The choice of a token, against transformers' processors, which upstream uses."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from stages.tts.soprano.sampling import Sampling, sample

VOCABULARY = 200
N_DRAWS = 4000


def logits_and_history(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of one row, the tokens before it, and the same as a mask."""
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(1, VOCABULARY, generator=random)
    history = torch.randint(VOCABULARY, (1, 12), generator=random)
    seen = torch.zeros(1, VOCABULARY, dtype=torch.bool).scatter(1, history, value=True)
    return logits, history, seen


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("temperature", "top_p", "penalty"),
    [(1.0, 0.95, 1.2), (0.3, 0.95, 1.2), (0.7, 0.5, 1.0), (1.5, 1.0, 2.0), (0.001, 0.95, 1.2)],
)
def test_tokens_come_as_often_as_upstream_would_draw_them(
    seed: int, temperature: float, top_p: float, penalty: float
) -> None:
    logits, history, seen = logits_and_history(seed)
    scores: torch.Tensor = logits
    if penalty != 1.0:
        scores = RepetitionPenaltyLogitsProcessor(penalty)(history, scores)
    scores = TemperatureLogitsWarper(temperature)(history, scores)
    scores = TopKLogitsWarper(50)(history, scores)  # generate's own default
    if top_p < 1.0:
        scores = TopPLogitsWarper(top_p)(history, scores)
    wanted = scores.softmax(-1)[0]
    draws = (torch.arange(N_DRAWS) + 0.5) / N_DRAWS
    tokens = sample(
        logits.expand(N_DRAWS, -1),
        seen.expand(N_DRAWS, -1),
        draws,
        Sampling(temperature, top_p, penalty),
    )
    found = torch.bincount(tokens, minlength=VOCABULARY) / N_DRAWS
    torch.testing.assert_close(found, wanted, atol=1.5 / N_DRAWS, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_greedy_takes_the_likeliest_after_the_penalty(seed: int) -> None:
    logits, history, seen = logits_and_history(seed)
    wanted = RepetitionPenaltyLogitsProcessor(1.2)(history, logits).argmax(-1)
    assert torch.equal(sample(logits, seen, torch.zeros(1), Sampling()), wanted)


def test_the_highest_draw_stays_among_the_kept() -> None:
    logits, _, seen = logits_and_history(0)
    highest = torch.full((1,), 1 - 2**-24)
    assert sample(logits, seen, highest, Sampling(1.0, 0.01)).item() == logits.argmax().item()


def test_a_row_does_not_depend_on_the_others() -> None:
    rows = [logits_and_history(seed) for seed in range(4)]
    logits, seen = torch.cat([row[0] for row in rows]), torch.cat([row[2] for row in rows])
    draws = torch.tensor([0.1, 0.5, 0.9, 0.3])
    together = sample(logits, seen, draws, Sampling(0.8))
    alone = [
        sample(logits[n : n + 1], seen[n : n + 1], draws[n : n + 1], Sampling(0.8))
        for n in range(4)
    ]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("temperature", [0.0009, 1e-38, 5e-324])
def test_a_temperature_of_next_to_nothing_takes_the_likeliest(temperature: float) -> None:
    logits, _, seen = logits_and_history(0)
    draws = torch.tensor([0.999])
    tokens = sample(logits, seen, draws, Sampling(temperature, repetition_penalty=1.0))
    assert tokens == logits.argmax(-1)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_row_that_is_no_number_leaves_the_others_alone(temperature: float) -> None:
    logits, _, seen = logits_and_history(0)
    both = torch.cat([torch.full_like(logits, torch.nan), logits])
    sampling = Sampling(temperature)
    tokens = sample(both, seen.expand(2, -1), torch.tensor([0.5, 0.5]), sampling)
    assert 0 <= tokens[0] < VOCABULARY
    assert tokens[1] == sample(logits, seen, torch.tensor([0.5]), sampling)
