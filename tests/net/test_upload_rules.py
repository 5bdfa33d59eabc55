"""Who may upload, under which names, and how much: by the head of a request alone."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.net.request_head import HttpRequest, Refused
from pipeline.net.upload_rules import UploadRules, UploadTarget, check_name, upload_target

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE = UploadRules(is_private=True)


def asked(target: str = "/api/voices/anna", method: str = "PUT", **headers: str) -> HttpRequest:
    fields = {"host": "localhost", **headers}
    return HttpRequest(
        h11.Request(
            method=method,
            target=target,
            headers=[(name.replace("_", "-"), value) for name, value in fields.items()],
        )
    )


def refusal(check: Callable[[], object]) -> tuple[int, str] | None:
    try:
        check()
    except Refused as refused:
        return refused.status, refused.code
    return None


def may(rules: UploadRules, peer: str, **headers: str) -> str | None:
    """The code of a refusal."""
    request = asked(**headers)
    refused = refusal(lambda: rules.check_client(peer, lambda name: request.values(name.encode())))
    return refused[1] if refused else None


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1", "[::1]:8765", "a.localhost", ""])
def test_this_machine_may_where_nobody_else_comes(peer: str, host: str) -> None:
    assert may(PRIVATE, peer, host=host) is None


@pytest.mark.parametrize("peer", ["192.168.1.5", "::2", "", "nonsense", "::ffff:10.0.0.1"])
def test_another_machine_needs_a_key(peer: str) -> None:
    assert may(PRIVATE, peer) == "uploads_need_a_key"


def test_a_server_that_lets_everybody_in_takes_none_without_a_key() -> None:
    """A proxy on the machine comes from there, too."""
    assert may(UploadRules(), "127.0.0.1") == "uploads_need_a_key"


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "1.2.3.4"},
        {"forwarded": "for=1.2.3.4"},
        {"x_real_ip": "1.2.3.4"},
        {"via": "1.1 proxy"},
        {"host": "voice.example"},
        {"host": "192.168.1.5:8765"},
        {"host": "evil host"},
    ],
)
def test_a_request_that_was_passed_on_is_not_from_here(headers: dict[str, str]) -> None:
    assert may(PRIVATE, "127.0.0.1", **headers) == "uploads_need_a_key"


def test_with_keys_it_does_not_matter_where_a_client_is() -> None:
    """Access has seen the key by then."""
    assert may(UploadRules(has_keys=True), "1.2.3.4", x_forwarded_for="5.6.7.8") is None


def test_uploads_may_be_off() -> None:
    assert may(UploadRules(is_on=False, has_keys=True), "127.0.0.1") == "uploads_off"


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"content_length": "10"}, None),
        ({"content_length": "100"}, None),
        ({"content_length": "101"}, (413, "too_large")),
        ({"content_length": "9" * 18}, (413, "too_large")),
        ({"content_length": "0"}, (422, "unusable_voice")),
        ({}, (411, "length_required")),
        ({"transfer_encoding": "chunked"}, (411, "length_required")),
        ({"content_length": "10", "content_encoding": "gzip"}, (415, "bad_request")),
    ],
)
def test_the_size_is_told_beforehand(
    headers: dict[str, str], refused: tuple[int, str] | None
) -> None:
    rules = UploadRules(max_bytes=100)
    assert refusal(lambda: rules.check_size(asked(**headers))) == refused


def test_a_quota_is_told_with_figures() -> None:
    rules = UploadRules(quota_bytes=100)
    assert refusal(lambda: rules.check_quota(40, 60)) is None
    with pytest.raises(Refused, match="takes 41 bytes, and of the 100 for uploads 40 are left"):
        rules.check_quota(41, 60)
    with pytest.raises(Refused, match="0 are left"):  # it was lowered
        rules.check_quota(1, 200)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/voices/anna", UploadTarget("anna", is_index=False)),
        ("/api/voices/anna/index", UploadTarget("anna", is_index=True)),
        ("/api/voices/anna?key=1", UploadTarget("anna", is_index=False)),
        ("/api/voices/index", UploadTarget("index", is_index=False)),
        ("/api/voices/a%20b%2Fc", UploadTarget("a b/c", is_index=False)),
        ("/api/voices/a%2Findex", UploadTarget("a/index", is_index=False)),
        ("/api/voices/Jose%CC%81", UploadTarget("Jos\u00e9", is_index=False)),
        ("/api/voices/%ff", UploadTarget("\ufffd", is_index=False)),
        ("/api/voices/", None),
        ("/api/voices", None),
        ("/api/voices/anna/toml", None),
        ("/api/voices/anna/index/", None),
        ("//api/voices/anna", None),
    ],
)
def test_what_an_upload_is_for(path: str, target: UploadTarget | None) -> None:
    assert upload_target(asked(path)) == target
    assert upload_target(asked(path, "POST")) is None


@pytest.mark.parametrize(
    "name",
    ["", "a" * 101, "\U0001f3a4" * 51, "a/b", "..", "../a", "a\\b", "c:a", ".hidden", " a", "a ",
     "a\nb", "a\0b", "\u202e", "\ufffd", "__MACOSX", "uploaded"],
)  # fmt: skip
def test_names_that_no_voice_can_have(name: str) -> None:
    assert refusal(lambda: check_name(name)) == (422, "bad_name")


@pytest.mark.parametrize("name", ["anna", "Anna B. 2", "\U0001f3a4 José", "漢字", "a" * 100, "G_1"])
def test_names_that_a_voice_can_have(name: str) -> None:
    assert refusal(lambda: check_name(name)) is None


@given(st.text(max_size=120))
def test_a_name_that_may_be_is_one_part_of_a_path(name: str) -> None:
    name = unicodedata.normalize("NFC", name)
    if refusal(lambda: check_name(name)) is None:
        assert name not in {"", ".", ".."}
        assert not set(name) & set("/\\:\0\n")
        assert len(name.encode()) <= 200
