"""The account of what waits in the process for clients, in bytes: one bound for all. Pure.

    account ── a holder for each connection ── a share for each of its queues

Whatever is queued for a client, or of it, is entered in a share, and taken out as it is sent,
spoken or dropped. Where the bound would be passed, one is found who stands in the way most: by how
much it holds, and by how long none of it has moved. If that is whoever asks, it is refused; else it
is cut off, as one that does not read. So nobody who holds little, or reads what it gets, makes room
for somebody who does not.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

BOUND_BYTES = 192_000_000
"""For 256 listeners with 0.75 megabytes each, twice what one has who reads no faster than it hears.
What one client may hold is in docs/adr/0036-one-bound-in-bytes.md."""

PATIENCE_S = 1.0
"""Added to how long nothing has moved: of those who hold something since just now, the one with
most stands in the way most."""


def _nothing() -> None:
    pass


class Account:
    """What all clients of a server hold together."""

    def __init__(
        self, bound_bytes: int = BOUND_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` tells the time in seconds."""
        self.bound_bytes = bound_bytes
        self.held_bytes = 0
        """Never more than the bound."""
        self.note_cut_off: Callable[[], None] = _nothing
        """Told each time that a holder is cut off to make room."""
        self._clock = clock
        self._holders: set[Holder] = set()

    def open(self, cut_off: Callable[[], None] | None = None) -> Holder:
        """A new holder. `cut_off` ends its connection at once; it is called at most once."""
        return Holder(self, cut_off)

    def now(self) -> float:
        """The time."""
        return self._clock()

    def enter(self, holder: Holder, n_bytes: int, *, may_refuse: bool) -> bool:
        """Change what a holder holds by so many bytes. False: there was no room for more, and
        nothing has changed; or, where that may not be refused, the holder was cut off."""
        while n_bytes > 0 and self.held_bytes + n_bytes > self.bound_bytes:
            worst = self._worst(holder, n_bytes)
            if worst is holder and may_refuse:
                return False
            self._cut_off(worst)
            if worst is holder:
                return False
        self.held_bytes += n_bytes
        holder.n_bytes += n_bytes
        (self._holders.add if holder.n_bytes else self._holders.discard)(holder)
        return True

    def _worst(self, asking: Holder, n_more: int) -> Holder:
        """Who stands in the way most, by itself and together with all that belong with it: of many
        who each hold a little for one client, any is worse than one who holds more alone."""
        weights = {own: own.weight(0) for own in self._holders}
        weights[asking] = asking.weight(n_more)
        of_all: defaultdict[object, float] = defaultdict(float)
        for own, weight in weights.items():
            of_all[own.who or own] += weight
        return max(weights, key=lambda own: weights[own] * of_all[own.who or own])

    def forget(self, holder: Holder) -> None:
        """A holder holds nothing any more."""
        self.held_bytes -= holder.n_bytes
        holder.n_bytes = 0
        self._holders.discard(holder)

    def _cut_off(self, holder: Holder) -> None:
        holder.close()
        self.note_cut_off()
        if holder.cut_off is not None:
            holder.cut_off()


class Holder:
    """What one client holds."""

    def __init__(self, account: Account, cut_off: Callable[[], None] | None) -> None:
        self.n_bytes = 0
        self.cut_off = cut_off
        self.who = ""
        """Whose it is, as `pipeline.net.stream.ClientStream.who`; empty: nobody else's."""
        self.is_closed = False
        """It is gone, or was cut off: what it still has is on its way out, and counts no more."""
        self._account = account
        self._moved_at = account.now()

    def share(self) -> Share:
        """A new share, for one queue."""
        return Share(self)

    def moved(self) -> None:
        """Some of what it holds has left."""
        self._moved_at = self._account.now()

    def weight(self, n_more: int) -> float:
        """How much it stands in the way of others, if it is to hold so many bytes more."""
        stuck_s = self._account.now() - self._moved_at
        return (self.n_bytes + n_more) * (PATIENCE_S + stuck_s)

    def enter(self, n_bytes: int, *, may_refuse: bool) -> bool:
        """See `Account.enter`."""
        if self.is_closed:
            return True
        if not self.n_bytes:
            self.moved()  # it held nothing
        return self._account.enter(self, n_bytes, may_refuse=may_refuse)

    def close(self) -> None:
        """Count nothing of it any more."""
        self.is_closed = True
        self._account.forget(self)


class Share:
    """What a client holds in one queue; given back, for good, as its context is left."""

    def __init__(self, holder: Holder) -> None:
        self.n_bytes = 0
        self._holder = holder
        self._is_closed = False

    def ask(self, n_bytes: int) -> bool:
        """Enter that the queue is to hold so much. False: there is no room for it, and the queue
        must stay as it is."""
        return self._change(n_bytes, may_refuse=True)

    def set(self, n_bytes: int) -> None:
        """Enter that the queue holds so much. A client that has no room for it is cut off."""
        self._change(n_bytes, may_refuse=False)

    def _change(self, n_bytes: int, *, may_refuse: bool) -> bool:
        if self._is_closed:
            return True
        change = n_bytes - self.n_bytes
        if change and not self._holder.enter(change, may_refuse=may_refuse):
            return False
        self.n_bytes = n_bytes
        return True

    def close(self) -> None:
        """Nothing will be in the queue any more."""
        self.set(0)
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
