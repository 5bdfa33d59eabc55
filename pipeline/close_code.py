"""How a connection ended."""

from enum import IntEnum


class CloseCode(IntEnum):
    """The reason why a connection ended, as RFC 6455 numbers it."""

    NORMAL = 1000
    GOING_AWAY = 1001
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
