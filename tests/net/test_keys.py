"""The files that keys come from, what is refused of them, and that no message holds a key."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline.net.keys import KeyRing, NamedKey, private_fault, read_keys
from pipeline.tenants import NO_LIMITS, Limits
from stages.errors import CannotStart

if TYPE_CHECKING:
    from pathlib import Path

KEY, OTHER_KEY, NO_KEY = "sixteen-letters-1", "sixteen-letters-2", "sixteen-letters-3"
SECRET = "hunter2hunter2hunter2"  # noqa: S105 - the one that is not to be told


def keys_file(folder: Path, text: str | bytes, name: str = "keys.toml") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o600)
    return file


def names(file: Path | None, variable: str = "") -> dict[str, str]:
    """The name of whose each of our keys is."""
    ring = KeyRing(read_keys(file, variable))
    found = {key: ring.find([key.encode()]) for key in (KEY, OTHER_KEY, NO_KEY)}
    return {key: tenant.name for key, tenant in found.items() if tenant is not None}


def complaint(file: Path) -> str:
    with pytest.raises(CannotStart) as refused:
        read_keys(file, "")
    told = str(refused.value)
    assert SECRET not in told
    assert "\n" not in told
    assert told.startswith(str(file))
    return told.removeprefix(f"{file}").lstrip(": ")


def test_a_plain_file_has_a_key_a_line(tmp_path: Path) -> None:
    file = keys_file(tmp_path, f"# of the bot\n{KEY}\n\n  {OTHER_KEY}  \n", "keys")
    assert names(file) == {KEY: "line-2", OTHER_KEY: "line-4"}
    assert all(key.limits == NO_LIMITS for key in read_keys(file, ""))


def test_a_variable_has_keys_with_commas_between_them(tmp_path: Path) -> None:
    file = keys_file(tmp_path, f"{KEY}\n", "keys")
    assert names(None, f"{KEY}, {OTHER_KEY},") == {KEY: "env-1", OTHER_KEY: "env-2"}
    assert names(file, f",{NO_KEY}") == {NO_KEY: "env-1", KEY: "line-1"}
    assert read_keys(None, "") == []


def test_a_toml_file_has_a_table_a_key(tmp_path: Path) -> None:
    digest = hashlib.sha256(OTHER_KEY.encode()).hexdigest()
    file = keys_file(
        tmp_path,
        f"""
        [keys.alice]
        key = "{KEY}"
        listeners = 4
        characters_a_day = 200_000
        audio_seconds_a_day = 7_200
        voices = ["en-*", "anna"]

        [keys.bob]
        sha256 = "{digest.upper()}"
        """,
    )
    alice, bob = read_keys(file, "")
    assert alice.limits == Limits(4, 200_000, 7_200, ("en-*", "anna"))
    assert bob.limits == NO_LIMITS
    assert names(file, NO_KEY) == {KEY: "alice", OTHER_KEY: "bob", NO_KEY: "env-1"}


def test_an_operators_key_says_so(tmp_path: Path) -> None:
    """It holds as long as the file says so; plain keys are nobody's who runs the server."""
    table = f'[keys.balancer]\nkey = "{KEY}"\n'
    ring = KeyRing(read_keys(keys_file(tmp_path, f"{table}operator = true\n"), OTHER_KEY))
    balancer, other = (ring.find([key.encode()]) for key in (KEY, OTHER_KEY))
    assert balancer is not None
    assert other is not None
    assert (balancer.is_operator, other.is_operator) == (True, False)
    assert not balancer.is_limited
    ring.replace(read_keys(keys_file(tmp_path, table), ""))
    assert not balancer.is_operator


def test_a_key_that_is_in_the_variable_too_has_the_files_limits(tmp_path: Path) -> None:
    file = keys_file(tmp_path, f'[keys.alice]\nkey = "{KEY}"\nlisteners = 1')
    assert names(file, KEY) == {KEY: "alice"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no key in it"),
        ("[keys]", "has no key in it"),
        (f'key = "{SECRET}"', "a table other than [keys.NAME] stands in it"),
        (f'[{SECRET}]\nkey = "x"', "a table other than [keys.NAME] stands in it"),
        (f"keys = '{SECRET}'", "keys: Input should be a valid dictionary"),
        (f"[keys]\nalice = '{SECRET}'", "keys.alice: Input should be a valid dictionary"),
        (f"[keys.alice]\n{SECRET}\n", "is not TOML, at line 2, column 22"),
        (f'[keys.alice]\nkey = "{SECRET}', "is not TOML, at end of document"),
        ("[keys.alice]\nlisteners = 1", "keys.alice: has either a key or its sha256"),
        (f'[keys.alice]\nkey = "{SECRET}"\nsha256 = "{"0" * 64}"',
         "keys.alice: has either a key or its sha256"),
        ('[keys.alice]\nkey = "hunter2"', "keys.alice.key is too easy to guess"),
        (f'[keys.alice]\nkey = ["{SECRET}"]', "keys.alice.key: Input should be a valid string"),
        (f'[keys.alice]\nsha256 = "{SECRET}"', "keys.alice.sha256: String should match pattern"),
        (f'[keys.alice]\nkye = "{SECRET}"', "keys.alice.kye: unknown key"),
        (f'[keys.alice]\nkey = "{SECRET}"\nlisteners = 0', "keys.alice.listeners: "),
        (f'[keys.alice]\nkey = "{SECRET}"\nlisteners = "4"', "keys.alice.listeners: "),
        (f'[keys.alice]\nkey = "{SECRET}"\nlisteners = true', "keys.alice.listeners: "),
        (f'[keys.alice]\nkey = "{SECRET}"\naudio_seconds_a_day = nan',
         "keys.alice.audio_seconds_a_day: "),
        (f'[keys.alice]\nkey = "{SECRET}"\nvoices = []', "keys.alice.voices: "),
        (f'[keys.alice]\nkey = "{SECRET}"\n[keys.bob]\nkey = "{SECRET}"',
         "keys.bob has the same key as keys.alice"),
        (f'[keys."{SECRET}{SECRET}"]\nkey = "alice"', "the name of key 1 is none"),
        (f'[keys.alice]\nkey = "{SECRET}"\n[keys."a b"]', "the name of key 2 is none"),
        (f'[keys.env-1]\nkey = "{SECRET}"', "the name of key 1 is none"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_the_name_and_without_the_key(
    tmp_path: Path, text: str, told: str
) -> None:
    assert complaint(keys_file(tmp_path, text)).startswith(told)


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing\n", "hunter2\n", f"{KEY}\nhunter2\n", "schlüssel-mit-umlaut\n",
             "two words make one\n", "\x00" * 20, bytes(range(128, 160)), b"a" * (2**20 + 1)],
)  # fmt: skip
def test_a_plain_file_that_guards_nothing_is_refused(tmp_path: Path, text: str | bytes) -> None:
    assert "hunter2" not in complaint(keys_file(tmp_path, text, "keys"))


@pytest.mark.parametrize("name", ["keys", "keys.toml"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666, 0o601])
def test_a_file_that_others_may_read_or_change_is_refused_with_the_way_out(
    tmp_path: Path, name: str, mode: int
) -> None:
    file = keys_file(tmp_path, f"{SECRET}\n", name)
    file.chmod(mode)
    told = complaint(file)
    assert f"its mode is {mode:o}" in told
    assert f"chmod 600 {file}" in told
    for own in (0o600, 0o400, 0o700):
        file.chmod(own)
        file.write_text(f"{KEY}\n" if name == "keys" else f'[keys.a]\nkey = "{KEY}"')
        assert len(read_keys(file, "")) == 1


def test_a_file_in_a_read_only_mount_is_as_others_made_it() -> None:
    """Docker's and Kubernetes' secrets are so, of mode 444 or 644, and nobody in the container can
    change that."""
    assert private_fault(0o100444, is_read_only=True) is None
    assert private_fault(0o100644, is_read_only=True) is None
    assert private_fault(0o100644, is_read_only=False) is not None
    assert private_fault(0o100600, is_read_only=False) is None


def test_the_mount_of_a_file_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = keys_file(tmp_path, f"{KEY}\n", "keys")
    file.chmod(0o444)
    as_it_is = os.fstatvfs

    def mounted_read_only(number: int) -> os.statvfs_result:
        told = list(as_it_is(number))
        told[8] = os.ST_RDONLY
        return os.statvfs_result(told)

    monkeypatch.setattr(os, "fstatvfs", mounted_read_only)
    assert names(file) == {KEY: "line-1"}


def test_keys_can_be_put_in_the_place_of_others(tmp_path: Path) -> None:
    """A tenant stays who it is, with another key and other limits, and also while it has none."""
    ring = KeyRing(read_keys(keys_file(tmp_path, f'[keys.alice]\nkey = "{KEY}"'), ""))
    alice = ring.find([KEY.encode()])
    assert alice is not None
    alice.use(0.0, characters=5)
    ring.replace(read_keys(keys_file(tmp_path, f'[keys.bob]\nkey = "{KEY}"'), ""))
    assert getattr(ring.find([KEY.encode()]), "name", None) == "bob"
    text = f'[keys.alice]\nkey = "{OTHER_KEY}"\nlisteners = 2'
    ring.replace(read_keys(keys_file(tmp_path, text), ""))
    assert ring.find([KEY.encode()]) is None
    assert ring.find([b"", OTHER_KEY.encode()]) is alice
    assert alice.limits == Limits(listeners=2)
    assert alice.used(0.0) == (5, 0.0)


def test_a_request_costs_no_more_where_there_are_many_keys() -> None:
    """Each key that came was compared with each of ours: a head full of them was a sixth of a
    second in which nobody was spoken to."""
    ours = (hashlib.sha256(b"%d" % number).digest() for number in range(1000))
    ring = KeyRing(NamedKey(f"key-{number}", each) for number, each in enumerate(ours))
    n_lines = 0

    def count(*_: object) -> object:
        nonlocal n_lines
        n_lines += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type] # it takes any function, and is one itself
    try:
        found = ring.find([b"wrong"] * 1000 + [b"7"])
    finally:
        sys.settrace(before)
    assert found is not None
    assert found.name == "key-7"
    assert n_lines < 20 * 1000
