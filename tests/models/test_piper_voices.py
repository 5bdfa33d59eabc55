"""Piper's voices, from a hub with a folder for each into the folder where the server looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.models.piper_voices import REPO, piper_source
from stages.tts.piper.voice_files import find_voice_files
from tests.local_hub import LISTING, Break, LocalHub
from tests.models.program import PROGRAM, fetch, refused, run

ALBA, THORSTEN, TUGAO = "en_GB-alba-medium", "de_DE-thorsten-medium", "pt_PT-tugão-medium"
PLACES = {
    ALBA: "en/en_GB/alba/medium",
    "en_GB-alan-low": "en/en_GB/alan/low",
    THORSTEN: "de/de_DE/thorsten/medium",
    "de_DE-eva_k-x_low": "de/de_DE/eva_k/x_low",
    TUGAO: "pt/pt_PT/tugão/medium",
}
CONFIG = json.dumps({"phoneme_id_map": {"a": [1]}}).encode()


def voice_files(name: str, place: str) -> dict[str, bytes]:
    card = f"# Model card for {name}\n* License: CC BY 4.0\n"
    return {
        f"{place}/{name}.onnx": b"\x08\x07" + name.encode() * 10_000,
        f"{place}/{name}.onnx.json": CONFIG,
        f"{place}/MODEL_CARD": card.encode(),
        f"{place}/samples/speaker_0.mp3": b"nobody asked for this",
    }


@pytest.fixture(autouse=True)
def voices(hub: LocalHub) -> dict[str, bytes]:
    files: dict[str, bytes] = {"voices.json": b"{}", "README.md": b"Voices"}
    for name, place in PLACES.items():
        files |= voice_files(name, place)
    hub.publish(REPO, files)
    return files


def test_voices_are_fetched_where_the_server_finds_them() -> None:
    told = fetch("piper", ALBA, THORSTEN, TUGAO)
    found = find_voice_files(Path("models/piper"))
    assert not found.problems
    assert {ALBA, THORSTEN, TUGAO} <= found.voices.keys()
    assert found.voices[ALBA].terms.is_free
    folder = Path("models/piper") / ALBA
    assert {path.name for path in folder.iterdir()} == {
        f"{ALBA}.onnx", f"{ALBA}.onnx.json", "MODEL_CARD", "fetched.json",
    }  # fmt: skip
    licence = told.index(f"{ALBA}: the voice of {ALBA}, recordings: CC BY 4.0")
    assert licence < told.index(f"wrote {folder.resolve()}")


def test_a_voice_that_is_there_is_not_fetched_again_and_its_terms_are_told(hub: LocalHub) -> None:
    fetch("piper", ALBA)
    hub.asked.clear()
    told = fetch("piper", ALBA)
    assert f"{ALBA} is whole" in told
    assert "CC BY 4.0" in told
    assert not hub.asked


def test_a_fetch_that_broke_off_is_gone_on_with(hub: LocalHub) -> None:
    name = f"{PLACES[ALBA]}/{ALBA}.onnx"
    hub.faults[name] = iter([Break(after=1000)])
    assert "going on after 1 kB" in fetch("piper", ALBA)
    assert hub.ranges(name) == [None, "bytes=1000-"]


def test_models_and_voices_can_be_fetched_together() -> None:
    fetch("soprano", "piper", ALBA)
    assert Path("models/soprano/config.json").exists()
    assert Path(f"models/piper/{ALBA}/{ALBA}.onnx").exists()


def test_a_misspelt_voice_is_told_with_those_like_it_and_of_its_language() -> None:
    assert refused("piper", "en_GB-abla-medium") == (
        f"server.py: {REPO} has no voice en_GB-abla-medium, did you mean {ALBA} or"
        f" en_GB-alan-low?; of en there are en_GB-alan-low, {ALBA}"
    )
    assert not list(Path("models/piper").iterdir())


def test_a_language_tells_which_voices_it_has() -> None:
    told = refused("piper", "de")
    assert told.endswith(f"has no voice de; of de there are de_DE-eva_k-x_low, {THORSTEN}")


def test_a_language_without_voices_tells_which_have_some() -> None:
    assert refused("piper", "tlh").endswith("has no voice tlh; there are voices of de, en, pt")


def test_a_voice_without_its_config_is_refused(hub: LocalHub, voices: dict[str, bytes]) -> None:
    del voices[f"{PLACES[ALBA]}/{ALBA}.onnx.json"]
    commit = hub.publish(REPO, voices)
    assert refused("piper", ALBA).endswith(f"{REPO} has no {ALBA}.onnx.json at {commit}")


def test_a_voice_without_a_card_is_of_unknown_terms(
    hub: LocalHub, voices: dict[str, bytes]
) -> None:
    del voices[f"{PLACES[ALBA]}/MODEL_CARD"]
    hub.publish(REPO, voices)
    assert f"{ALBA}: unknown" in fetch("piper", ALBA)


@pytest.mark.parametrize("name", ["../alba", "en/alba", "", ".alba", "-x", "a" * 101, "en GB"])
def test_what_could_lead_to_another_folder_is_no_name(name: str) -> None:
    assert piper_source(name) is None


def test_what_can_be_no_name_is_refused_and_nobody_asked(hub: LocalHub) -> None:
    done = run(*PROGRAM, "fetch", "piper", ALBA, "../alba")
    assert done.returncode == 2
    assert f"'../alba' is no name of a voice; they are named like {ALBA}" in done.stderr
    assert not hub.asked


def test_piper_alone_is_no_voice(hub: LocalHub) -> None:
    done = run(*PROGRAM, "fetch", "piper")
    assert done.returncode == 2
    assert "name the voices: fetch piper en_GB-alba-medium;" in done.stderr
    assert not [asked for asked in hub.asked if asked.name == LISTING]
