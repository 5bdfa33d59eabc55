"""The voices that clients upload, in a folder of their own, within a quota.

    VOICES/uploaded/anna/voice.pth      an upload, by the name of its folder
    VOICES/uploaded/anna/voice.index    its index
    VOICES/uploaded/.unfinished-...     one that is still on its way, or being removed

Each is written beside its place, read as a whole on a thread that yields to those who speak, and
then moved there at once: nobody sees half of one.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog
import trio

from pipeline.net.request_head import Refused
from pipeline.net.upload_rules import check_name
from pipeline.voices import Voices, list_voices
from stages.errors import Overloaded, UnusableModel
from stages.neural.loader import yield_to_others
from stages.rvc import UPLOADED
from stages.rvc.voices.received import check_index, check_voice
from stages.temporary_folders import TemporaryFolder, sweep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from pipeline.metrics import Metrics
    from pipeline.net.request_head import HttpRequest
    from pipeline.net.upload_rules import UploadRules, UploadTarget
    from pipeline.service import Service
    from stages.rvc.voices.library import VoiceEntry
    from stages.voices import Voice

T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)

MAX_AT_ONCE = 4
"""Uploads that are on their way: each takes a connection, and writes to the disk."""

STEP_BYTES = 1 << 20
"""What is written at a time."""
STEP_WITHIN_S = 20.0
"""The limit for each such step: 52 kB a second, half of what the slowest lines at home send."""

UNFINISHED = ".unfinished-"


class Uploads:
    """The uploads of one server."""

    def __init__(self, service: Service, folder: Path, rules: UploadRules) -> None:
        """`folder` is that of all voices. What a server that has
        ended left there unfinished is removed."""
        self.rules = rules
        self._voices = service.voices
        self._closing = service.leaving.closing
        self._aliases = {alias.casefold() for alias in service.voice_names.aliases}
        self._metrics: Metrics = service.metrics
        self._folder = folder / UPLOADED
        self._on_their_way: dict[str, int] = {}  # bytes, by name
        self._placing = trio.Lock()  # of two that come to their end at once one may be too much
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="uploads", initializer=yield_to_others
        )
        sweep(self._folder, UNFINISHED)
        self.used_bytes = _n_bytes(self._folder)
        """What all uploads take on the disk."""

    def close(self) -> None:
        """Check nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def check(self, request: HttpRequest, target: UploadTarget, peer: str) -> None:
        """Raises `Refused` for an upload that is not taken, as far as its head tells."""
        try:
            self.rules.check_client(peer, lambda name: request.values(name.encode()))
            self._check_target(target, self.rules.check_size(request))
        except Refused:
            self._metrics.uploads.labels("refused").inc()
            raise

    @property
    def lacks(self) -> str | None:
        """Why no upload could be spoken with; None: it could."""
        if not isinstance(self._voices, Voices):
            return "this server has no RVC"
        return None if self._voices.converts else self._voices.lacks

    async def take(self, target: UploadTarget, n_bytes: int, body: AsyncIterator[bytes]) -> Voice:
        """The voice whose file, or whose index, is this body of so many bytes. Raises `Refused`,
        and what `body` does where the client leaves."""
        outcome = "broken_off"
        try:
            with self._admitted(target, n_bytes):
                async with self._unfinished() as folder:
                    sent = folder / "sent"
                    await _write(sent, body)
                    if target.is_index:
                        await self._place_index(target.name, sent)
                    else:
                        await self._place_voice(target.name, folder, sent)
                    voice = await self._listed(target.name)
            outcome = "taken"
        except Refused:
            outcome = "refused"
            raise
        finally:
            self._metrics.uploads.labels(outcome).inc()
        what = "an index" if target.is_index else "a voice"
        has_key = self.rules.has_keys
        log.info("%s was uploaded", what, voice=target.name, bytes=n_bytes, has_key=has_key)
        return voice

    async def remove(self, name: str) -> None:
        """Remove a voice. Who speaks with it may finish. Raises `Refused`."""
        place = self._place(self._uploaded(name))
        with self._busy(name, 0):
            async with self._unfinished() as folder:
                await _in_thread(partial(place.rename, folder / "removed"))
            await self._count()
            await list_voices(self._voices)
        self._metrics.uploads.labels("removed").inc()
        log.info("a voice was removed", voice=name, has_key=self.rules.has_keys)

    def _check_target(self, target: UploadTarget, n_bytes: int) -> None:
        name = target.name
        if (lacks := self.lacks) is not None:
            raise Refused(501, "rvc_missing", f"RVC voices cannot be spoken with here: {lacks}")
        if self._closing.is_set():
            raise _later("the server is shutting down")
        if target.is_index:
            self._uploaded(name)
        else:
            check_name(name)
            self._check_free(name)
        if name in self._on_their_way:
            raise Refused(409, "name_taken", f"{name}: another upload of it is on its way")
        if len(self._on_their_way) >= MAX_AT_ONCE:
            raise _later(f"{MAX_AT_ONCE} uploads are on their way, the most")
        self.rules.check_quota(n_bytes, self.used_bytes + sum(self._on_their_way.values()))

    def _check_free(self, name: str) -> None:
        voice = self._voices.get(name) if name in self._voices else None
        if voice is not None and voice.removable:
            msg = f"{name}: there is an uploaded voice of this name: remove it first (DELETE)"
        elif voice is not None or name.casefold() in self._aliases:
            msg = f"{name}: a voice or an alias of this server has this name: take another"
        elif os.path.lexists(self._folder / name):
            msg = f"{name}: a file on the server has this name, and is no voice: take another"
        else:
            return
        raise Refused(409, "name_taken", msg)

    def _uploaded(self, name: str) -> VoiceEntry:
        """The entry of an uploaded voice. Raises `Refused` where there is no such."""
        if name not in self._voices or not isinstance(self._voices, Voices):
            raise Refused(404, "unknown_voice", f"there is no voice {name!r} here")
        if not self._voices[name].removable:
            msg = f"{name} was not uploaded: it belongs to whoever runs the server"
            raise Refused(409, "not_uploaded", msg)
        return self._voices.entries[name]

    def _place(self, entry: VoiceEntry) -> Path:
        """The folder of an upload."""
        return self._folder / entry.path.relative_to(self._folder).parts[0]

    @contextmanager
    def _admitted(self, target: UploadTarget, n_bytes: int) -> Iterator[None]:
        """Asked once more: another may have come since its head was read."""
        self._check_target(target, self.rules.check_length(n_bytes))
        with self._busy(target.name, n_bytes):
            yield

    @contextmanager
    def _busy(self, name: str, n_bytes: int) -> Iterator[None]:
        if name in self._on_their_way:
            raise Refused(409, "name_taken", f"{name}: another upload of it is on its way")
        self._on_their_way[name] = n_bytes
        try:
            yield
        finally:
            del self._on_their_way[name]

    @asynccontextmanager
    async def _unfinished(self) -> AsyncIterator[Path]:
        """A folder for something that is on its way, of which nothing is left in the end."""

        def make() -> TemporaryFolder:
            self._folder.mkdir(parents=True, exist_ok=True)
            return TemporaryFolder(UNFINISHED, self._folder)

        folder = await _in_thread(make)
        try:
            yield folder.path
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(folder.close)

    async def _place_voice(self, name: str, folder: Path, sent: Path) -> None:
        # Alone in a folder, since it is looked for there as any voice is.
        new = folder / "voices" / name
        left = max(0, self.rules.quota_bytes - self.used_bytes)
        await _in_thread(new.parent.mkdir)
        await self._read(partial(check_voice, sent, new, max_bytes=left))
        async with self._placing:
            self.rules.check_quota(await _in_thread(partial(_n_bytes, new)), self.used_bytes)
            await _in_thread(partial(new.rename, self._folder / name))
            await self._count()

    async def _place_index(self, name: str, sent: Path) -> None:
        voice = self._uploaded(name).path
        await self._read(partial(check_index, sent, voice))
        await _in_thread(partial(sent.replace, voice.with_suffix(".index")))
        await self._count()

    async def _read(self, check: Callable[[], None]) -> None:
        """Check what was sent, one upload after the other."""
        try:
            await _in_thread(self._thread.submit(check).result)
        except UnusableModel as error:
            raise Refused(422, "unusable_voice", str(error)) from error

    async def _listed(self, name: str) -> Voice:
        """The voice as it is listed now. What cannot be listed is removed."""
        await list_voices(self._voices)
        voice = self._voices.get(name) if name in self._voices else None
        if voice is not None and voice.removable:
            return voice
        place = self._folder / name
        said = []
        if isinstance(self._voices, Voices):
            problems = [each for each in self._voices.problems if f"{place}/" in each]
            said += [each.replace(f"{self._folder}/", "") for each in problems]
            if name in {left_out.name for left_out in self._voices.left_out}:
                said.append("this server offers free voices alone: --free-voices-only")
        await trio.to_thread.run_sync(partial(shutil.rmtree, place, ignore_errors=True))
        await self._count()
        raise Refused(422, "unusable_voice", "; ".join(said) or f"{name} cannot be listed")

    async def _count(self) -> None:
        self.used_bytes = await _in_thread(partial(_n_bytes, self._folder))


async def _write(path: Path, body: AsyncIterator[bytes]) -> None:
    """Write a body as it comes. Raises `Refused` where it does not come."""
    waiting = bytearray()
    with await _in_thread(lambda: path.open("wb")) as file:
        with trio.move_on_after(STEP_WITHIN_S) as patience:
            async for data in body:
                waiting += data
                if len(waiting) >= STEP_BYTES:
                    await _in_thread(partial(file.write, bytes(waiting)))
                    waiting.clear()
                    patience.deadline = trio.current_time() + STEP_WITHIN_S
            await _in_thread(partial(file.write, bytes(waiting)))
            await _in_thread(file.flush)
    if patience.cancelled_caught:
        msg = f"{STEP_BYTES} bytes of the file did not come within {STEP_WITHIN_S:g} s"
        raise Refused(408, "too_slow", msg)


async def _in_thread(work: Callable[[], T]) -> T:
    """Do this on a thread. What the disk refuses is told: it is full, or may not be written."""
    try:
        return await trio.to_thread.run_sync(work)
    except OSError as error:
        msg = f"the server cannot keep uploads: {error.strerror}"
        raise Refused(507, "not_stored", msg) from error


def _later(why: str) -> Refused:
    later = (("retry-after", str(Overloaded.retry_after_s)),)
    return Refused(503, Overloaded.code, why, headers=later)


def _n_bytes(folder: Path) -> int:
    """What the files in a folder take, those left out that are still on their way."""
    total = 0
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(UNFINISHED)]
        for name in files:
            try:
                total += Path(path, name).lstat().st_size
            except OSError:  # it has gone meanwhile
                continue
    return total
