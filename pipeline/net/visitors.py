"""Who comes to the port, by address: how soon each connection is served, and which have not asked
for anything yet. Pure: callers tell the time, in seconds."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from pipeline.net.addresses import subscriber
from pipeline.net.budgets import OwnBudget, SharedBudget

Visit = TypeVar("Visit")

CONNECTIONS_PER_S = 2.0
BURST_CONNECTIONS = 60
"""An address's own. One that needs more shares `FLOOD_CONNECTIONS_PER_S`, which is no hardship
unless others flood."""

FLOOD_CONNECTIONS_PER_S = 100.0
"""The rate of all addresses together that have used up their own: at 0.7 ms for a connection
without a request, a fifteenth of the loop. Three hundred clients behind one address that come back
at once are all served within three seconds."""

URGENT_PER_S = 50.0
"""Beside these, requests for health and metrics: a monitor on the same machine is not held up."""

LONGEST_WAIT_S = 5.0
"""Who would wait longer is shed; so no more than five hundred wait for one address."""

STRANGERS_PER_S = 50.0
BURST_STRANGERS = 500
REGULARS_PER_S = 200.0
BURST_REGULARS = 1000
"""What all addresses may have at once that have not been seen of late, and all that have: whoever
has a network of IPv6 has as many addresses as it likes."""

MAX_ADDRESSES = 4096
"""Addresses that are remembered, each in 0.5 kB."""


class ConnectionPace:
    """The rates at which connections are served, by address."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, OwnBudget] = OrderedDict()
        self._strangers = OwnBudget(STRANGERS_PER_S, BURST_STRANGERS)
        self._regulars = OwnBudget(REGULARS_PER_S, BURST_REGULARS)
        self._floods = SharedBudget(FLOOD_CONNECTIONS_PER_S)
        self._urgent = SharedBudget(URGENT_PER_S)

    def charge(self, address: str, n: float, now: float) -> bool:
        """Count so many connections of an address; whether they may be served at once."""
        who = subscriber(address)
        own, all_such = self._known.get(who), self._regulars
        if own is None:
            own, all_such = OwnBudget(CONNECTIONS_PER_S, BURST_CONNECTIONS), self._strangers
            self._known[who] = own
            if len(self._known) > MAX_ADDRESSES:
                self._known.popitem(last=False)
        self._known.move_to_end(who)
        return own.charge(n, now) and all_such.charge(n, now)

    def turn(self, address: str, n: float, now: float, *, is_urgent: bool) -> float | None:
        """The seconds after which a connection may be served that may not be at once; None: it is
        too many."""
        budget = self._urgent if is_urgent else self._floods
        return budget.charge(subscriber(address), n, now, LONGEST_WAIT_S)


class Unfinished(Generic[Visit]):
    """Connections whose requests have not been read yet, by address."""

    def __init__(self) -> None:
        self._by_address: dict[str, dict[Visit, None]] = {}  # the oldest first
        self._address_of: dict[Visit, str] = {}

    def __len__(self) -> int:
        return len(self._address_of)

    def add(self, visit: Visit, address: str) -> None:
        """One more, or another address of one that is there."""
        self.discard(visit)
        who = subscriber(address)
        self._address_of[visit] = who
        self._by_address.setdefault(who, {})[visit] = None

    def discard(self, visit: Visit) -> None:
        """One that is finished or gone."""
        who = self._address_of.pop(visit, None)
        if who is None:
            return
        of_address = self._by_address[who]
        del of_address[visit]
        if not of_address:
            del self._by_address[who]

    def victim(self) -> Visit:
        """The one to close for a newcomer: the oldest of the address that has most of them."""
        most = max(self._by_address, key=lambda who: len(self._by_address[who]))
        return next(iter(self._by_address[most]))
