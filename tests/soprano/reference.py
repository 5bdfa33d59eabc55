"""The package's own offline ``infer``, made to choose the likeliest token and to stop where it is
told to: random weights hardly ever stop, and upstream tosses a coin where two tokens are about
equally likely."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from soprano.backends.transformers import TransformersModel
from soprano.tts import SopranoTTS
from soprano.vocos.decoder import SopranoDecoder
from transformers import LogitsProcessor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stages.audio.format import Samples

STOP = 3


class StopAfter(LogitsProcessor):
    """Lets exactly so many tokens come before the end."""

    def __init__(self, n_tokens: int) -> None:
        self.tokens: list[int] = []
        self._n_tokens = n_tokens
        self._n_prompt: int | None = None

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        n_so_far = input_ids.shape[1]
        self._n_prompt = n_so_far if self._n_prompt is None else self._n_prompt
        self.tokens = input_ids[0, self._n_prompt :].tolist()
        if n_so_far - self._n_prompt >= self._n_tokens:
            scores = torch.full_like(scores, -torch.inf)  # type: ignore[assignment]
            scores[:, STOP] = 0
        return scores


class Reference:
    """``SopranoTTS`` on a directory, without the sentence it speaks to warm up."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        tts: Any = SopranoTTS.__new__(SopranoTTS)
        tts.device = device
        tts.backend = "transformers"
        tts.pipeline = TransformersModel(device=device, model_path=str(folder))
        tts.decoder = SopranoDecoder().to(device)
        tts.decoder.load_state_dict(torch.load(folder / "decoder.pth"))
        tts.decoder_batch_size = 1
        tts.RECEPTIVE_FIELD, tts.TOKEN_SIZE = 4, 2048
        self.tts = tts

    def infer(self, text: str, n_states: int) -> tuple[Samples, list[int]]:
        """The sound of a text in so many states, and the tokens that led there."""
        stop = StopAfter(n_states)
        model = self.tts.pipeline.model
        usual, draw = model.generate, torch.multinomial
        model.generate = partial(usual, logits_processor=[stop])
        torch.multinomial = _likeliest  # type: ignore[assignment]
        try:
            sound = self.tts.infer(text)
        finally:
            model.generate, torch.multinomial = usual, draw
        return sound.numpy(), stop.tokens

    def stream(self, text: str, n_states: int) -> Iterator[torch.Tensor]:
        """The package's own stream, stopped after so many tokens."""
        stream_infer = self.tts.pipeline.stream_infer

        def stopped(*prompt: str, **sampling: float) -> Iterator[dict[str, Any]]:
            for number, made in enumerate(stream_infer(*prompt, **sampling)):
                if number == n_states:
                    yield made | {"finish_reason": "stop"}
                    return
                yield made

        self.tts.pipeline.stream_infer = stopped
        try:
            yield from self.tts.infer_stream(text)
        finally:
            self.tts.pipeline.stream_infer = stream_infer


def _likeliest(probabilities: torch.Tensor, num_samples: int) -> torch.Tensor:
    assert num_samples == 1
    return probabilities.argmax(-1, keepdim=True)
