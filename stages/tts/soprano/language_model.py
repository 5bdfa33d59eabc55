"""Soprano's language model: Qwen3, written out for one purpose.

Its last hidden states are the speech, one a token; the tokens only steer it. Sequences live in
*slots*: rows of a key-value cache that is laid out once. A step runs one token of every slot of a
stretch of slots, so its shape never changes, and whether a slot is in use changes nothing for the
others. A step may be run again: it writes the same values to the same places. So slots whose
listeners have no room are just not advanced, and unused ones compute values that are not read.

The architecture is that of transformers' ``Qwen3ForCausalLM``, which is the reference it is
tested against; the weights are read by it, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from stages.neural.accelerator import zeros
from stages.neural.fusing import fused
from stages.neural.layers import linear
from stages.tts.soprano.sampling import Sampling, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stages.neural.fusing import CompileUse

LENGTH_STEP = 64
"""Attention on a CPU looks at the longest sequence's length, rounded up to this: a multiple of
every vector's width, so that what is masked beyond a sequence's end adds exact zeros and nothing
else."""


@dataclass(frozen=True, slots=True)
class LmConfig:
    """The part of ``config.json`` that the computation depends on."""

    vocab_size: int
    hidden_size: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    intermediate_size: int
    max_positions: int
    rope_theta: float
    norm_eps: float
    stop_token: int


class Stepped(NamedTuple):
    """The result of one step, for each of its rows."""

    tokens: torch.Tensor
    """(width,) int64: the token that each new state chose."""
    change: torch.Tensor
    """(width,) float32: the sum of |h[n] - h[n-1]|, by which a sequence that repeats itself
    is known."""


class Slots:
    """The memory of the sequences under way, a slot each."""

    def __init__(
        self,
        config: LmConfig,
        n_slots: int,
        *,
        max_length: int,
        max_states: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """`max_length` tokens a sequence, prompt included, of which `max_states` are speech."""
        cache = (config.n_layers, n_slots, config.n_kv_heads, max_length, config.head_dim)
        self.cache = zeros((2, *cache), dtype, device)
        """Keys and values, so that one kernel can write both."""
        self.keys, self.values = self.cache
        self.seen = zeros((n_slots, config.vocab_size), torch.bool, device)
        """The tokens that a sequence has had, for the repetition penalty."""
        self.states = zeros((n_slots, max_states, config.hidden_size), torch.float32, device)
        """The speech: state n of a sequence at [slot, n]."""

    def clear(self, slot: int) -> None:
        """Zero a slot, where writing over it is not enough."""
        self.cache[:, :, slot] = 0
        self.states[slot] = 0

    def wipe(self, rows: torch.Tensor) -> None:
        """Zero these slots, (n,), from within a graph."""
        self.cache.index_fill_(2, rows, 0)
        self.states.index_fill_(0, rows, 0)


class LanguageModel:
    """The model's weights and what runs them; the memory is `Slots`."""

    def __init__(
        self,
        config: LmConfig,
        weights: Mapping[str, torch.Tensor],
        sampling: Sampling,
        torch_compile: CompileUse = "auto",
    ) -> None:
        """`weights` as transformers names them, of one dtype and on the device that it runs on.
        `torch_compile`: of what a layer does between one look at the cache and the next."""
        self.config = config
        self.sampling = sampling
        self.embedding = weights["model.embed_tokens.weight"]
        self.layers = [
            Qwen3Layer(config, weights, f"model.layers.{n}") for n in range(config.n_layers)
        ]
        self.norm = _RmsNorm(weights["model.norm.weight"], config.norm_eps)
        self.head = linear(weights, "lm_head")
        self.cos, self.sin = (part.to(self.embedding) for part in _rotations(config))
        device = self.embedding.device
        self._enter = fused(_enter, device, wanted=torch_compile, batched=(1, 2, 3))
        self._cross = fused(_cross, device, wanted=torch_compile, batched=(1, 2, 3, 4))
        self._finish = fused(Qwen3Layer.finish, device, wanted=torch_compile, batched=(1, 2))

    def prefill(
        self,
        slots: Slots,
        rows: torch.Tensor,
        prompts: torch.Tensor,
        lengths: torch.Tensor,
        draws: torch.Tensor,
    ) -> Stepped:
        """Read prompts into slots, and make each one's first state and token.

        `rows` (n,): the slots. `prompts` (n, longest): token ids, padded on the right with the
        stop token, which every prompt begins with. `lengths` (n,): of each prompt. `draws` (n,):
        uniform numbers in [0, 1), for sampling."""
        n, longest = prompts.shape
        x = self.embedding[prompts].flatten(0, 1)  # (n * longest, hidden)
        cos, sin = (part[:longest, None].repeat(n, 1, 1) for part in (self.cos, self.sin))

        def attend(number: int, q: torch.Tensor, kv: torch.Tensor) -> torch.Tensor:
            q = q.unflatten(0, (n, longest)).transpose(1, 2)  # (n, heads, longest, head_dim)
            kv = kv.unflatten(0, (n, longest)).permute(2, 0, 3, 1, 4)
            cache = slots.cache[:, number]
            cache[:, rows, :, :longest] = kv
            attended = functional.scaled_dot_product_attention(
                q, kv[0], kv[1], is_causal=True, enable_gqa=True
            )
            return attended.transpose(1, 2).reshape(n * longest, -1)

        x, attended = self.through(x, cos, sin, attend)
        x = self._finish(self.layers[-1], x, attended).unflatten(0, (n, longest))
        last = self.norm(x[torch.arange(n, device=x.device), lengths - 1])  # (n, hidden)
        seen = slots.seen.new_zeros(n, self.config.vocab_size).scatter_(1, prompts, value=True)
        slots.seen[rows] = seen
        slots.states[rows, 0] = last.float()
        tokens = sample(self.head(last), seen, draws, self.sampling)
        change = torch.full((n,), torch.inf, device=x.device)
        return Stepped(tokens, change.masked_fill_(last.isnan().any(-1), torch.nan))

    def through(
        self,
        x: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        attend: Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All layers but for the last one's `finish`, which takes what is returned.

        `x` (rows, hidden). `attend` takes the number of a layer, queries (rows, heads, head_dim),
        and keys and values (rows, 2, key heads, head_dim), which it keeps; it returns what they
        attend to, (rows, heads * head_dim)."""
        q, kv = self._enter(self.layers[0], x, cos, sin)
        attended = attend(0, q, kv)
        for number in range(1, len(self.layers)):
            pair = self.layers[number - 1], self.layers[number]
            x, q, kv = self._cross(pair, x, attended, cos, sin)
            attended = attend(number, q, kv)
        return x, attended

    def step(
        self,
        slots: Slots,
        first: int,
        now: torch.Tensor,
        draws: torch.Tensor,
        *,
        n_used: int,
        length: int,
    ) -> Stepped:
        """One token further in the slots from `first` on, as many as there are rows.

        `now` (3, width): of each row, the token that it goes on from, that token's position in
        the sequence, and how many states there are already. `draws` (width,): uniform numbers in
        [0, 1). `n_used`: the rows up to the last that is in use; what works row by row leaves the
        others out. `length`: how far attention looks; above every position. Returns `n_used`
        rows."""
        tokens, positions, n_states = now
        width = len(tokens)
        these = slice(first, first + width)
        rows = torch.arange(width, device=tokens.device)
        seen = slots.seen[these]
        seen.scatter_(1, tokens[:, None], value=True)
        used = slice(n_used)
        hidden = torch.arange(length, device=tokens.device) > positions[used, None]
        mask = torch.zeros(hidden.shape, dtype=self.embedding.dtype, device=tokens.device)
        mask = mask.masked_fill_(hidden, -torch.inf)[:, None, None]  # (n_used, 1, 1, length)
        x = self.embedding[tokens]  # (width, hidden)
        cos, sin = self.cos[positions, None], self.sin[positions, None]  # (width, 1, head_dim)
        for number, layer in enumerate(self.layers):
            q, k, v = layer.project(x, cos, sin)  # (width, heads, head_dim)
            keys, values = slots.keys[number, these], slots.values[number, these]
            keys[rows, :, positions] = k
            values[rows, :, positions] = v
            attended = torch.zeros(width, q.shape[1] * q.shape[2], dtype=q.dtype, device=q.device)
            attended[used] = attend_one(
                q[used], keys[used, :, :length], values[used, :, :length], mask
            )
            x = layer.finish(x, attended)
        last = self.norm(x)
        states = slots.states[these]
        new = last.float()
        change = (new - states[rows, n_states - 1]).abs().sum(-1)
        states[rows, n_states] = new
        logits = self.head(last)
        return Stepped(sample(logits[used], seen[used], draws[used], self.sampling), change[used])


def attend_one(
    q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """One query a head, against a sequence's cache. The heads that share keys are taken for so
    many queries of one head: (width, heads, head_dim) to (width, heads * head_dim)."""
    width, n_heads, head_dim = q.shape
    n_kv = keys.shape[1]
    grouped = q.view(width, n_kv, n_heads // n_kv, head_dim)
    attended = functional.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask)
    return attended.reshape(width, n_heads * head_dim)


class Qwen3Layer:
    """Attention and a gated feed-forward, each behind a norm and beside the residual."""

    def __init__(self, config: LmConfig, weights: Mapping[str, torch.Tensor], name: str) -> None:
        self._n_heads, self._n_kv = config.n_heads, config.n_kv_heads
        self._head_dim, self._eps = config.head_dim, config.norm_eps
        attention, mlp = f"{name}.self_attn", f"{name}.mlp"
        self.before = _RmsNorm(weights[f"{name}.input_layernorm.weight"], config.norm_eps)
        self.qkv = linear(weights, *(f"{attention}.{part}_proj" for part in "qkv"))
        self.out = linear(weights, f"{attention}.o_proj")
        self.between = _RmsNorm(weights[f"{name}.post_attention_layernorm.weight"], config.norm_eps)
        self.gate_up = linear(weights, f"{mlp}.gate_proj", f"{mlp}.up_proj")
        self.down = linear(weights, f"{mlp}.down_proj")
        q_norm = weights[f"{attention}.q_norm.weight"].expand(self._n_heads, -1)
        k_norm = weights[f"{attention}.k_norm.weight"].expand(self._n_kv, -1)
        self.head_norm = torch.cat([q_norm, k_norm])  # (heads, head_dim)

    def project(
        self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values: (rows, hidden) to (rows, heads, head_dim)."""
        heads = self.qkv(self.before(x)).view(len(x), -1, self._head_dim)
        n_rotated = self._n_heads + self._n_kv
        qk, v = heads[..., :n_rotated, :], heads[..., n_rotated:, :]
        qk = functional.rms_norm(qk, qk.shape[-1:], eps=self._eps) * self.head_norm
        qk = torch.addcmul(qk * cos, qk.roll(self._head_dim // 2, -1), sin)
        return qk[..., : self._n_heads, :], qk[..., self._n_heads :, :], v

    def finish(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The residual with attention's output and the feed-forward added."""
        x = x + self.out(attended)
        gate, up = self.gate_up(self.between(x)).chunk(2, dim=-1)
        return x + self.down(functional.silu(gate) * up)


def _enter(
    layer: Qwen3Layer, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries, and keys and values side by side: (rows, heads, head_dim) and (rows, 2, key heads,
    head_dim)."""
    q, k, v = layer.project(x, cos, sin)
    return q, torch.stack((k, v), 1)


def _cross(
    pair: tuple[Qwen3Layer, Qwen3Layer],
    x: torch.Tensor,
    attended: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """From one layer's attention to the next one's, which is as much as can be compiled as one:
    compiled whole, a step would copy its cache."""
    x = pair[0].finish(x, attended)
    return x, *_enter(pair[1], x, cos, sin)


class _RmsNorm:
    """Root mean square norm over the features."""

    def __init__(self, weight: torch.Tensor, eps: float) -> None:
        self.weight = weight
        self._eps = eps

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, x.shape[-1:], self.weight, self._eps)


def _rotations(config: LmConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """RoPE's cosines and sines, (positions, head_dim) each. The first half of the sines is
    negative, so that a head turns by ``x * cos + x.roll(half) * sin``."""
    half = config.head_dim // 2
    frequencies = config.rope_theta ** -(torch.arange(half, dtype=torch.float32) / half)
    angles = torch.arange(config.max_positions, dtype=torch.float32)[:, None] * frequencies
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)
