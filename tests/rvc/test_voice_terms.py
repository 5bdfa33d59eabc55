"""The terms of RVC voices: what their settings say, and those of the voice that speaks for them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.voices import Voices
from stages.rvc.voices.settings import read_settings
from stages.toml_text import BadToml
from stages.voices import Voice

if TYPE_CHECKING:
    from pathlib import Path

FREE = Voice("plain", "telling", "en", None, "", 48_000, licence="CC0", is_free=True)
BOUND = Voice("joe", "telling", "en", None, "", 48_000, licence="for research")


def offered(
    folder: Path, tiny_voice: Path, toml: str, base: Voice = FREE, *, free_only: bool = False
) -> Voices:
    shutil.copy(tiny_voice, folder / "anna.pth")
    (folder / "anna.toml").write_text(toml)
    voices = Voices([base])
    voices.offer_rvc(folder, None, base.name, free_only=free_only)
    assert not voices.problems
    return voices


@pytest.mark.parametrize(
    ("toml", "base", "terms"),
    [
        ("", FREE, ("unknown", False)),
        ('licence = "CC BY 4.0"', FREE, ("CC BY 4.0", False)),
        ('licence = "CC BY 4.0"\nfree = true', FREE, ("CC BY 4.0", True)),
        (
            'licence = "CC BY 4.0"\nfree = true',
            BOUND,
            ("CC BY 4.0; it speaks with joe: for research", False),
        ),
        ("", BOUND, ("unknown; it speaks with joe: for research", False)),
    ],
)
def test_a_voice_is_as_free_as_its_settings_and_its_speech(
    tmp_path: Path, tiny_voice: Path, toml: str, base: Voice, terms: tuple[str, bool]
) -> None:
    anna = offered(tmp_path, tiny_voice, toml, base)["anna"]
    assert (anna.licence, anna.is_free) == terms


@pytest.mark.parametrize("is_free", [True, False])
def test_where_only_free_voices_are_wanted_others_are_not_there(
    tmp_path: Path, tiny_voice: Path, is_free: bool
) -> None:
    toml = 'licence = "CC BY 4.0"\nfree = true' if is_free else ""
    voices = offered(tmp_path, tiny_voice, toml, free_only=True)
    assert ("anna" in voices) == is_free
    assert ("anna" in [*voices]) == is_free
    assert [voice.name for voice in voices.left_out] == ([] if is_free else ["anna"])


def test_a_voice_is_not_free_for_no_reason(tmp_path: Path) -> None:
    path = tmp_path / "anna.toml"
    path.write_text("free = true")
    with pytest.raises(BadToml, match=r"^free: say by which licence, as in: licence = "):
        read_settings(path)
