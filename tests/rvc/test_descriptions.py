"""What is told of an RVC voice in a folder, and when its file is read for that."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stages.errors import UnusableModel
from stages.rvc.voices import library
from stages.rvc.voices.header import read_header
from stages.rvc.voices.library import describe, find_voices
from tests.random_rvc import TINY, build_voice
from tests.rvc.voice_folders import put
from tests.server_process import PATIENCE_S, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from stages.rvc.network.config import VoiceConfig

WITHOUT_MODELS = """
import sys
from pathlib import Path

for name in ("torch", "faiss", "transformers", "rvc_python"):
    sys.modules[name] = None  # an import of it fails
from stages.rvc.voices.library import describe, find_voices
for voice in find_voices([Path(sys.argv[1])], None).voices.values():
    print(voice.name, describe(voice.path).sample_rate)
"""


def test_a_voice_is_described_and_read_again_only_when_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def read(path: Path) -> VoiceConfig:
        reads.append(path)
        return read_header(path)

    monkeypatch.setattr(library, "read_header", read)
    path = build_voice(tmp_path / "anna.pth", "v1", "40k", size=TINY, has_pitch=False)
    config = describe(path)
    assert (config.version, config.sample_rate, config.has_pitch) == ("v1", 40_000, False)
    assert describe(path) is config
    assert reads == [path]
    build_voice(path, size=TINY)
    assert describe(path).version == "v2"
    assert reads == [path] * 2


def test_what_is_no_voice_is_refused_each_time_and_read_once(tmp_path: Path) -> None:
    path = tmp_path / "anna.pth"
    path.write_bytes(b"nothing")
    for _ in range(2):
        with pytest.raises(UnusableModel, match="is not what"):
            describe(path)
    path.unlink()
    with pytest.raises(UnusableModel, match="No such file"):
        describe(path)


def test_a_voice_of_changed_files_has_another_stamp(tmp_path: Path) -> None:
    put(tmp_path, "anna.pth", "anna.index", "anna.toml")
    entry = find_voices([tmp_path], None).voices["anna"]
    stamps = {entry.stamp}
    for name in ("anna.pth", "anna.index"):
        (tmp_path / name).write_bytes(b"more")
        stamps.add(entry.stamp)
    os.utime(tmp_path / "anna.toml", (1e9, 1e9))
    stamps.add(entry.stamp)
    (tmp_path / "anna.index").unlink()
    stamps.add(entry.stamp)
    assert len(stamps) == 5


def test_a_server_without_torch_lists_voices(tmp_path: Path) -> None:
    build_voice(tmp_path / "anna.pth", size=TINY)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MODELS, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.stdout == "anna 48000\n", done.stderr
