"""Soprano's directory with random weights: the architecture, formats and file names of
Soprano-1.1-80M, and no knowledge of speech at all.

    python -m tests.random_soprano models/soprano

The tokenizer is trained here on a few sentences, over the id layout of the real one. The decoder's
last layer is scaled so that what comes out has the loudness of speech. Everything else is
initialised as upstream does.
"""

from __future__ import annotations

import json
import math
import string
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from soprano.vocos.decoder import SopranoDecoder
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

SPECIALS = ["[UNK]", "[TEXT]", "[START]", "[STOP]"]
N_SPEECH_TOKENS = 8000
CHARACTERS = [*" !\"$%&'*+,-./", *string.digits, *"<>?_", *string.ascii_lowercase]
VOCABULARY = 8192

PROSE = """
The first thing that she heard in the morning was the sound of rain on the roof, and then the
voices of the children, who were already up. There was nothing to be done about the weather, so
there would be no walk to the harbour today. Would they mind? They had found the old instruments
in the attic, and were making more noise than an orchestra. Perhaps it is better so, she
thought, and went down to put the kettle on. "Have you seen the cat?" asked the youngest. It had
been out all night again. Somewhere behind the house a door was beating in the wind, again and
again, until somebody went to close it. In the evening the sky cleared, and everyone was glad to
be outside.
"""

SPECTRAL_LEVEL = 5.0
"""Magnitude of each of the 1025 bins: with random phases that is -20 dBFS, as loud as speech."""


@dataclass(frozen=True)
class Size:
    """How large a model is; what is not here does not vary."""

    hidden_size: int = 512
    num_hidden_layers: int = 17
    num_attention_heads: int = 4
    num_key_value_heads: int = 1
    head_dim: int = 128
    intermediate_size: int = 2304


FULL = Size()
"""Soprano-1.1-80M: 79.7 million parameters in the language model."""
TINY = Size(num_hidden_layers=2, head_dim=32, intermediate_size=128)
"""For tests. The decoder takes states of 512 and has one size, so that much stays."""


def build(folder: Path, size: Size = FULL, seed: int = 0, dtype: torch.dtype | None = None) -> Path:
    """Write a whole model directory; the weights are float32 for a tiny one and bfloat16, as
    published, for a full one, unless a dtype is given."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = Qwen3ForCausalLM(_config(size))
        # As in a trained model, one norm is not like another.
        for name, weight in model.named_parameters():
            if "norm" in name:
                torch.nn.init.uniform_(weight, 0.7, 1.3)
        model.to(dtype or (torch.bfloat16 if size == FULL else torch.float32))
        model.save_pretrained(folder)
        torch.save(_decoder().state_dict(), folder / "decoder.pth")
    _tokenizer().save_pretrained(folder)
    return folder


def _config(size: Size) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=size.hidden_size,
        num_hidden_layers=size.num_hidden_layers,
        num_attention_heads=size.num_attention_heads,
        num_key_value_heads=size.num_key_value_heads,
        head_dim=size.head_dim,
        intermediate_size=size.intermediate_size,
        max_position_embeddings=1024,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        rms_norm_eps=1e-6,
        tie_word_embeddings=False,
        attention_bias=False,
        bos_token_id=3,
        eos_token_id=3,
        initializer_range=1 / 24,
    )


def _decoder() -> SopranoDecoder:
    decoder = SopranoDecoder()
    bins = decoder.head.out.out_features // 2
    with torch.no_grad():
        decoder.head.out.bias[:bins] = math.log(SPECTRAL_LEVEL)
        decoder.head.out.bias[bins:].uniform_(-math.pi, math.pi)
        decoder.decoder.embed.weight.normal_(std=1 / math.sqrt(512))
        for block in decoder.decoder.convnext:
            # So that what stands beside a frame counts, through all eight of them.
            block.dwconv.weight.normal_(std=0.5)
            block.pwconv1.weight.normal_(std=1 / math.sqrt(block.pwconv1.in_features))
            block.pwconv2.weight.normal_(std=1 / math.sqrt(block.pwconv2.in_features))
            block.gamma.uniform_(0.5, 1.0)
    return decoder


def _tokenizer() -> PreTrainedTokenizerFast:
    trained = Tokenizer(BPE())
    trained.normalizer = _normalizer()
    trained.pre_tokenizer = _pre_tokenizer()
    n_merges = VOCABULARY - len(SPECIALS) - N_SPEECH_TOKENS - len(CHARACTERS)
    trainer = trainers.BpeTrainer(
        vocab_size=len(CHARACTERS) + n_merges, initial_alphabet=CHARACTERS, show_progress=False
    )
    trained.train_from_iterator([PROSE], trainer)
    merges = _merges(trained)
    pieces = [*CHARACTERS, *("".join(pair) for pair in merges)]
    specials = [*SPECIALS, *(f"[{n}]" for n in range(N_SPEECH_TOKENS))]
    vocabulary = {piece: number for number, piece in enumerate([*specials, *pieces])}
    tokenizer = Tokenizer(BPE(vocabulary, merges, unk_token="[UNK]"))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.add_special_tokens(specials)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        bos_token="[STOP]",
        eos_token="[STOP]",
        pad_token="[STOP]",
        padding_side="left",
    )


def _normalizer() -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " ")])


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    words = pre_tokenizers.Split(Regex(r"\s+|\w+|[^\w\s]+"), behavior="isolated")
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words])


def _merges(trained: Tokenizer) -> list[tuple[str, str]]:
    return [(left, right) for left, right in json.loads(trained.to_str())["model"]["merges"]]


if __name__ == "__main__":
    build(Path(sys.argv[1]))
