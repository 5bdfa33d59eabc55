"""What a start tells of the engines and voices that it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.executor import open_executor
from tests.fakes import TellingEngine, service

if TYPE_CHECKING:
    from collections.abc import Hashable
    from concurrent.futures import Future
    from typing import Any

    from stages.items import Style


class Large(TellingEngine):
    """An engine with large files, of whose voices so many can be kept."""

    reads = "a model, 280 MB"

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._kept: list[str] = []
        self.users: set[Hashable] = set()

    def to_read(self, style: Style) -> int:
        return 0 if style.voice in self._kept else 63_200_000

    def load_voice(self, user: Hashable, style: Style, *, ahead: bool = False) -> Future[Any]:
        self.users.add(user)
        if len(self._kept) < self._room:
            self._kept.append(style.voice)
        return super().load_voice(user, style, ahead=ahead)

    def release_voice(self, user: Hashable) -> None:
        self.users.remove(user)


async def test_each_part_is_told_as_it_begins() -> None:
    """What takes no time is not told, and what is there is not read again."""
    told: list[str] = []
    engine = Large(room=2)
    async with open_executor() as executor:
        left_out = await service(executor, engine).install_engines(["other", "plain"], told.append)
    assert told == [
        "engines: starting",
        "a model, 280 MB: reading",
        "a model, 280 MB: warming up",
        "plain, 63 MB: reading",
        "other, 63 MB: reading",
    ]
    assert left_out == []
    assert not engine.users


async def test_voices_without_room_are_named() -> None:
    async with open_executor() as executor:
        left_out = await service(executor, Large(room=1)).install_engines(["other"])
    assert left_out == ["other"]
