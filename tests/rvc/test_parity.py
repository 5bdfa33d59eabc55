"""Converting a whole recording gives what rvc-python's own `Pipeline.pipeline` gives, from the same
weights, noise and pitch.

Upstream rounds what it returns towards zero to 16 bits, a step of 3.05e-5. Beyond that, 6e-6 was
measured, of sound 0.3 to 0.9 high, and 3e-7 without pitch. The rest is the source's phase: upstream
adds it up from steps that are rounded to float32, which after the 3 s that 1 s becomes with its
mirrored ends are off by some 1e-5 of a turn. Recordings are short for that."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from stages.conversion_settings import ConversionSettings
from stages.rvc.voices.index import read_index
from tests.random_rvc import FULL, ROWS, build_index
from tests.rvc import offline
from tests.rvc.conversions import (
    Kind,
    content_encoder,
    content_model,
    hubert_of,
    synthesizer,
    upstream_network,
    voice_file,
)
from tests.rvc.voices import words
from tests.rvc_upstream import upstream

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.network.content_file import ContentModel
    from tests.random_rvc import Rate, Version

STEP = 1 / 32768
TOLERANCE = 1e-5
"""Beyond upstream's rounding."""

N_SAMPLES = 4_880
"""0.3 s and a bit: upstream loses the last 10 ms of it."""


V2 = Kind("v2", "48k")
V1 = Kind("v1", "40k")
"""Cheap, and enough for what does not depend on the kind of voice."""


class Hubert:
    """fairseq's interface to the same content model."""

    def __init__(self, read: ContentModel) -> None:
        self._model = hubert_of(read)
        self._weights = read.weights

    def extract_features(
        self, source: torch.Tensor, padding_mask: torch.Tensor, output_layer: int
    ) -> tuple[torch.Tensor]:
        assert not padding_mask.any()
        layers = self._model(source, output_hidden_states=True).hidden_states
        return (layers[min(output_layer, len(layers) - 1)],)

    def final_proj(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(
            x, self._weights["final_proj.weight"], self._weights["final_proj.bias"]
        )


def given_for(kind: Kind, n_samples: int, seed: int = 0) -> offline.Given:
    """Noise, and a pitch that wanders, jumps and pauses."""
    random = torch.Generator().manual_seed(seed)
    n_frames = n_samples // 160 + 2 * offline.PAD
    config = voice_file(kind).config
    places = np.arange(n_frames)
    f0 = 190 * 2 ** (0.6 * np.sin(places / 9) + 0.8 * (places // 40 % 2))
    f0[places // 13 % 3 == 1] = 0
    return offline.Given(
        latent_noise=torch.randn(1, n_frames, config.inter_channels, generator=random),
        source_noise=torch.randn(1, n_frames, config.hop, generator=random),
        f0_hz=f0.astype(np.float32) if kind.has_pitch else None,
    )


@torch.inference_mode()
def upstreams(
    kind: Kind,
    settings: ConversionSettings,
    monkeypatch: pytest.MonkeyPatch,
    *,
    index: Path | None,
    semitones: float,
    n_samples: int,
) -> Samples:
    """What `Pipeline.pipeline` makes of it."""
    given, speech = given_for(kind, n_samples), words(n_samples)
    rate_hz = voice_file(kind).config.sample_rate

    def noise_like(values: torch.Tensor) -> torch.Tensor:
        is_latents = values.shape[1] == kind.size.inter_channels
        n = values.shape[2] if is_latents else values.shape[1]
        noise = given.latent_noise.transpose(1, 2) if is_latents else given.source_noise.flatten(1)
        return noise[..., :n].reshape(values.shape)

    def pitch_of(samples: NDArray[np.float64], thred: float) -> NDArray[np.float32]:
        assert given.f0_hz is not None
        assert (len(samples), thred) == (len(speech) + 32_000, 0.03)
        return given.f0_hz.copy()

    monkeypatch.setattr(torch, "randn_like", noise_like)
    config = SimpleNamespace(
        x_pad=1, x_query=6, x_center=38, x_max=41, is_half=False, device=torch.device("cpu")
    )
    pipeline: Any = upstream("modules.vc.pipeline").Pipeline(rate_hz, config, "")
    pipeline.model_rmvpe = SimpleNamespace(infer_from_audio=pitch_of)
    hubert, network = Hubert(content_model(kind.hubert)), upstream_network(kind)
    made: NDArray[np.int16] = pipeline.pipeline(
        hubert, network, settings.speaker, speech, "", [0, 0, 0],
        semitones, "rmvpe", str(index or ""), settings.index_rate, int(kind.has_pitch), 3,
        rate_hz, 0, settings.rms_mix_rate, kind.version, settings.protect,
    )  # fmt: skip
    return (made * STEP).astype(np.float32)


@torch.inference_mode()
def offline_of(
    kind: Kind,
    settings: ConversionSettings,
    *,
    index: Path | None = None,
    semitones: float = 0.0,
    n_samples: int = N_SAMPLES,
    loses_end: bool = True,
) -> Samples:
    """What our parts make of it."""
    given = given_for(kind, n_samples)
    if given.f0_hz is not None:
        given = replace(given, f0_hz=(given.f0_hz * 2 ** (semitones / 12)).astype(np.float32))
    voice = synthesizer(kind)
    return offline.convert(
        content_encoder(kind.hubert),
        voice,
        words(n_samples),
        given,
        settings,
        index=None if index is None else read_index(index, voice.config.content_width),
        loses_end=loses_end,
    )


def assert_equal_to_upstream(
    kind: Kind,
    settings: ConversionSettings,
    monkeypatch: pytest.MonkeyPatch,
    *,
    index: Path | None = None,
    semitones: float = 0.0,
    n_samples: int = N_SAMPLES,
) -> Samples:
    """Returns the sound, so that a test can see that a setting did something."""
    ours = offline_of(kind, settings, index=index, semitones=semitones, n_samples=n_samples)
    theirs = upstreams(
        kind, settings, monkeypatch, index=index, semitones=semitones, n_samples=n_samples
    )
    # Else upstream would have made all of it quieter.
    assert 0.1 < np.abs(theirs).max() < 0.98
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=STEP + TOLERANCE)
    return ours


@pytest.mark.parametrize("has_pitch", [True, False])
@pytest.mark.parametrize(("version", "rate"), ROWS)
def test_every_kind_of_voice_converts_as_upstream_does(
    version: Version, rate: Rate, has_pitch: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_equal_to_upstream(Kind(version, rate, has_pitch), ConversionSettings(), monkeypatch)


def test_a_voice_of_full_size_converts_as_upstream_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_equal_to_upstream(
        Kind("v2", "48k", size=FULL), ConversionSettings(), monkeypatch, n_samples=1_600
    )


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of v1."""
    return build_index(tmp_path_factory.mktemp("index") / "added.index", 256, n_vectors=400)


@pytest.mark.parametrize(
    ("index_rate", "protect"),
    [(0.0, 0.33), (0.5, 0.0), (0.5, 0.33), (0.5, 0.5), (1.0, 0.0), (1.0, 0.33), (1.0, 0.5)],
)
def test_an_index_draws_as_upstreams_does(
    index_rate: float, protect: float, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ConversionSettings(index_rate=index_rate, protect=protect)
    drawn = assert_equal_to_upstream(V1, settings, monkeypatch, index=index)
    plain = offline_of(V1, ConversionSettings())
    assert (index_rate == 0) == np.array_equal(drawn, plain)


def test_protecting_is_for_voices_with_pitch(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind("v1", "40k", has_pitch=False)
    settings = ConversionSettings(index_rate=1.0, protect=0.0)
    assert_equal_to_upstream(kind, settings, monkeypatch, index=index)


def test_an_index_for_v2_draws_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = build_index(tmp_path / "added.index", 768, n_vectors=400)
    assert_equal_to_upstream(V2, ConversionSettings(), monkeypatch, index=index)


@pytest.mark.parametrize("rms_mix_rate", [0.0, 0.25, 0.9])
def test_loudness_is_matched_as_upstream_does(
    rms_mix_rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ConversionSettings(rms_mix_rate=rms_mix_rate)
    matched = assert_equal_to_upstream(V1, settings, monkeypatch, n_samples=20_000)
    plain = offline_of(V1, ConversionSettings(), n_samples=20_000)
    assert not np.allclose(matched, plain, atol=0.01)


@pytest.mark.parametrize("speaker", [0, 2])
def test_each_speaker_has_their_own_voice(speaker: int, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = assert_equal_to_upstream(V1, ConversionSettings(speaker=speaker), monkeypatch)
    assert not np.allclose(theirs, offline_of(V1, ConversionSettings(speaker=1)), atol=0.01)


@pytest.mark.parametrize("semitones", [-12.0, 3.5, 12.0])
def test_pitch_is_shifted_as_upstream_does(
    semitones: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_equal_to_upstream(V1, ConversionSettings(), monkeypatch, semitones=semitones)


@pytest.mark.parametrize("n_samples", [4_800, 4_960, 5_119])
def test_any_length_converts_as_upstream_does(
    n_samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upstream loses 20, 10 and 0 ms of these."""
    made = assert_equal_to_upstream(V1, ConversionSettings(), monkeypatch, n_samples=n_samples)
    whole = offline_of(V1, ConversionSettings(), n_samples=n_samples, loses_end=False)
    assert len(whole) == n_samples // 160 * 400
    assert 0 <= len(whole) - len(made) <= 2 * 400
