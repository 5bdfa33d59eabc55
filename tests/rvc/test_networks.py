"""Each part of a voice by itself is upstream's, and a decoder's state is what is before a piece.

What is left is float32's rounding, of values of about 1."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from stages.rvc.network.content import FEATURE_REACH, ContentState, PositionConv
from stages.rvc.network.decoder_state import DecoderState
from tests.random_rvc import ROWS
from tests.random_rvc_features import HubertSize
from tests.rvc.conversions import (
    LEAST,
    Kind,
    content_encoder,
    content_model,
    hubert_of,
    synthesizer,
    upstream_network,
    voice_file,
)
from tests.rvc.voices import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.random_rvc import Rate, Version

N_FRAMES = 60
DEEP = HubertSize(conv_dim=16, hidden_size=128, intermediate_size=48, num_hidden_layers=11)
"""More layers than v1 voices take."""


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pitches(n: int) -> torch.Tensor:
    """(1, n) in Hz: they glide, jump, and pause."""
    places = torch.arange(n)
    f0 = 180 * 2 ** (0.5 * torch.sin(places / 7) + places // 25 % 2)
    return torch.where(places // 11 % 3 == 1, 0.0, f0)[None]


@pytest.mark.parametrize("kind", [Kind(), Kind("v2"), Kind(has_pitch=False)])
def test_prior_and_flow_are_upstreams(kind: Kind) -> None:
    ours, theirs = synthesizer(kind), upstream_network(kind)
    features = noise(1, N_FRAMES, ours.config.content_width)
    steps = torch.arange(N_FRAMES)[None] * 7 % 255 + 1 if kind.has_pitch else None
    mean, log_deviation, mask = theirs.enc_p(features, steps, torch.tensor([N_FRAMES]))
    made = ours.prior(features, steps)
    torch.testing.assert_close(made[0], mean.transpose(1, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(made[1], log_deviation.transpose(1, 2), rtol=0, atol=1e-5)
    embedding = theirs.emb_g(torch.tensor([2]))
    wanted = theirs.flow(mean, mask, g=embedding[:, :, None], reverse=True)
    latents = ours.flow(made[0], ours.speaker(2).flow)
    torch.testing.assert_close(latents, wanted.transpose(1, 2), rtol=0, atol=1e-5)
    assert latents.std() > 0.1


@pytest.mark.parametrize("rate", ["32k", "40k", "48k"])
def test_the_source_is_upstreams_but_for_its_phase_in_float32(
    rate: Rate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sine is 0.5 high, and 1e-5 of that is off after a second."""
    kind = Kind("v1", rate)
    ours, theirs = synthesizer(kind), upstream_network(kind)
    assert ours.excitation is not None
    f0, drawn = pitches(100), noise(1, 100, ours.config.hop)
    monkeypatch.setattr(torch, "randn_like", lambda like: drawn.reshape(like.shape))
    wanted, _, _ = theirs.dec.m_source(f0, ours.config.hop)
    start_of_turn = torch.zeros(1, 1, dtype=torch.float64)
    whole, phase = ours.excitation(f0, drawn, start_of_turn)
    torch.testing.assert_close(whole.flatten(), wanted.flatten(), rtol=0, atol=1e-4)
    assert whole.abs().max() > 0.4
    # With any cut, the same.
    first, behind = ours.excitation(f0[:, :37], drawn[:, :37], start_of_turn)
    second, end = ours.excitation(f0[:, 37:], drawn[:, 37:], behind)
    torch.testing.assert_close(torch.cat([first, second], -1), whole, rtol=0, atol=1e-6)
    off = (end - phase + 0.5) % 1 - 0.5  # in turns
    assert off.abs() < 1e-9


class GivenSource(torch.nn.Module):
    """Instead of upstream's own."""

    def __init__(self, source: torch.Tensor) -> None:
        super().__init__()
        self.source = source

    def forward(self, _f0: torch.Tensor, _hop: int) -> tuple[Any, None, None]:
        return self.source, None, None


@pytest.mark.parametrize("has_pitch", [True, False])
@pytest.mark.parametrize(("version", "rate"), ROWS)
def test_a_decoder_in_pieces_is_upstreams_in_one(
    version: Version, rate: Rate, has_pitch: bool
) -> None:
    kind = Kind(version, rate, has_pitch)
    ours, theirs = synthesizer(kind).decoder, upstream_network(kind).dec
    speaker, embedding = synthesizer(kind).speaker(1), voice_file(kind).weights["emb_g.weight"][1]
    latents = noise(1, LEAST.inter_channels, N_FRAMES)
    source = 0.5 * noise(1, N_FRAMES * ours.hop, 1, seed=1)
    if has_pitch:
        own, theirs.m_source = theirs.m_source, GivenSource(source)
        whole = theirs(latents, torch.zeros(1, N_FRAMES), g=embedding[None, :, None])
        theirs.m_source = own
    else:
        whole = theirs(latents, g=embedding[None, :, None])
        source = source[:, :0]
    wanted = whole[0, 0, ours.left_samples : N_FRAMES * ours.hop - ours.right_samples]
    assert wanted.abs().max() > 0.05
    least = ours.left_frames + ours.right_frames
    for cuts in ([], [least], [least, least + 1, least + 20]):
        state, pieces = ours.start(), []
        for start, stop in itertools.pairwise([0, *cuts, N_FRAMES]):
            excitation = source[:, start * ours.hop : stop * ours.hop].transpose(1, 2)[:, None]
            frames = latents[:, :, None, start:stop]
            piece, state = ours(frames, excitation, speaker.decoder, state)
            pieces.append(piece[0])
        torch.testing.assert_close(torch.cat(pieces), wanted, rtol=0, atol=1e-5)


def test_decoder_states_of_a_batch_come_apart_again() -> None:
    decoder, speaker = synthesizer(Kind()).decoder, synthesizer(Kind()).speaker(0)

    def push(state: DecoderState, seed: int) -> tuple[torch.Tensor, DecoderState]:
        source = noise(1, 1, 1, 40 * decoder.hop, seed=seed)
        return decoder(noise(1, 16, 1, 40, seed=seed), source, speaker.decoder, state)

    states = [push(decoder.start(), seed)[1] for seed in range(3)]
    apart = DecoderState.joined(states).split()
    for seed, (state, own) in enumerate(zip(states, apart, strict=True)):
        assert torch.equal(push(state, seed)[0], push(own, seed)[0])


@pytest.mark.parametrize("n_at_once", [1, 4])
@pytest.mark.parametrize("n", [1, 5, 64])
def test_positions_are_a_convolution_however_many_are_computed_at_once(
    n: int, n_at_once: int
) -> None:
    """A GPU computes four with one copy of what they see."""
    draws = torch.Generator().manual_seed(0)
    weight, bias, x = (
        torch.randn(*shape, generator=draws) for shape in ((8, 2, 128), (8,), (2, n, 8))
    )
    made = PositionConv(weight, bias, 4, n_at_once=n_at_once)(x)
    wanted = torch.conv1d(x.mT, weight, bias, padding=64, groups=4)[..., :-1].mT
    torch.testing.assert_close(made, torch.nn.functional.gelu(wanted), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [DEEP, Kind("v2").hubert])
def test_content_features_are_transformers(size: HubertSize) -> None:
    """Of a whole recording."""
    read, encoder = content_model(size), content_encoder(size)
    speech = torch.from_numpy(words(16_000))[None]
    local, _ = encoder.local(speech, encoder.start(), is_all=True)
    layers = hubert_of(read)(speech, output_hidden_states=True).hidden_states
    v1 = torch.nn.functional.linear(
        layers[min(9, size.num_hidden_layers)],
        read.weights["final_proj.weight"],
        read.weights["final_proj.bias"],
    )
    torch.testing.assert_close(encoder.encode(local, "v2"), layers[-1], rtol=0, atol=1e-4)
    torch.testing.assert_close(encoder.encode(local, "v1"), v1, rtol=0, atol=1e-4)


def test_content_in_pieces_knows_all_of_its_past() -> None:
    """A piece's features are those of a whole that ends with it; a batch is its rows."""
    encoder = content_encoder()
    speech = torch.from_numpy(np.stack([words(9_680), np.roll(words(9_680), 4_000)]))
    start = ContentState.joined([encoder.start(), encoder.start()])
    first, state = encoder.local(speech[:, : 3_200 + FEATURE_REACH], start)
    assert first.shape[:2] == (2, 10)
    second, _ = encoder.local(speech[:, 3_200:], state)
    whole, _ = encoder.local(speech, start)
    torch.testing.assert_close(second, whole[:, 10:], rtol=0, atol=1e-5)
    for row, own in enumerate(state.split()):
        alone, _ = encoder.local(speech[row : row + 1, 3_200:], own)
        torch.testing.assert_close(alone[0], second[row], rtol=0, atol=1e-5)
