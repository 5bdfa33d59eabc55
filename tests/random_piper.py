"""Piper voices with random values: VITS' graph as piper exports it, and nobody's voice.

    python -m tests.random_piper models/piper

writes one of full size. The parts are those that RVC took over from VITS; what it left out, the
duration predictors, is built here of the same parts (piper's ``vits/models.py``). What they
initialise so that nothing would be heard or tested is set, as in `tests.random_rvc`.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch
from torch import nn
from torch.nn.utils import remove_weight_norm

from stages.tts.piper.config import read_config
from stages.tts.piper.voice_file import PiperVoiceFile
from tests.rvc_upstream import upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

PHONEMES = (
    "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽ"
    'ɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢʲˈˌːˑ˞βθχᵻⱱ0123456789\u0327\u0303\u032a\u032f\u0329ʰˤε↓#"'
)
"""Piper's, in the order of their ids."""

LOG_FRAMES = math.log(2.5)
"""The duration of an id, in frames: a phoneme has one and its pad another."""
LOG_DEVIATION = -1.0
LOUDNESS = 0.25


@dataclass(frozen=True)
class Size:
    """What varies between voices; the rest is the same in all of them."""

    channels: int = 192
    filter_channels: int = 768
    n_layers: int = 6
    first_channels: int = 256
    rates: tuple[int, ...] = (8, 8, 4)
    kernels: tuple[int, ...] = (16, 16, 8)
    block: str = "2"
    dilations: tuple[tuple[int, ...], ...] = ((1, 2), (2, 6), (3, 12))
    block_kernels: tuple[int, ...] = (3, 5, 7)
    speaker_channels: int = 512
    is_stochastic: bool = True
    """Its durations are drawn."""
    duration_flows: int = 4


FULL = Size()
"""``medium``: 15 million parameters."""
TINY = Size(
    channels=16, filter_channels=32, n_layers=1, first_channels=32, speaker_channels=8,
    duration_flows=2,
)  # fmt: skip
"""For tests."""
TINY_HIGH = replace(
    TINY,
    rates=(8, 8, 2, 2), kernels=(16, 16, 4, 4), block="1",
    dilations=((1, 3, 5),) * 3, block_kernels=(3, 7, 11),
)  # fmt: skip
"""``high``, whose decoder looks further around."""


def build(
    folder: Path,
    name: str = "en_US-random-medium",
    size: Size = TINY,
    *,
    sample_rate: int = 22_050,
    speakers: Sequence[str] = (),
    seed: int = 0,
) -> PiperVoiceFile:
    """Write a voice's network and config into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    config = {
        "audio": {"sample_rate": sample_rate, "quality": "medium"},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_map": {},
        "phoneme_id_map": {phoneme: [number] for number, phoneme in enumerate(PHONEMES)},
        "num_symbols": 256,
        "num_speakers": max(1, len(speakers)),
        "speaker_id_map": {speaker: number for number, speaker in enumerate(speakers)},
        "language": {
            "code": "en_US", "name_english": "English", "country_english": "United States",
        },
        "dataset": "random",
    }  # fmt: skip
    Path(f"{path}.json").write_text(json.dumps(config), "utf-8")
    with torch.random.fork_rng(devices=[]), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that piper uses, which is deprecated
        torch.manual_seed(seed)
        network = _Vits(size, len(speakers)).eval()
        network.make_audible()
        export(network, path)
    return PiperVoiceFile(name, path, read_config(Path(f"{path}.json")))


def export(network: nn.Module, path: Path) -> None:
    """As piper's ``export_onnx.py`` does."""
    ids = torch.randint(0, 256, (1, 50))
    speaker = torch.tensor([0]) if hasattr(network, "emb_g") else None
    torch.onnx.export(
        network,
        (ids, torch.tensor([50]), torch.tensor([0.667, 1.0, 0.8]), speaker),
        str(path),
        opset_version=15,
        dynamo=False,
        input_names=["input", "input_lengths", "scales", "sid"],
        output_names=["output"],
        dynamic_axes={
            "input": {0: "batch_size", 1: "phonemes"},
            "input_lengths": {0: "batch_size"},
            "output": {0: "batch_size", 1: "time"},
        },
    )


def rename_tensors(path: Path) -> None:
    """Name all that is inside as another exporter would."""
    model = onnx.load(path)
    kept = {each.name for each in [*model.graph.input, *model.graph.output]}
    names: dict[str, str] = {name: name for name in kept | {""}}
    for weight in model.graph.initializer:
        weight.name = names.setdefault(weight.name, f"v{len(names)}")
    for node in model.graph.node:
        node.name = ""
        node.input[:] = [names.setdefault(name, f"v{len(names)}") for name in node.input]
        node.output[:] = [names.setdefault(name, f"v{len(names)}") for name in node.output]
    del model.graph.value_info[:]
    onnx.save(model, path)


class _Vits(nn.Module):
    """`SynthesizerTrn.infer`."""

    def __init__(self, size: Size, n_speakers: int) -> None:
        super().__init__()
        models, attentions = (
            upstream("lib.infer_pack.models"),
            upstream("lib.infer_pack.attentions"),
        )
        self._commons = upstream("lib.infer_pack.commons")
        self.channels = size.channels
        of_speaker = size.speaker_channels if n_speakers > 1 else 0
        self.emb = nn.Embedding(256, size.channels)
        self.encoder: Any = attentions.Encoder(
            size.channels, size.filter_channels, 2, size.n_layers, 3, 0.0, window_size=4
        )
        self.proj: Any = nn.Conv1d(size.channels, 2 * size.channels, 1)
        self.dp: Any = (
            _StochasticDurations(size.channels, of_speaker, size.duration_flows)
            if size.is_stochastic
            else _Durations(size.channels, of_speaker)
        )
        self.flow: Any = models.ResidualCouplingBlock(
            size.channels, size.channels, 5, 1, 4, gin_channels=of_speaker
        )
        self.dec: Any = models.Generator(
            size.channels, size.block, size.block_kernels, size.dilations, size.rates,
            size.first_channels, size.kernels, gin_channels=of_speaker,
        )  # fmt: skip
        if n_speakers > 1:
            self.emb_g = nn.Embedding(n_speakers, of_speaker)

    def make_audible(self) -> None:
        self.emb.weight.normal_(0.0, self.channels**-0.5)
        self.proj.bias[self.channels :] = LOG_DEVIATION
        for flow in self.flow.flows[::2]:
            flow.post.weight.normal_(std=1 / math.sqrt(self.channels))
            flow.post.bias.normal_(std=0.1)
        for up in self.dec.ups:
            remove_weight_norm(up)
            n_in, _, kernel = up.weight.shape
            up.weight.normal_(std=math.sqrt(2 * up.stride[0] / (n_in * kernel)))
            up.bias.zero_()
        for block in self.dec.resblocks:
            block.remove_weight_norm()
        _, n_last, kernel = self.dec.conv_post.weight.shape
        self.dec.conv_post.weight.normal_(std=LOUDNESS / math.sqrt(n_last * kernel))
        if hasattr(self.dp, "flows"):
            for flow in self.dp.flows[1::2]:
                flow.proj.weight.normal_(std=1 / math.sqrt(self.channels))

    def forward(
        self,
        ids: torch.Tensor,
        lengths: torch.Tensor,
        scales: torch.Tensor,
        sid: torch.Tensor | None = None,
    ) -> torch.Tensor:
        noise_scale, length_scale, duration_noise = scales[0], scales[1], scales[2]
        x = (self.emb(ids) * math.sqrt(self.channels)).transpose(1, -1)
        x_mask = self._mask(lengths, x.size(2)).type_as(x)
        x = self.encoder(x * x_mask, x_mask)
        m_p, logs_p = torch.split(self.proj(x) * x_mask, self.channels, dim=1)
        g = None if sid is None else self.emb_g(sid).unsqueeze(-1)
        logw = self.dp(x, x_mask, g, duration_noise)
        w_ceil = torch.ceil(torch.exp(logw) * x_mask * length_scale)
        y_lengths = torch.clamp_min(torch.sum(w_ceil, [1, 2]), 1).long()
        y_mask = self._mask(y_lengths, y_lengths.max()).type_as(x_mask)
        attn_mask = torch.unsqueeze(x_mask, 2) * torch.unsqueeze(y_mask, -1)
        attn = self._commons.generate_path(w_ceil, attn_mask)
        m_p = torch.matmul(attn.squeeze(1), m_p.transpose(1, 2)).transpose(1, 2)
        logs_p = torch.matmul(attn.squeeze(1), logs_p.transpose(1, 2)).transpose(1, 2)
        z_p = m_p + torch.randn_like(m_p) * torch.exp(logs_p) * noise_scale
        z = self.flow(z_p, y_mask, g=g, reverse=True)
        sound: torch.Tensor = self.dec(z * y_mask, g=g).unsqueeze(1)
        return sound

    def _mask(self, lengths: torch.Tensor, most: torch.Tensor | int) -> torch.Tensor:
        mask: torch.Tensor = self._commons.sequence_mask(lengths, most)
        return mask.unsqueeze(1)


class _Durations(nn.Module):
    """`DurationPredictor`."""

    def __init__(self, channels: int, of_speaker: int) -> None:
        super().__init__()
        layer_norm = upstream("lib.infer_pack.modules").LayerNorm
        self.conv_1 = nn.Conv1d(channels, channels, 3, padding=1)
        self.norm_1 = layer_norm(channels)
        self.conv_2 = nn.Conv1d(channels, channels, 3, padding=1)
        self.norm_2 = layer_norm(channels)
        proj: Any = nn.Conv1d(channels, 1, 1)
        proj.bias.fill_(LOG_FRAMES)
        self.proj = proj
        if of_speaker:
            self.cond = nn.Conv1d(of_speaker, channels, 1)

    def forward(
        self, x: torch.Tensor, x_mask: torch.Tensor, g: torch.Tensor | None, _: torch.Tensor
    ) -> torch.Tensor:
        if g is not None:
            x = x + self.cond(g)
        x = self.norm_1(torch.relu(self.conv_1(x * x_mask)))
        x = self.norm_2(torch.relu(self.conv_2(x * x_mask)))
        made: torch.Tensor = self.proj(x * x_mask) * x_mask
        return made


class _StochasticDurations(nn.Module):
    """`StochasticDurationPredictor`, in reverse."""

    def __init__(self, channels: int, of_speaker: int, n_flows: int) -> None:
        super().__init__()
        modules = upstream("lib.infer_pack.modules")
        first = modules.ElementwiseAffine(2)
        first.m[0], first.logs[0] = -LOG_FRAMES, 0.5
        self.flows: Any = nn.ModuleList([first])
        for _ in range(n_flows):
            self.flows.append(modules.ConvFlow(2, channels, 3, n_layers=3))
            self.flows.append(modules.Flip())
        self.pre = nn.Conv1d(channels, channels, 1)
        self.proj = nn.Conv1d(channels, channels, 1)
        self.convs: Any = modules.DDSConv(channels, 3, n_layers=3)
        if of_speaker:
            self.cond = nn.Conv1d(of_speaker, channels, 1)

    def forward(
        self,
        x: torch.Tensor,
        x_mask: torch.Tensor,
        g: torch.Tensor | None,
        noise_scale: torch.Tensor,
    ) -> torch.Tensor:
        x = self.pre(x)
        if g is not None:
            x = x + self.cond(g)
        x = self.proj(self.convs(x, x_mask)) * x_mask
        backwards = list(self.flows)[::-1]
        z = torch.randn(x.size(0), 2, x.size(2)).type_as(x) * noise_scale
        for flow in [*backwards[:-2], backwards[-1]]:  # without a useless one
            z = flow(z, x_mask, g=x, reverse=True)
        return z[:, :1]


if __name__ == "__main__":
    build(Path(sys.argv[1]), size=FULL)
