"""The rules for voices that clients upload: who may, under which names, and how much. Pure: they
read a request's head and decide.

An upload fills the disk of whoever runs the server, and everybody can speak with it. So it takes a
key; where the server has none, it takes a client on the same machine, of a server that can be
reached from nowhere else.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from pipeline.net.own_machine import comes_from_here
from pipeline.net.request_head import Refused
from stages.rvc import UPLOADED

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.net.request_head import HttpRequest
    from pipeline.tenants import Tenant

FOLDER = "/api/voices/"
INDEX = "index"

MAX_NAME_CHARS, MAX_NAME_BYTES = 100, 200
"""A file's name has up to 255 bytes."""


class UploadTarget(NamedTuple):
    """What an upload is for."""

    name: str
    """A voice's, in Unicode's form NFC; not checked yet."""
    is_index: bool
    """Its index, and not the voice itself."""


@dataclass(frozen=True, slots=True)
class UploadRules:
    """The rules of one server."""

    is_on: bool = True
    has_keys: bool = False
    """Every request that comes this far has shown one."""
    is_private: bool = False
    """Only this machine reaches the server, and it was not told to let everybody in."""
    max_bytes: int = 500_000_000
    """The largest file."""
    quota_bytes: int = 2_000_000_000
    """The most in all files together."""

    def check_client(self, peer: str, values: Callable[[str], list[str]]) -> None:
        """Raises `Refused` for a client that may not upload. `peer` is its address, `values` gives
        the values of a header by its name in lower case."""
        if not self.is_on:
            raise Refused(403, "uploads_off", "uploads are off here: --no-uploads")
        if self.has_keys:
            return
        if not self.is_private or not comes_from_here(peer, values):
            msg = (
                "without keys only a client on this machine may upload, and only where the server"
                " listens on nothing else: give the server keys, by --api-keys-file"
            )
            raise Refused(403, "uploads_need_a_key", msg)

    def check_size(self, request: HttpRequest) -> int:
        """The bytes of an upload, which its head must tell. Raises `Refused`."""
        if request.values(b"content-encoding"):
            raise Refused(415, "bad_request", "send the file as it is, without Content-Encoding")
        lengths = request.values(b"content-length")
        if request.values(b"transfer-encoding") or not lengths:
            msg = "say by Content-Length how large the file is; it is not taken in chunks"
            raise Refused(411, "length_required", msg)
        return self.check_length(int(lengths[0]))

    def check_length(self, n_bytes: int) -> int:
        """The same, for so many bytes."""
        if n_bytes == 0:
            raise Refused(422, "unusable_voice", "the body is empty: it should be the file")
        if n_bytes > self.max_bytes:
            msg = f"the file has {n_bytes} bytes, and at most {self.max_bytes} are taken"
            raise Refused(413, "too_large", msg)
        return n_bytes

    def check_quota(self, n_bytes: int, used_bytes: int) -> None:
        """Raises `Refused` where so many more bytes are too many."""
        left = max(0, self.quota_bytes - used_bytes)
        if n_bytes > left:
            msg = (
                f"this takes {n_bytes} bytes, and of the {self.quota_bytes} for uploads {left} are"
                " left: remove a voice (DELETE), or raise --uploads-quota-mb"
            )
            raise Refused(507, "quota_exceeded", msg)


def upload_target(request: HttpRequest) -> UploadTarget | None:
    """What a request uploads; None: it does not."""
    if request.method != "PUT" or not request.path.startswith(FOLDER):
        return None
    name, slash, part = request.path.removeprefix(FOLDER).partition("/")
    if (slash and part != INDEX) or not name:
        return None
    # What is not UTF-8 becomes a character that no name may hold.
    decoded = unquote_to_bytes(name).decode(errors="replace")
    return UploadTarget(unicodedata.normalize("NFC", decoded), is_index=bool(slash))


def check_tenant(tenant: Tenant | None) -> None:
    """Raises `Refused` for a key that speaks with some voices only: everybody sees an upload, and
    whoever may upload may remove the uploads of others."""
    if tenant is not None and not tenant.has_all_voices:
        raise Refused(403, "uploads_off", "this key may not upload: it has voices of its own")


def check_name(name: str) -> None:
    """Raises `Refused` for a name that no uploaded voice can have."""
    if not 1 <= len(name) <= MAX_NAME_CHARS or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        why = f"it has 1 to {MAX_NAME_CHARS} characters, of at most {MAX_NAME_BYTES} bytes in UTF-8"
    elif not name.isprintable() or "\ufffd" in name or any(char in name for char in "/\\:"):
        why = "it has no slash, no colon, and nothing that cannot be printed"
    elif name != name.strip() or name.startswith((".", "__MACOSX")) or name == UPLOADED:
        why = f"it neither begins with a dot nor ends in spaces, and is not {UPLOADED!r}"
    else:
        return
    raise Refused(422, "bad_name", f"this cannot be the name of a voice: {why}")
