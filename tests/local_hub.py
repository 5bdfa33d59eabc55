"""A small Hugging Face hub on this machine: what a download asks of the real one.

    with LocalHub() as hub:
        commit = hub.publish("owner/name", {"config.json": b"{}", "model.safetensors": b"..."})
        hub.faults["model.safetensors"] = iter([Break(after=1000)])
        subprocess.run(..., env={"HF_ENDPOINT": hub.url})

As on the real one, weights lie outside Git (LFS): they have a SHA-256, and are answered with a
redirect to where they are stored. Faults happen one a request, in the order in which they stand.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = (".safetensors", ".pth", ".pt", ".onnx")

LISTING = ""
"""For `LocalHub.faults`: the question what a revision has, rather than a file."""

PIECE_BYTES = 1 << 16
"""That a transfer is written in."""


@dataclass(frozen=True)
class Break:
    """The connection ends after so many bytes."""

    after: int


@dataclass(frozen=True)
class Stall:
    """After so many bytes nothing comes, until the hub is closed."""

    after: int


@dataclass(frozen=True)
class Corrupt:
    """One byte is wrong."""


@dataclass(frozen=True)
class Whole:
    """Everything is sent, whatever range was asked for."""


@dataclass(frozen=True)
class Refuse:
    """An error, and the code by which the real hub says which."""

    status: int
    code: str = ""


@dataclass(frozen=True)
class Page:
    """It answers, but as any web site does."""


Fault = Break | Stall | Corrupt | Whole | Refuse | Page


@dataclass(frozen=True)
class Asked:
    """A request for a file, or for a listing."""

    name: str
    revision: str
    range: str | None
    authorization: str | None


@dataclass
class Repo:
    """Its commits, and which one is main."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    main: str = ""


class LocalHub:
    """See above. Everything may be changed while it runs."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.faults: dict[str, Iterator[Fault]] = {}
        self.sizes: dict[str, int] = {}
        """Of files: told in place of the true ones."""
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def publish(self, repo: str, files: dict[str, bytes]) -> str:
        """A new commit on main: its hash."""
        ours = self.repos.setdefault(repo, Repo())
        ours.main = random.randbytes(20).hex()
        ours.commits[ours.main] = files
        return ours.main

    def ranges(self, name: str) -> list[str | None]:
        """What was asked for of a file, in order; None is all of it."""
        return [asked.range for asked in self.asked if asked.name == name]

    def next_fault(self, name: str) -> Fault | None:
        return next(self.faults.get(name, iter(())), None)


class _Server(ThreadingHTTPServer):
    hub: LocalHub
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that leaves in the middle is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each small answer waits 40 ms for an acknowledgement

    def log_message(self, *_: object) -> None:
        """The tests read `LocalHub.asked`."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if asked := re.fullmatch("/api/models/(.+)/revision/(.+)", path):
            self._answer_listing(*asked.groups())
        elif asked := re.fullmatch("/(.+)/resolve/([^/]+)/(.+)", path):
            self._answer_file(*asked.groups())
        elif asked := re.fullmatch("/stored/(.+)/([0-9a-f]{40})/(.+)", path):
            repo, commit, name = asked.groups()
            self._note(name, "stored")
            self._send(self.server.hub.repos[repo].commits[commit][name], name)
        else:
            self._refuse(Refuse(HTTPStatus.NOT_FOUND))

    def _answer_listing(self, repo: str, revision: str) -> None:
        hub = self.server.hub
        self._note(LISTING, revision)
        match hub.next_fault(LISTING):
            case Refuse() as refusal:
                self._refuse(refusal)
                return
            case Page():
                self._reply(b"<html>Welcome!</html>")
                return
        found = self._find(repo, revision)
        if found is None:
            return
        commit, files = found
        listing = {
            "id": repo,
            "sha": commit,
            "siblings": [self._tell(*file) for file in files.items()],
        }
        self._reply(json.dumps(listing).encode())

    def _tell(self, name: str, data: bytes) -> dict[str, object]:
        size = self.server.hub.sizes.get(name, len(data))
        content = data
        lfs = None
        if name.endswith(LARGE):
            oid = hashlib.sha256(data).hexdigest()
            content = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\n".encode()
            lfs = {"sha256": oid, "size": size, "pointerSize": len(content)}
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        told = {"rfilename": name, "size": size, "blobId": blob.hexdigest()}
        return told if lfs is None else told | {"lfs": lfs}

    def _answer_file(self, repo: str, revision: str, name: str) -> None:
        found = self._find(repo, revision)
        if found is None:
            return
        commit, files = found
        if name not in files:
            self._refuse(Refuse(HTTPStatus.NOT_FOUND, "EntryNotFound"))
        elif name.endswith(LARGE):
            # Another host's name, as there: the token must not follow.
            self.send_response(HTTPStatus.FOUND)
            stored = f"http://localhost:{self.server.hub.port}/stored/{repo}/{commit}/{name}"
            self.send_header("Location", stored)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._note(name, revision)
            self._send(files[name], name)

    def _find(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        ours = self.server.hub.repos.get(repo)
        if ours is None:
            self._refuse(Refuse(HTTPStatus.NOT_FOUND, "RepoNotFound"))
            return None
        commit = ours.main if revision == "main" else revision
        if commit not in ours.commits:
            self._refuse(Refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound"))
            return None
        return commit, ours.commits[commit]

    def _note(self, name: str, revision: str) -> None:
        headers = self.headers
        asked = Asked(name, revision, headers["Range"], headers["Authorization"])
        self.server.hub.asked.append(asked)

    def _send(self, data: bytes, name: str) -> None:
        fault = self.server.hub.next_fault(name)
        match fault:
            case Refuse():
                self._refuse(fault)
                return
            case Corrupt():
                data = bytes([data[0] ^ 1]) + data[1:]
        begin = 0
        if (asked := self.headers["Range"]) and not isinstance(fault, Whole):
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        match fault:
            case Break(after):
                self._write(data[begin : begin + after])
                self.close_connection = True
            case Stall(after):
                self._write(data[begin : begin + after])
                self.server.hub.closing.wait()
            case _:
                self._write(data[begin:])

    def _write(self, data: bytes) -> None:
        with suppress(ConnectionError):
            for begin in range(0, len(data), PIECE_BYTES):
                self.wfile.write(data[begin : begin + PIECE_BYTES])

    def _reply(self, data: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, refusal: Refuse) -> None:
        self.send_response(refusal.status)
        if refusal.code:
            self.send_header("X-Error-Code", refusal.code)
        self.send_header("Content-Length", "0")
        self.end_headers()
