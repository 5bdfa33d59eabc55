"""RVC voices and their indexes with random values: architecture, formats and names of files as
people have them, and nobody's voice.

    python -m tests.random_rvc voices

writes a voice of full size (v2, 48 kHz, with pitch) and its index. The networks are upstream's own
classes. What they initialise so that nothing would be heard or tested is set here:

- the last layer of each flow, which is zero and would make the flow the identity;
- the decoder's upsampling and last layer, so that what comes out is as loud as speech;
- the way of the pitch into the decoder, so that it is heard;
- how far the encoder lets the noise vary, and pitch embeddings no louder than content.
"""

from __future__ import annotations

import importlib
import json
import math
import struct
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file

from tests.rvc_upstream import synthesizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Version = Literal["v1", "v2"]
Rate = Literal["32k", "40k", "48k"]

ROWS: Mapping[tuple[Version, Rate], tuple[int, list[int], list[int]]] = {
    ("v1", "32k"): (513, [10, 4, 2, 2, 2], [16, 16, 4, 4, 4]),
    ("v1", "40k"): (1025, [10, 10, 2, 2], [16, 16, 4, 4]),
    ("v1", "48k"): (1025, [10, 6, 2, 2, 2], [16, 16, 4, 4, 4]),
    ("v2", "32k"): (513, [10, 8, 2, 2], [20, 16, 4, 4]),
    ("v2", "40k"): (1025, [10, 10, 2, 2], [16, 16, 4, 4]),
    ("v2", "48k"): (1025, [12, 10, 2, 2], [24, 20, 4, 4]),
}
"""Spectrum, upsampling rates and kernels of each kind of voice (upstream's configs)."""

LOUDNESS = 0.25
"""Of the last layer's weights: what comes out is then between -14 and -25 dBFS."""
PITCH_LEVEL = 6.0
"""By which the sine of the pitch is raised, which is 0.1 high."""
LOG_DEVIATION = -1.0
"""Mean of the encoder's log standard deviations: the noise is there, and does not drown all."""


@dataclass(frozen=True)
class Size:
    """How large a voice is; what is not here does not vary."""

    inter_channels: int = 192
    hidden_channels: int = 192
    filter_channels: int = 768
    n_layers: int = 6
    upsample_initial_channel: int = 512
    n_speakers: int = 109
    gin_channels: int = 256


FULL = Size()
"""The only size that people have: 27 million parameters."""
TINY = Size(
    inter_channels=16, hidden_channels=16, filter_channels=32, n_layers=2,
    upsample_initial_channel=64, n_speakers=3, gin_channels=8,
)  # fmt: skip
"""For tests."""


def build_voice(
    path: Path,
    version: Version = "v2",
    rate: Rate = "48k",
    *,
    has_pitch: bool = True,
    size: Size = FULL,
    seed: int = 0,
    fp16: bool = True,
) -> Path:
    """Write a voice file as RVC's training does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(voice(version, rate, has_pitch=has_pitch, size=size, seed=seed, fp16=fp16), path)
    return path


def voice(
    version: Version = "v2",
    rate: Rate = "48k",
    *,
    has_pitch: bool = True,
    size: Size = FULL,
    seed: int = 0,
    fp16: bool = True,
) -> dict[str, Any]:
    """What is in a voice file."""
    config = config_of(version, rate, size)
    weights = {
        name: weight.half() if fp16 else weight
        for name, weight in _weights(version, config, has_pitch=has_pitch, seed=seed).items()
        if not name.startswith("enc_q.")
    }
    return {
        "weight": weights,
        "config": config,
        "info": "random",
        "sr": rate,
        "f0": int(has_pitch),
        "version": version,
    }


def checkpoint(
    version: Version = "v2",
    rate: Rate = "48k",
    *,
    has_pitch: bool = True,
    size: Size = FULL,
    seed: int = 0,
) -> dict[str, Any]:
    """What is in the file ``G_2333333.pth`` of a training, with the same weights in float32."""
    weights = _weights(version, config_of(version, rate, size), has_pitch=has_pitch, seed=seed)
    moments = {
        number: {"step": torch.tensor(7.0), "exp_avg": weight * 0, "exp_avg_sq": weight * 0}
        for number, weight in enumerate(weights.values())
    }
    group = {"lr": 1e-4, "betas": (0.8, 0.99), "eps": 1e-9, "params": [*moments]}
    return {
        "model": weights,
        "iteration": 300,
        "optimizer": {"state": moments, "param_groups": [group]},
        "learning_rate": 1e-4,
    }


def build_safetensors(path: Path, saved: Mapping[str, Any], *, has_metadata: bool = True) -> Path:
    """Write what is in a voice file as w-okada's voice changer does: its config in JSON, what else
    stands beside the weights as text."""
    others = {key: value for key, value in saved.items() if key != "weight"}
    metadata = {
        key: json.dumps(value) if isinstance(value, list) else str(value)
        for key, value in others.items()
    }
    weights = {name: weight.contiguous() for name, weight in saved["weight"].items()}
    save_file(weights, path, {"format": "pt", **(metadata if has_metadata else {})})
    return path


def _weights(
    version: Version, config: list[Any], *, has_pitch: bool, seed: int
) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = synthesizer(version, config, has_pitch=has_pitch)
        _make_audible(network, has_pitch=has_pitch)
        return dict(network.state_dict())


def config_of(version: Version, rate: Rate, size: Size = FULL) -> list[Any]:
    """The arguments of upstream's synthesizer."""
    n_bins, rates, kernels = ROWS[version, rate]
    return [
        n_bins, 32, size.inter_channels, size.hidden_channels, size.filter_channels, 2,
        size.n_layers, 3, 0, "1", [3, 7, 11], [[1, 3, 5]] * 3, list(rates),
        size.upsample_initial_channel, list(kernels), size.n_speakers, size.gin_channels,
        int(rate[:-1]) * 1000,
    ]  # fmt: skip


def build_index(path: Path, width: int = 768, n_vectors: int = 2000, seed: int = 0) -> Path:
    """Write an index as RVC's training does, with the vectors in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    faiss = import_faiss()
    vectors = features(n_vectors, width, seed)
    index = faiss.index_factory(width, f"IVF{n_lists(n_vectors)},Flat")
    index.nprobe = 1
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(index, str(path))
    return path


def build_quick_index(path: Path, width: int = 768, n_vectors: int = 2000, seed: int = 0) -> Path:
    """The same file without faiss, and without its search for the best centroids: some of the
    vectors are taken for them."""
    vectors = features(n_vectors, width, seed)
    centroids = vectors[: n_lists(n_vectors)]
    distances = np.square(centroids).sum(axis=1) - 2 * vectors @ centroids.T
    nearest = distances.argmin(axis=1)

    def header(count: int) -> bytes:
        return struct.pack("<iqqqBi", width, count, 1 << 20, 1 << 20, True, 1)  # 1: L2

    parts = [
        *(b"IwFl", header(n_vectors), struct.pack("<QQ", len(centroids), 1)),
        *(b"IxF2", header(len(centroids)), struct.pack("<Q", centroids.size), centroids.tobytes()),
        struct.pack("<BQ", 0, 0),  # no map
        *(b"ilar", struct.pack("<QQ", len(centroids), 4 * width)),
        *(b"full", struct.pack("<Q", len(centroids))),
        np.bincount(nearest, minlength=len(centroids)).astype("<u8").tobytes(),
    ]
    for number in range(len(centroids)):
        (members,) = (nearest == number).nonzero()
        parts += [vectors[members].tobytes(), members.astype("<i8").tobytes()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(parts))
    return path


def build_trained_index(path: Path, width: int = 768, n_vectors: int = 2000, seed: int = 0) -> Path:
    """Write what RVC's training leaves beside it: an index in which nothing is yet."""
    build_index(path, width, n_vectors, seed)
    faiss = import_faiss()
    index = faiss.read_index(str(path))
    index.reset()
    faiss.write_index(index, str(path))
    return path


def n_lists(n_vectors: int) -> int:
    """How many lists RVC's training makes of so many vectors."""
    return max(1, min(int(16 * math.sqrt(n_vectors)), n_vectors // 39))


def features(count: int, width: int, seed: int) -> NDArray[np.float32]:
    """(count, width): in clusters, as sounds are, and about as large as content features."""
    random = np.random.default_rng(seed)
    sounds = np.random.default_rng(width).standard_normal((40, width)) * 0.3
    spread = random.standard_normal((count, width)) * 0.1
    return (sounds[random.integers(0, len(sounds), count)] + spread).astype(np.float32)


def import_faiss() -> Any:  # noqa: ANN401 - without types
    """faiss, with which people's indexes are made; its SWIG wrapper warns when first imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("faiss")


def _make_audible(network: Any, *, has_pitch: bool) -> None:  # noqa: ANN401 - upstream has no types
    encoder, decoder = network.enc_p, network.dec
    encoder.proj.bias[network.inter_channels :] = LOG_DEVIATION
    for flow in network.flow.flows[::2]:
        flow.post.weight.normal_(std=1 / math.sqrt(network.hidden_channels))
        flow.post.bias.normal_(std=0.1)
    for up in decoder.ups:
        n_in, _, kernel = up.weight_v.shape
        # Each sample is made of kernel / stride weights of each channel, half of them silent.
        spread = math.sqrt(2 * up.stride[0] / (n_in * kernel))
        up.weight_v.normal_(std=spread)
        up.weight_g.copy_(up.weight_v.norm(dim=(1, 2), keepdim=True))
        up.bias.zero_()
    _, n_last, kernel = decoder.conv_post.weight.shape
    decoder.conv_post.weight.normal_(std=LOUDNESS / math.sqrt(n_last * kernel))
    if not has_pitch:
        return
    encoder.emb_pitch.weight.normal_(std=0.2)
    decoder.m_source.l_linear.weight.fill_(PITCH_LEVEL)
    decoder.m_source.l_linear.bias.zero_()
    for conv in decoder.noise_convs:
        conv.weight.normal_(std=1 / math.sqrt(conv.kernel_size[0]))
        conv.bias.zero_()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    build_voice(folder / "random.pth")
    build_index(folder / "random.index", n_vectors=20_000)
