"""Law: what a listener hears does not depend on who else is in the batch, nor on when anybody
joins, leaves or is held up. Bit for bit, on tiny random weights in float32 and bfloat16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from property_tests.effort import NEURAL
from stages.tts.soprano.model import SopranoOptions
from stages.tts.soprano.sampling import Sampling
from tests.random_soprano import TINY, build
from tests.soprano.speaking import open_engine, request_for, say

if TYPE_CHECKING:
    from stages.audio.format import Samples
    from stages.tts.soprano.engine import SopranoEngine
    from tests.engine_driver import DrivenRequest

TEXTS = (
    "Hi!",
    "How are you today?",
    "The weather is quite lovely, is it not, my friend?",
    "7" * 80,
)
SEEDS = (1, 2)


def states_of(text: str) -> int:
    """From none up to four pieces."""
    return len(text) * 7 % 14


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> SopranoEngine:
    folder = build(tmp_path_factory.mktemp("law") / "soprano", TINY)
    options = SopranoOptions(dtype=request.param, n_slots=16, sampling=Sampling(temperature=0.8))
    return open_engine(folder, options, states_of)


def test_listeners_do_not_hear_each_other(engine: SopranoEngine) -> None:
    alone: dict[tuple[str, int], Samples] = {
        (text, seed): say(engine, text, seed) for text in TEXTS for seed in SEEDS
    }

    class Listeners(RuleBasedStateMachine):
        """Joins, steps and leaves in any order."""

        joined: Bundle[DrivenRequest] = Bundle("joined")

        def __init__(self) -> None:
            super().__init__()
            self.live: list[DrivenRequest] = []
            # The engine counts newcomers in a row: an example must not go on with the count of
            # the one before it, or hypothesis finds that it does not repeat.
            say(engine, TEXTS[0])

        @rule(target=joined, text=st.sampled_from(TEXTS), seed=st.sampled_from(SEEDS))
        def join(self, text: str, seed: int) -> DrivenRequest | MultipleResults[DrivenRequest]:
            if len(self.live) == 16:
                return multiple()
            request = request_for(text, seed)
            self.live.append(request)
            return request

        @rule(request=consumes(joined))
        def leave(self, request: DrivenRequest) -> None:
            if request in self.live:
                self.live.remove(request)
                engine.leave(request)

        @rule(data=st.data(), n_steps=st.integers(1, 12))
        def step(self, data: st.DataObject, n_steps: int) -> None:
            """Some may go on, in any order of urgency; the others have no room."""
            for _ in range(n_steps):
                if not self.live:
                    return
                able = data.draw(
                    st.lists(st.sampled_from(self.live), min_size=1, unique_by=id), label="able"
                )
                engine.step(engine.choose(able))
                for request in [request for request in self.live if request.finished]:
                    self.live.remove(request)
                    engine.leave(request)
                    self.compare(request)

        @invariant()
        def what_was_heard_so_far_is_right(self) -> None:
            for request in self.live:
                self.compare(request)

        def compare(self, request: DrivenRequest) -> None:
            segment = request.segment
            assert request.error is None
            wanted = alone[segment.spoken, segment.style.seed or 0]
            heard = request.sound if request.finished else request.sound[: len(wanted)]
            n_heard = len(wanted) if request.finished else len(heard)
            np.testing.assert_array_equal(heard, wanted[:n_heard])

        def teardown(self) -> None:
            for request in self.live:
                engine.leave(request)
            kept = engine._utterances  # noqa: SLF001 - nothing stays behind
            assert not kept._of  # noqa: SLF001
            assert not kept.in_slots
            assert sorted(kept.free) == list(range(16))

    # The two kinds of numbers share the examples.
    run_state_machine_as_test(
        Listeners, settings=settings(NEURAL, max_examples=NEURAL.max_examples // 2)
    )
