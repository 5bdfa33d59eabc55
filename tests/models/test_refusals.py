"""What cannot be had is told in one line, with what to do about it."""

from __future__ import annotations

import itertools
import socket
import sys
from pathlib import Path

import pytest

from tests.local_hub import LISTING, LocalHub, Page, Refuse
from tests.models.program import (
    FOLDER,
    PROGRAM,
    SOPRANO,
    complaint,
    fetch,
    in_place,
    refused,
    run,
)

WITHOUT_HUGGINGFACE_HUB = """
import runpy, sys
sys.path.insert(0, sys.argv[1].rpartition("/")[0])
sys.modules["huggingface_hub"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_folder_that_cannot_be_written_is_named(hub: LocalHub) -> None:
    assert hub.url
    Path("models").write_text("not a folder")
    assert "models" in refused()


def test_no_such_model() -> None:
    done = run(*PROGRAM, "fetch", "tenor")
    assert done.returncode == 2
    assert done.stderr == (
        "server.py: there is no model 'tenor'; there are soprano, hubert, rmvpe, piper with the"
        " names of voices\n"
    )


def test_no_such_repository(hub: LocalHub) -> None:
    hub.repos.clear()
    told = refused()
    assert f"{hub.url} has no {SOPRANO.repo} at main, or not for you" in told


def test_no_such_revision(hub: LocalHub) -> None:
    told = refused("--revision", "v9")
    assert f"{hub.url} has no {SOPRANO.repo} at v9: there is no such revision" in told


def test_a_repository_without_one_of_the_files(hub: LocalHub, files: dict[str, bytes]) -> None:
    del files["decoder.pth"]
    lacking = hub.publish(SOPRANO.repo, files)
    assert f"{SOPRANO.repo} has no decoder.pth at {lacking}" in refused()
    assert [asked.name for asked in hub.asked] == [LISTING]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Refuse(401), "it is not for you; is HF_TOKEN set"),
        (Refuse(403, "GatedRepo"), "is gated: accept its terms on its page at"),
        (Refuse(404, "EntryNotFound"), "there is no such file"),
        (Refuse(418), "says 418"),
        (Page(), "does not answer as a hub does; is HF_ENDPOINT right?"),
    ],
)
def test_a_hub_that_says_no(fault: Refuse | Page, told: str, hub: LocalHub) -> None:
    hub.faults[LISTING] = iter([fault])
    assert told in refused()
    assert len(hub.asked) == 1  # that would not change by asking again


def test_a_hub_that_is_down_is_asked_again(hub: LocalHub, files: dict[str, bytes]) -> None:
    hub.faults[LISTING] = iter([Refuse(503), Refuse(429)])
    assert "says 503; try again later; trying again in 0.5 s" in fetch()
    assert in_place() == files


def test_a_hub_that_stays_down(hub: LocalHub) -> None:
    hub.faults[LISTING] = itertools.repeat(Refuse(503))
    assert "says 503" in refused()
    assert len(hub.asked) == 4


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    told = refused()
    assert nobody in told
    assert "Connection refused" in told
    assert not FOLDER.exists()


def test_a_hub_that_has_no_checksums(hub: LocalHub) -> None:
    hub.publish(SOPRANO.repo, {})
    assert "does not tell the commit or the checksums" in refused()


@pytest.mark.parametrize("address", ["", "hub.example.org", "http://["])
def test_an_address_that_is_none(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert f"HF_ENDPOINT, {address!r}, is no address" in refused()


def test_being_offline_by_choice_is_told(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in refused()
    assert hub.asked == []


def test_without_huggingface_hub_it_is_told_what_installs_it() -> None:
    told = complaint(run(sys.executable, "-c", WITHOUT_HUGGINGFACE_HUB, PROGRAM[-1], "fetch"))
    assert told == "server.py: to fetch models, huggingface_hub is needed; to get it: make setup"
