"""Reading a Soprano directory; one that cannot be spoken with is refused with the reason.

    config.json, generation_config.json     of a Qwen3ForCausalLM
    model.safetensors                       its weights, bfloat16
    tokenizer.json, tokenizer_config.json   8192 entries: 0 to 3 are [UNK] [TEXT] [START] [STOP]
    decoder.pth                             the state dict of ``soprano.vocos.SopranoDecoder``

Nothing here asks the network, and nothing in a file is run: the one pickle, ``decoder.pth``, is
read as weights only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

from stages.error_text import name_list, reason
from stages.errors import UnusableModel
from stages.install_hints import install_hints
from stages.neural.archives import layer_shapes
from stages.neural.checkpoints import check_finite, check_values, check_weights, load_pickle
from stages.tts.soprano import FILES
from stages.tts.soprano.decoder import N_BLOCKS, N_FFT
from stages.tts.soprano.language_model import LmConfig
from stages.tts.soprano.sequence import MAX_STATES
from stages.tts.soprano.text import MAX_CHARS, PROMPT_TOKENS, prompt_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

log = structlog.stdlib.get_logger(__name__)

LOADING: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""transformers' options: ask no hub, and neither run code beside a model nor ask whether to."""

STATE_SIZE = 512
DEFAULT_ROPE_THETA = 10_000.0
"""Qwen3's, in transformers."""
DECODER_DIM = 768
DECODER_WIDE = 3 * DECODER_DIM

SPECIAL_TOKENS = ("[UNK]", "[TEXT]", "[START]", "[STOP]")
STOP_TOKEN = SPECIAL_TOKENS.index("[STOP]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model directory's contents, on the CPU."""

    config: LmConfig
    lm_weights: Mapping[str, torch.Tensor]
    decoder_weights: Mapping[str, torch.Tensor]
    prompt: Callable[[str], list[int]]
    """The ids of the prompt for a normalised text."""


def read(folder: Path, dtype: torch.dtype) -> Checkpoint:
    """Read and check a directory, the language model in this dtype. Raises `UnusableModel`."""
    for name in FILES:
        if not (folder / name).is_file():
            msg = f"{folder}: {name} is missing; to get the model: {install_hints().model(folder)}"
            raise UnusableModel(msg)
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # what is wrong is said below
    config = _read_config(folder)
    return Checkpoint(
        config=config,
        lm_weights=_read_language_model(folder, dtype),
        decoder_weights=_read_decoder(folder / "decoder.pth"),
        prompt=_read_tokenizer(folder, config),
    )


def _read_config(folder: Path) -> LmConfig:
    path = folder / "config.json"
    try:
        config = AutoConfig.from_pretrained(folder, **LOADING)
    except Exception as error:
        raise UnusableModel(f"{path} cannot be read: {reason(error)}") from error
    if not isinstance(config, Qwen3Config):
        raise UnusableModel(f"{path}: this is a {config.model_type} model, not Soprano's qwen3")
    rope: dict[str, Any] = dict(config.rope_parameters or {})
    check_values(
        path,
        "Soprano",
        {
            "hidden_size": (config.hidden_size, STATE_SIZE),
            "hidden_act": (config.hidden_act, "silu"),
            "attention_bias": (config.attention_bias, False),
            "use_sliding_window": (config.use_sliding_window, False),
            "tie_word_embeddings": (config.tie_word_embeddings, False),
            "rope_type": (rope.get("rope_type"), "default"),
            "eos_token_id": (config.eos_token_id, STOP_TOKEN),
            "layer_types": (sorted(set(config.layer_types or ())), ["full_attention"]),
        },
    )
    theta = rope.get("rope_theta", DEFAULT_ROPE_THETA)
    if not isinstance(theta, int | float):
        raise UnusableModel(f"{path}: rope_theta is {theta!r}, which is no number")
    needed = PROMPT_TOKENS + MAX_CHARS + MAX_STATES
    if config.max_position_embeddings < needed:
        raise UnusableModel(
            f"{path}: max_position_embeddings is {config.max_position_embeddings}, and {needed} are"
            " needed; Soprano 1.0 has 512, use 1.1"
        )
    return LmConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        n_layers=config.num_hidden_layers,
        n_heads=config.num_attention_heads,
        n_kv_heads=config.num_key_value_heads or config.num_attention_heads,
        head_dim=config.head_dim,
        intermediate_size=config.intermediate_size,
        max_positions=config.max_position_embeddings,
        rope_theta=float(theta),
        norm_eps=config.rms_norm_eps,
        stop_token=STOP_TOKEN,
    )


def _read_language_model(folder: Path, dtype: torch.dtype) -> Mapping[str, torch.Tensor]:
    path = folder / "model.safetensors"
    try:
        loaded: Any = Qwen3ForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            **LOADING,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are in the report, by name
            output_loading_info=True,
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise UnusableModel(f"{path} cannot be read: {reason(error)}") from error
    model, report = loaded
    for what in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        # transformers would make up what is missing, and say so in its log only
        if names := [name if isinstance(name, str) else name[0] for name in report[what]]:
            raise UnusableModel(f"{path}: {what.replace('_', ' ')}: {name_list(names)}")
    weights: Mapping[str, torch.Tensor] = model.state_dict()
    check_finite(path, weights)
    return weights


def _read_tokenizer(folder: Path, config: LmConfig) -> Callable[[str], list[int]]:
    path = folder / "tokenizer.json"
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **LOADING)
    except Exception as error:
        msg = f"{path} or tokenizer_config.json beside it cannot be read: {reason(error)}"
        raise UnusableModel(msg) from error
    ids = tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))
    if ids != list(range(len(SPECIAL_TOKENS))):
        msg = f"{path} is not Soprano's: {', '.join(SPECIAL_TOKENS)} are {ids}, not [0, 1, 2, 3]"
        raise UnusableModel(msg)
    if len(tokenizer) != config.vocab_size:
        msg = f"{path} is not Soprano's: it has {len(tokenizer)} entries of {config.vocab_size}"
        raise UnusableModel(msg)
    unknown, text, start, stop = ids

    def prompt(normalised: str) -> list[int]:
        found: list[int] = tokenizer(prompt_of(normalised))["input_ids"]
        return found

    found = prompt("abc, xyz.")
    if found[:2] != [stop, text] or found[-1] != start or unknown in found:
        raise UnusableModel(f"{path} is not Soprano's: it makes {found} of a prompt")
    return prompt


def _read_decoder(path: Path) -> Mapping[str, torch.Tensor]:
    weights = load_pickle(path)
    embed = weights.get("decoder.embed.weight") if isinstance(weights, dict) else None
    if isinstance(embed, torch.Tensor) and tuple(embed.shape) == (512, 512, 3):
        msg = f"{path} is the decoder of Soprano 1.0, which is narrower; use Soprano-1.1-80M"
        raise UnusableModel(msg)
    return check_weights(path, "Soprano's decoder", weights, dict(_decoder_shapes()))


def _decoder_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor in ``decoder.pth``."""
    yield from layer_shapes("decoder.embed", (DECODER_DIM, STATE_SIZE, 1))
    yield from layer_shapes("decoder.norm", (DECODER_DIM,))
    for number in range(N_BLOCKS):
        block = f"decoder.convnext.{number}"
        yield f"{block}.gamma", (DECODER_DIM,)
        yield from layer_shapes(f"{block}.dwconv", (DECODER_DIM, 1, 3))
        yield from layer_shapes(f"{block}.norm", (DECODER_DIM,))
        yield from layer_shapes(f"{block}.pwconv1", (DECODER_WIDE, DECODER_DIM))
        yield from layer_shapes(f"{block}.pwconv2", (DECODER_DIM, DECODER_WIDE))
    yield from layer_shapes("decoder.final_layer_norm", (DECODER_DIM,))
    yield from layer_shapes("head.out", (N_FFT + 2, DECODER_DIM))
    yield "head.istft.window", (N_FFT,)
