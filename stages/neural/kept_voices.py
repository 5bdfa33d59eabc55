"""Loaded voices: read off the model thread, kept while there is room, and read again when their
files have changed.

A listener's voice is loaded when it is chosen, so that it is there when there is something to say.
Of what a listener chooses only the newest waits to be loaded, and for a voice that is only chosen
none leaves that a listener has chosen or speaks with."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import structlog

from stages.error_text import without_folders
from stages.errors import ServerError, SynthesisError
from stages.neural.loader import BackgroundLoader, settle
from stages.neural.lru import LruCache

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

log = structlog.stdlib.get_logger(__name__)


class Sized(Protocol):
    """What can be kept."""

    @property
    def n_bytes(self) -> int:
        """Its memory."""


V = TypeVar("V", bound=Sized)
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class VoiceSource(Generic[V]):
    """Where a voice comes from."""

    name: str
    stamp: Callable[[], Hashable]
    """Changes with the voice's files; None where they have been removed. Called on any thread;
    costs microseconds."""
    read: Callable[[], V]
    """Called on the loading thread."""
    files: tuple[Path, ...]
    """Those that it is read from. Whoever waits for the voice is not told where they lie."""


class KeptVoices(Generic[V]):
    """Loads voices one after the other, on a thread of its own. A *user* is a listener who has
    chosen a voice, or a request that is spoken with one."""

    def __init__(self, room: Callable[[], int], warm_up: Callable[[V], None] | None = None) -> None:
        """`room` says how many bytes voices may take now. `warm_up` is called on the loading thread
        with each voice that was loaded, when nobody waits for another."""
        self._voices = LruCache[V](room())
        self._room = room
        self._warm_up = warm_up
        self._loader = BackgroundLoader("voices")
        self._lock = threading.Lock()  # for the cache and for its users
        self._voice_of: dict[Hashable, str] = {}  # each user's

    def load(
        self,
        user: Hashable,
        source: VoiceSource[V],
        use: Callable[[V], U],
        *,
        ahead: bool = False,
    ) -> Future[U]:
        """What `use` makes of the voice for its user; see `stages.engine.Engine.load_voice`.

        This looks at the voice's files at once, some microseconds for each: what is kept should
        not wait for a thread, and what has changed must not be spoken with."""
        with self._lock:
            self._voice_of[user] = source.name
        kept = self._kept(source, source.stamp())
        if kept is None:
            load = partial(self._load, source, use, ahead=ahead)
            return self._loader.load(load, user, ahead=ahead)
        self._loader.forget(user)  # what it chose before it need not be loaded
        voice = Future[U]()
        settle(voice, partial(use, kept))
        return voice

    def holds(self, source: VoiceSource[V]) -> bool:
        """Whether the voice is there, as its files are now."""
        return self._kept(source, source.stamp()) is not None

    def release(self, user: Hashable) -> None:
        """This user neither speaks with a voice nor will."""
        with self._lock:
            self._voice_of.pop(user, None)
        self._loader.forget(user)

    def close(self) -> None:
        """Load nothing more."""
        self._loader.close()

    def _kept(self, source: VoiceSource[V], stamp: Hashable) -> V | None:
        """The voice, if it is kept as its files are; or as they were, if they have been removed:
        who speaks with it goes on, and nobody else can choose it."""
        with self._lock:
            if stamp is None:
                return self._voices.peek(source.name)
            return self._voices.get(source.name, stamp)

    def _load(self, source: VoiceSource[V], use: Callable[[V], U], *, ahead: bool) -> U:
        stamp = source.stamp()  # from before it is read
        voice = self._kept(source, stamp)  # it may have been loaded while this waited
        if voice is None:
            voice = _read(source)
            with self._lock:
                self._voices.max_bytes = self._room()
                in_use = frozenset(self._voice_of.values())
                self._voices.put(
                    source.name, voice, voice.n_bytes, stamp, in_use=in_use, ahead=ahead
                )
        if self._warm_up is not None:
            warm_up = partial(self._warm_up, voice)
            if ahead:
                warm_up()
            else:
                self._loader.load(warm_up, ("warm-up", source.name), ahead=True)
        return use(voice)


def _read(source: VoiceSource[V]) -> V:
    """Read a voice. The log has why it cannot be; whoever waits for it is told no folders."""
    try:
        return source.read()
    except ServerError as error:
        log.warning("a voice cannot be read", voice=source.name, reason=str(error))
        raise type(error)(without_folders(str(error), source.files)) from error
    except Exception as error:
        log.exception("a voice cannot be read", voice=source.name)
        raise SynthesisError(f"{source.name} cannot be read: {type(error).__name__}") from error
