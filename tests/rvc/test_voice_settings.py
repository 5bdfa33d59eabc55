"""The settings of a voice, in the TOML file beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stages.rvc.voices.library import find_voices
from tests.rvc.voice_folders import put

if TYPE_CHECKING:
    from pathlib import Path


FULL_TOML = """
description = "A calm voice"
language = "en-gb"
gender = "female"
speaks_with = "soprano"
pitch_shift = -3.5
pitch_method = "rmvpe"
index_rate = 1
protect = 0.5
rms_mix_rate = 0.25
filter_radius = 0
speaker = 2
formant_shift = -1
"""


@pytest.mark.parametrize(
    ("voice", "toml"),
    [
        ("anna.pth", "anna.toml"),
        ("anna/x.pth", "anna/voice.toml"),
        ("anna/x.pth", "anna/x.toml"),
    ],
)
def test_settings_lie_beside_the_voice(tmp_path: Path, voice: str, toml: str) -> None:
    put(tmp_path, voice)
    (tmp_path / toml).write_text(FULL_TOML)
    entry = find_voices([tmp_path], None).voices["anna"]
    assert entry.toml == tmp_path / toml
    settings = entry.settings
    assert (settings.description, settings.language) == ("A calm voice", "en-gb")
    assert (settings.gender, settings.speaks_with) == ("female", "soprano")
    assert (settings.pitch_shift, settings.pitch_method) == (-3.5, "rmvpe")
    assert (settings.index_rate, settings.protect, settings.rms_mix_rate) == (1.0, 0.5, 0.25)
    assert (settings.filter_radius, settings.speaker, settings.formant_shift) == (0, 2, -1.0)


def test_without_settings_the_defaults_hold(tmp_path: Path) -> None:
    put(tmp_path, "anna.pth")
    settings = find_voices([tmp_path], None).voices["anna"].settings
    assert (settings.speaks_with, settings.pitch_shift, settings.pitch_method) == (None, 0, "auto")
    assert (settings.index_rate, settings.protect, settings.rms_mix_rate) == (0.75, 0.33, 1.0)
    assert (settings.filter_radius, settings.speaker, settings.formant_shift) == (3, 0, 0.0)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("index_rte = 0.5", "index_rte: unknown key"),
        ("index_rate = 1.1", "index_rate: Input should be less than or equal to 1"),
        ("index_rate = nan", "index_rate: Input should be"),
        ('index_rate = "0.5"', "index_rate: Input should be a valid number"),
        ("index_rate = true", "index_rate: Input should be a valid number"),
        ("protect = 0.6", "protect: Input should be less than or equal to 0.5"),
        ("rms_mix_rate = -0.1", "rms_mix_rate: Input should be greater than or equal to 0"),
        ("filter_radius = 8", "filter_radius: Input should be less than or equal to 7"),
        ("filter_radius = 2.5", "filter_radius: Input should be a valid integer"),
        ("speaker = -1", "speaker: Input should be greater than or equal to 0"),
        ("speaker = 10001", "speaker: Input should be less than or equal to 10000"),
        ("formant_shift = 13", "formant_shift: Input should be less than or equal to 12"),
        ("pitch_shift = -25", "pitch_shift: Input should be greater than or equal to -24"),
        ('pitch_method = "crepe"', "pitch_method: Input should be 'auto', 'pm', 'dio', 'harvest'"),
        ('gender = "none"', "gender: Input should be 'female' or 'male'"),
        ('language = "English"', "language: String should match pattern"),
        ("a = 1\nb = 2", "a: unknown key; b: unknown key"),
        (
            "a = 1\nb = 2\nc = 3\nd = 4",
            "a: unknown key; b: unknown key; c: unknown key; and 1 more",
        ),
        ('"a\\nb" = 1', "a b: unknown key"),
        ("index_rate", "is not TOML: Expected '=' after a key"),
        ("x = " + "[" * 5000, "is not TOML: "),
        ("a." * 10_000 + "a = 1", "has more than 16000 bytes"),  # seconds of work
    ],
)
def test_wrong_settings_are_named_and_leave_the_voice_out(
    tmp_path: Path, toml: str, said: str
) -> None:
    put(tmp_path, "anna.pth", "bert.pth")
    (tmp_path / "anna.toml").write_text(toml)
    catalogue = find_voices([tmp_path], None)
    (problem,) = catalogue.problems
    assert problem.startswith(f"{tmp_path}/anna.toml {said}")
    assert problem.endswith("; the voice anna is left out")
    assert "\n" not in problem
    assert list(catalogue.voices) == ["bert"]


def test_settings_in_another_encoding_are_named(tmp_path: Path) -> None:
    put(tmp_path, "anna.pth")
    (tmp_path / "anna.toml").write_bytes("description = 'schön'".encode("latin-1"))
    assert "is not TOML: 'utf-8' codec" in find_voices([tmp_path], None).problems[0]
