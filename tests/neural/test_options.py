"""What is asked for on the command line reaches both engines that run on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.cli.engines import choose_engines
from pipeline.cli.option_sources import load
from pipeline.cli.settings import CheckSettings
from pipeline.models.store import SOURCES
from stages.rvc.engine import RvcEngine
from stages.tts.soprano.engine import SopranoEngine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "graphs", "torch_compile"),
    [
        ([], "auto", "auto"),
        (["--graphs", "off"], "off", "auto"),
        (["--graphs=on", "--torch-compile=off"], "on", "off"),
    ],
)
def test_graphs_and_compiling_are_asked_for_and_forbidden(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    graphs: str,
    torch_compile: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("soprano", "hubert"):
        folder = tmp_path / "models" / SOURCES[name].folder
        folder.mkdir(parents=True)
        for file in SOURCES[name].files:
            (folder / file).touch()
    (tmp_path / "voices").mkdir()
    engines = choose_engines(load(CheckSettings, arguments), max_listeners=1)
    for engine in (engines.synthesizers[0], *engines.voice_converters):
        assert isinstance(engine, SopranoEngine | RvcEngine)
        assert engine._options.graphs == graphs  # noqa: SLF001 - it shows on a GPU alone
        assert engine._options.torch_compile == torch_compile  # noqa: SLF001 - likewise
    assert len(engines.voice_converters) == 1
