"""The port on which HAProxy asks how many listeners this server can take: the protocol of its
``agent-check`` (HAProxy's configuration manual, 5.2). Each connection is answered with one line.

The words are those that a balancer needs and no others. ``ready`` takes a ``drain`` back, which
``up`` does not; ``maxconn:0`` would mean without limit. A percentage of the server's weight is
never told: it is rounded down, to no weight at all, and does not end ``down``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.net.stream import ClientStream
    from pipeline.service import Service

DRAIN = "up drain"
"""No newcomers, while those who are there are served on."""


class Agent:
    """What answers on the agent's port, from the server's start to its end."""

    def __init__(self) -> None:
        self.service: Service | None = None
        """None: the server is starting."""

    @property
    def words(self) -> str:
        """The words for the server as it is now. The number is of those who have a place, and of as
        many newcomers in the server's style as there are places and time for: one at least. Sockets
        that have no place come on top, since HAProxy counts all that are open against it."""
        service = self.service
        if service is None or service.not_ready_because is not None:
            return DRAIN
        n = service.n_listeners + service.pace.room(service.style)
        n = max(1, min(n, service.max_listeners))
        return f"up ready maxconn:{n + service.places.n_pooled}"

    async def serve(self, stream: ClientStream) -> None:
        """Answer one connection, whatever it sends, and close."""
        await stream.send_all(f"{self.words}\n".encode("ascii"))
        await stream.linger()
