"""Content features: what is said and how, but not by whom. HuBERT makes one every 20 ms.

    speech at 16 kHz ─ 7 convolutions ▶ (512, n) ─ projection ▶ 12 layers ▶ (n, 768 or 256)

The convolutions look at 400 samples every 320 and at nothing else, so a stream computes them once
for each frame. The layers look at everything there is, so they are computed anew for each window.

One thing is not local: the first convolution's result is normalised over time, by the mean and the
variance of the whole recording. A stream knows only its past. It normalises by all of that (from
the segment's start, not only from the window's), which is nearer to the whole recording than a
window would be, and features that were computed stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from stages.neural import accelerator
from stages.neural.layers import LayerNorm, PostNormLayer, linear
from stages.neural.state import StreamState
from stages.rvc.network.convolution import FrameConv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.rvc.network.config import Version
    from stages.rvc.network.content_file import ContentModel

FEATURE_SAMPLES = 320
"""Samples from one feature to the next: 20 ms."""
FEATURE_REACH = 80
"""Samples that a feature sees behind its own 320."""
V1_LAYERS = 9
"""Layers that v1 voices take the features of; v2 voices take those of all twelve."""
NORM_EPS = 1e-5
AT_ONCE_ON_GPU = 4
"""Frames that `PositionConv` computes together on a GPU. What one frame sees is 128 times what it
is: copying that for each took 800 MB for 32 windows, a tenth of all that their features move, and
takes a quarter of it so; the table has 39 MB then, instead of 9."""


@dataclass(slots=True)
class ContentState(StreamState):
    """Sums for the normalisation of the first convolution's channels, over a stream's past."""

    count: torch.Tensor
    """(batch, 1) float64: of steps."""
    total: torch.Tensor
    """(batch, channels) float64."""
    squares: torch.Tensor
    """(batch, channels) float64."""


class ContentEncoder:
    """HuBERT base (ContentVec), for speech that comes piece by piece."""

    def __init__(self, read: ContentModel, dtype: torch.dtype, device: torch.device) -> None:
        accelerator.use(device)
        self.device = device
        self.dtype = dtype
        config = read.config
        exact = {name: weight.to(device) for name, weight in read.weights.items()}
        weights = {name: weight.to(dtype) for name, weight in exact.items()}

        # The first convolution and its norm stay in float32: they are small, and speech has a
        # wide range.
        first = "feature_extractor.conv_layers.0"
        self._first_stride = config.conv_stride[0]
        self._first = FrameConv(exact, f"{first}.conv", stride=self._first_stride, is_padded=False)
        self._norm_weight = exact[f"{first}.layer_norm.weight"]
        self._norm_bias = exact[f"{first}.layer_norm.bias"]
        self.n_channels = len(self._norm_weight)
        """Of the convolutions, and so of local features."""
        self._others = [
            FrameConv(
                weights,
                f"feature_extractor.conv_layers.{number}.conv",
                stride=config.conv_stride[number],
                is_padded=False,
                then="gelu",
            )
            for number in range(1, len(config.conv_stride))
        ]
        self._projection_norm = LayerNorm(weights, "feature_projection.layer_norm")
        self._projection = linear(weights, "feature_projection.projection")
        self._position = PositionConv(
            weights["encoder.pos_conv_embed.conv.weight"],
            weights["encoder.pos_conv_embed.conv.bias"],
            config.num_conv_pos_embedding_groups,
            n_at_once=1 if device.type == "cpu" else AT_ONCE_ON_GPU,
        )
        self._norm = LayerNorm(weights, "encoder.layer_norm")
        self._layers = [
            _layer(weights, f"encoder.layers.{number}", config.num_attention_heads)
            for number in range(config.num_hidden_layers)
        ]
        self._v1_projection = linear(weights, "final_proj")

    def start(self) -> ContentState:
        """The state of one stream that has not begun."""
        shape = 1, self.n_channels
        nothing = torch.zeros(shape, dtype=torch.float64, device=self.device)
        return ContentState(nothing[:, :1], nothing, nothing)

    def local(
        self, samples: torch.Tensor, state: ContentState, *, is_all: bool = False
    ) -> tuple[torch.Tensor, ContentState]:
        """The convolutions' features of speech, and the state behind it: (batch, n * 320 + 80)
        float32 to (batch, n, 512).

        `is_all`: nothing comes after these samples, which then need not be of that length."""
        made = self._first(samples[:, :, None])
        # The last samples come again in the next piece: they are counted then.
        n_new = (samples.shape[-1] - FEATURE_REACH) // self._first_stride
        n_counted = made.shape[1] if is_all else n_new
        counted = made[:, :n_counted].double()
        state = ContentState(
            state.count + n_counted,
            state.total + counted.sum(1),
            state.squares + counted.square().sum(1),
        )
        return self._convolved(made, state), state

    def local_from(
        self, samples: torch.Tensor, state: ContentState, n_new: torch.Tensor
    ) -> tuple[torch.Tensor, ContentState]:
        """As `local`, for rows of which some features were computed before: only the last of them,
        `n_new` (batch,) int64, count in the state. Their sums over each feature are in float32."""
        made = self._first(samples[:, :, None])
        steps = FEATURE_SAMPLES // self._first_stride
        n_features = (samples.shape[-1] - FEATURE_REACH) // FEATURE_SAMPLES
        # (batch, n, steps, channels).
        by_feature = made[:, : n_features * steps].unflatten(1, (n_features, steps))
        place = torch.arange(n_features, device=samples.device)
        is_new = (place >= n_features - n_new[:, None]).double()[:, :, None]
        state = ContentState(
            state.count + steps * n_new[:, None],
            state.total + (by_feature.sum(2) * is_new).sum(1),
            state.squares + (by_feature.square().sum(2) * is_new).sum(1),
        )
        return self._convolved(made, state), state

    def _convolved(self, made: torch.Tensor, state: ContentState) -> torch.Tensor:
        """The first convolution's result, normalised by the state, through all others."""
        mean = state.total / state.count
        variance = state.squares / state.count - mean.square()
        scale = self._norm_weight / torch.sqrt(variance + NORM_EPS)
        shift = self._norm_bias - mean * scale
        made = made * scale.float()[:, None] + shift.float()[:, None]
        made = functional.gelu(made).to(self.dtype)
        for convolve in self._others:
            made = convolve(made)
        return made

    def encode(
        self, local: torch.Tensor, version: Version, is_there: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The features for voices of this version: (batch, n, 512) to (batch, n, width).

        `is_there`: (batch, n) bool; what is not there is as if it lay outside. Each row needs one
        that is."""
        x = self._projection(self._projection_norm(local))
        mask = None
        if is_there is not None:
            x = x.masked_fill(~is_there[:, :, None], 0.0)  # as what lies outside is padded
            mask = is_there[:, None, None, :]
        attend = partial(functional.scaled_dot_product_attention, attn_mask=mask)
        x = self._norm(x + self._position(x))
        is_v1 = version == "v1"
        for layer in self._layers[: V1_LAYERS if is_v1 else None]:
            x = layer(x, attend)
        return self._v1_projection(x) if is_v1 else x


def _layer(weights: Mapping[str, torch.Tensor], name: str, n_heads: int) -> PostNormLayer:
    feed_forward = f"{name}.feed_forward"
    return PostNormLayer(
        n_heads,
        qkv=linear(weights, *(f"{name}.attention.{part}_proj" for part in "qkv")),
        out=linear(weights, f"{name}.attention.out_proj"),
        norm=LayerNorm(weights, f"{name}.layer_norm"),
        widen=linear(weights, f"{feed_forward}.intermediate_dense", then="gelu"),
        narrow=linear(weights, f"{feed_forward}.output_dense"),
        last_norm=LayerNorm(weights, f"{name}.final_layer_norm"),
    )


class PositionConv:
    """The position of a frame: a convolution over 128 frames, in 16 groups of channels.

    It is computed as one product for each group, of some frames at a time. oneDNN has a fast kernel
    for the convolution only from about 100 frames on; with fewer it takes 150 ms instead of 2."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, n_groups: int, *, n_at_once: int = 1
    ) -> None:
        """`weight` is (hidden, hidden / groups, kernel), its weight norm folded. `n_at_once`:
        frames that share a copy of what they see, almost the same; the table grows with them."""
        self._kernel = weight.shape[2]
        self._n_groups = n_groups
        self._n_at_once = n_at_once
        by_group = weight.view(n_groups, -1, *weight.shape[1:])  # (groups, out, in, kernel)
        taken = by_group.permute(0, 3, 2, 1).flatten(1, 2)  # (groups, kernel * in, out)
        n_in = weight.shape[1]
        # Side by side for each frame, which sees one frame more at the end, and one less before.
        shifted = [
            functional.pad(taken, (0, 0, place * n_in, (n_at_once - 1 - place) * n_in))
            for place in range(n_at_once)
        ]
        self._weight = torch.cat(shifted, dim=2).contiguous()
        self._bias = bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, n, hidden) to the same. The kernel is even, so there is one frame too many at the
        end, which is left out."""
        batch, n, hidden = x.shape
        n_together, half = self._n_at_once, self._kernel // 2
        n_parts = -(-n // n_together)
        n_seen = self._kernel + n_together - 1
        padded = functional.pad(x, (0, 0, half, half + n_parts * n_together - n))
        # (batch, parts, hidden, n_seen), a view; then (groups, batch * parts, n_seen * in)
        seen = padded.unfold(1, n_seen, n_together)[:, :n_parts]
        seen = seen.reshape(batch, n_parts, self._n_groups, hidden // self._n_groups, n_seen)
        seen = seen.permute(2, 0, 1, 4, 3).reshape(self._n_groups, batch * n_parts, -1)
        made = torch.bmm(seen, self._weight)  # (groups, batch * parts, n_together * out)
        made = made.unflatten(2, (n_together, -1)).permute(1, 2, 0, 3)
        made = made.reshape(batch, n_parts * n_together, hidden)[:, :n] + self._bias
        return functional.gelu(made)
