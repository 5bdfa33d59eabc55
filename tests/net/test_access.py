"""Who is let in: keys, origins and hosts, by the head of a request alone."""

from __future__ import annotations

import h11
import pytest

from pipeline.net.access import Access, is_loopback, subprotocol
from pipeline.net.keys import NamedKey, read_keys
from pipeline.net.request_head import HttpRequest, Refused

KEY, OTHER_KEY, NO_KEY = "sixteen-letters-1", "sixteen-letters-2", "sixteen-letters-3"


def keys(*words: str) -> list[NamedKey]:
    return read_keys(None, ",".join(words))


def request(
    target: str = "/api/voices", *, method: str = "GET", upgrade: bool = False, **headers: str
) -> HttpRequest:
    fields = {"host": "localhost:8765"} | ({"upgrade": "websocket"} if upgrade else {}) | headers
    head = h11.Request(
        method=method,
        target=target,
        headers=[
            (name.replace("_", "-").encode(), value.encode("latin-1"))
            for name, value in fields.items()
        ],
    )
    return HttpRequest(head)


def refusal(access: Access, asked: HttpRequest) -> tuple[int, str] | None:
    try:
        access.check(asked)
    except Refused as refused:
        return refused.status, refused.code
    return None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8765",
        "localhost.",
        "voice.localhost",
        "127.0.0.1:8765",
        "[::1]:8765",
        "192.168.1.5:8765",  # an address: no name to rebind
        "bound.example:8765",
        "proxy.example",
    ],
)
def test_without_a_key_the_server_answers_to_its_own_names(host: str) -> None:
    access = Access(host="bound.example", hosts=["Proxy.Example"])
    assert refusal(access, request(host=host)) is None
    assert refusal(access, request("/ws/stream", upgrade=True, host=host)) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example",
             "[", "[::1]x:1", "127.0.0.1 evil.example"],
)  # fmt: skip
@pytest.mark.parametrize("target", ["/", "/api/voices", "/api/speak", "/ws/stream", "/metrics"])
def test_without_a_key_another_name_is_refused(host: str, target: str) -> None:
    """A page of evil.example, whose name was pointed at this machine, is of our own origin."""
    for upgrade in (False, True):
        asked = request(target, upgrade=upgrade, host=host, origin=f"http://{host}")
        assert refusal(Access(), asked) == (403, "foreign_host")


def test_with_a_key_the_name_does_not_matter() -> None:
    asked = request(host="any.example", authorization=f"Bearer {KEY}")
    assert refusal(Access(keys=keys(KEY)), asked) is None


def test_without_a_host_there_is_no_browser() -> None:
    head = h11.Request(method="GET", target="/", headers=[], http_version="1.0")
    assert refusal(Access(), HttpRequest(head)) is None


def test_health_is_told_to_everybody() -> None:
    for access in (Access(), Access(keys=keys(KEY))):
        for target in ("/health/live", "/health/ready"):
            asked = request(target, host="balancer.example", origin="http://evil.example")
            assert refusal(access, asked) is None


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost", "http://localhost:1", "file://",
               "http://localhost:8765.evil.example", "localhost:8765", "",
               "https://friend.example.evil.example", "http://friend.example"],
)  # fmt: skip
def test_a_page_of_another_host_is_refused(origin: str) -> None:
    for access in (Access(), Access(origins=["https://friend.example"]), Access(keys=keys(KEY))):
        for upgrade in (False, True):
            asked = request(upgrade=upgrade, origin=origin, authorization=f"Bearer {KEY}")
            assert refusal(access, asked) == (403, "foreign_origin")


@pytest.mark.parametrize("origin", ["http://localhost:8765", "https://LOCALHOST:8765"])
def test_a_page_of_our_own_is_served(origin: str) -> None:
    """Also behind a proxy that speaks TLS for us."""
    assert refusal(Access(), request(origin=origin)) is None


def test_a_page_that_is_allowed_is_served() -> None:
    access = Access(origins=["https://friend.example"])
    assert refusal(access, request(origin="https://friend.example")) is None


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", ["voice.example", "VOICE.example", "voice.example.", "[::1]"])
@pytest.mark.parametrize("port", ["", ":", ":80", ":443"])
def test_a_default_port_may_be_named_or_not(scheme: str, name: str, port: str) -> None:
    """``Host: name:443`` beside ``Origin: https://name`` was another host. A proxy that speaks TLS
    asks us without, and may name port 80 or 443 for a page of either scheme."""
    access = Access(hosts=["voice.example:443"])
    spelt = name.removesuffix(".")
    for own_port in ("", ":80", ":443"):
        origin = f"{scheme}://{spelt.lower()}{own_port}"
        assert refusal(access, request(host=name + port, origin=origin)) is None
        other = request(host=f"{name}:8443", origin=origin)
        assert refusal(access, other) == (403, "foreign_origin")
        other = request(host=name + port, origin=f"{scheme}://{spelt}:8443")
        assert refusal(access, other) == (403, "foreign_origin")


@pytest.mark.parametrize(
    ("allowed", "origin", "is_let_in"),
    [
        ("https://friend.example:443", "https://friend.example", True),
        ("https://Friend.example", "https://friend.example:443", True),
        ("http://friend.example:80", "http://friend.example", True),
        ("https://friend.example", "https://friend.example:80", False),  # another's page
        ("http://friend.example", "https://friend.example", False),
        ("https://friend.example:8443", "https://friend.example", False),
    ],
)
def test_a_page_is_allowed_with_its_default_port_or_without(
    allowed: str, origin: str, is_let_in: bool
) -> None:
    access = Access(origins=[allowed])
    assert (refusal(access, request(origin=origin)) is None) == is_let_in


def test_an_origin_that_no_browser_writes_is_refused() -> None:
    access = Access(origins=["https://bücher.example"])
    asked = request(origin="https://bücher.example")
    assert refusal(access, asked) == (403, "foreign_origin")


def test_two_origins_are_none() -> None:
    head = h11.Request(
        method="GET",
        target="/",
        headers=[("host", "a"), ("origin", "http://a"), ("origin", "http://evil.example")],
    )
    assert refusal(Access(hosts=["a"]), HttpRequest(head)) == (403, "foreign_origin")


@pytest.mark.parametrize(
    "header",
    [{"authorization": f"Bearer {KEY}"}, {"authorization": f"bearer  {OTHER_KEY}"},
     {"authorization": f"Token {KEY}"}, {"authorization": f"token {KEY}"},
     {"xi_api_key": KEY}, {"x_api_key": KEY}, {"x_api_key": "other", "xi_api_key": KEY}],
)  # fmt: skip
def test_a_key_opens(header: dict[str, str]) -> None:
    """However clients that were made for other services send it."""
    access = Access(keys=keys(KEY, OTHER_KEY))
    for upgrade in (False, True):
        assert refusal(access, request(upgrade=upgrade, **header)) is None


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", f"Bearer {NO_KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}",
     f"Basic {KEY}", KEY, "Token", f"Token {NO_KEY}",
     f"Bearer {KEY.upper()}", f"Bearer {KEY} {OTHER_KEY}", "Bearer \xe9"],
)  # fmt: skip
@pytest.mark.parametrize(
    "target",
    ["/api/voices", "/api/speak", "/metrics", "/ws/stream", "/no/such/path", "//", "/%68ealth/live",
     "/health", "/webs", "http://localhost/health/live", "//web/page.js", f"/api/voices?key={KEY}"],
)  # fmt: skip
def test_without_a_right_key_nothing_opens(authorization: str, target: str) -> None:
    access = Access(keys=keys(KEY, OTHER_KEY))
    asked = request(target, authorization=authorization)
    assert refusal(access, asked) == (401, "unauthorized")


@pytest.mark.parametrize(
    "target", ["/", "/?a=b", "/web/page.js", "/docs", "/docs/files/x.js", "/openapi.json"]
)
def test_the_page_loads_without_a_key_since_it_is_what_asks_for_it(target: str) -> None:
    assert refusal(Access(keys=keys(KEY)), request(target)) is None
    assert refusal(Access(keys=keys(KEY)), request(target, upgrade=True)) == (401, "unauthorized")


def test_a_page_can_put_the_key_of_a_websocket_into_its_url() -> None:
    access = Access(keys=keys("a+b/c=&%0123456789"))
    target = "/ws/stream?events=true&key=a%2Bb%2Fc%3D%26%250123456789"
    assert refusal(access, request(target, upgrade=True)) is None
    assert refusal(access, request(target)) == (401, "unauthorized")
    for name in ("api_key", "access_token"):  # Cartesia's
        asked = request(target.replace("key=", f"{name}="), upgrade=True)
        assert refusal(access, asked) is None
    for wrong in ("key=", "key=wrong", "kay=a", ""):
        asked = request(f"/ws/stream?{wrong}", upgrade=True)
        assert refusal(access, asked) == (401, "unauthorized")


def test_a_browser_may_ask_whether_a_page_may_ask() -> None:
    access = Access(keys=keys(KEY), origins=["https://friend.example"])

    def preflight(origin: str) -> HttpRequest:
        return request(
            "/api/speak", method="OPTIONS", origin=origin, access_control_request_method="POST"
        )

    assert refusal(access, preflight("https://friend.example")) is None
    assert refusal(access, preflight("https://evil.example")) == (403, "foreign_origin")
    assert refusal(access, request("/api/speak", method="OPTIONS")) == (401, "unauthorized")


def test_only_a_page_that_is_allowed_may_read_a_refusal() -> None:
    access = Access(keys=keys(KEY), origins=["https://friend.example"])
    with pytest.raises(Refused) as read:
        access.check(request(origin="https://friend.example"))
    headers = dict(read.value.headers)
    assert headers["access-control-allow-origin"] == "https://friend.example"
    assert headers["vary"] == "origin"
    assert "www-authenticate" in headers
    for origin in ("https://evil.example", "http://localhost:8765"):
        with pytest.raises(Refused) as unread:
            access.check(request(origin=origin))
        assert "access-control-allow-origin" not in dict(unread.value.headers)
    without_key = Access(origins=["https://friend.example"])
    with pytest.raises(Refused) as renamed:
        without_key.check(request(host="voice.example", origin="https://friend.example"))
    assert renamed.value.status == 403
    assert "access-control-allow-origin" in dict(renamed.value.headers)


def test_a_refusal_says_how_to_come_in() -> None:
    with pytest.raises(Refused) as missing:
        Access(keys=keys(KEY)).check(request())
    assert dict(missing.value.headers) == {"www-authenticate": 'Bearer realm="voice server"'}
    with pytest.raises(Refused) as wrong:
        Access(keys=keys(KEY)).check(request(authorization=f"Bearer {NO_KEY}"))
    assert "invalid_token" in dict(wrong.value.headers)["www-authenticate"]
    assert NO_KEY not in str(wrong.value)


@pytest.mark.parametrize(
    ("host", "is_ours_alone"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.5", False), ("myself.example", False),  # noqa: S104
     ("", False)],
)  # fmt: skip
def test_what_only_this_machine_reaches(host: str, is_ours_alone: bool) -> None:
    assert is_loopback(host) == is_ours_alone


@pytest.mark.parametrize(
    ("offered", "chosen", "opens"),
    [
        (f"token, {KEY}", "token", True),
        (f"bearer,{KEY}", "bearer", True),
        (f"Token, {KEY}, x-deepgram-session-id, 1", "Token", True),
        (f"chat, token, {KEY}", "token", True),
        (f"token, {NO_KEY}", "token", False),
        (f"token, x, {KEY}", "token", False),
        ("token", "token", False),
        (f"x-deepgram-session-id, {KEY}", None, False),
        (KEY, None, False),
        ("chat", None, False),
        ("", None, False),
    ],
)
def test_a_page_can_offer_its_key_as_a_subprotocol(
    offered: str, chosen: str | None, opens: bool
) -> None:
    """As Deepgram's SDK does in a browser. What is chosen is never the key."""
    asked = request("/v1/speak", upgrade=True, sec_websocket_protocol=offered)
    assert (refusal(Access(keys=keys(KEY)), asked) is None) is opens
    assert subprotocol([word.strip() for word in offered.split(",")]) == chosen
    over_http = request("/v1/speak", sec_websocket_protocol=offered)
    assert refusal(Access(keys=keys(KEY)), over_http) == (401, "unauthorized")


def test_a_client_without_a_key_is_told_that_it_needs_one() -> None:
    """SillyTavern sends `Bearer` and nothing behind it."""
    for asked in (request(), request(authorization="Bearer"), request(x_api_key="")):
        with pytest.raises(Refused, match="this needs a key"):
            Access(keys=keys(KEY)).check(asked)


def test_the_lists_are_open_where_the_server_was_told_to_open_them() -> None:
    """Open WebUI asks for them without the key that it has."""
    for target in ("/v1/models", "/v1/audio/models", "/v1/audio/voices?model=x"):
        assert refusal(Access(keys=keys(KEY)), request(target)) == (401, "unauthorized")
        assert refusal(Access(keys=keys(KEY), open_lists=True), request(target)) is None
    for target in ("/v1/audio/speech", "/api/voices", "/v1/models/", "/metrics"):
        refused = refusal(Access(keys=keys(KEY), open_lists=True), request(target))
        assert refused == (401, "unauthorized")


@pytest.mark.parametrize(
    ("host", "option"),
    [
        ("voice:8765", "--allowed-hosts voice,"),
        ("Host.Docker.Internal", "--allowed-hosts host.docker.internal,"),
        ("\xe9vil", "--allowed-hosts,"),
    ],
)
def test_a_container_is_told_the_option_that_lets_it_in(host: str, option: str) -> None:
    """And so is whoever runs the server; a name that no container has is not repeated."""
    with pytest.raises(Refused) as refused:
        Access().check(request(host=host))
    assert option in str(refused.value)
    assert refused.value.advice == str(refused.value)


@pytest.mark.parametrize(
    ("origin", "option"),
    [
        ("chrome-extension://abcdef", "--allowed-origins chrome-extension://abcdef"),
        ("https://st.example:8000", "--allowed-origins https://st.example:8000"),
        ("null", "--allowed-origins"),
        ("http://a\xa0b", "--allowed-origins"),
    ],
)
def test_a_page_is_told_the_option_that_lets_it_in(origin: str, option: str) -> None:
    with pytest.raises(Refused) as refused:
        Access().check(request(origin=origin))
    assert str(refused.value).endswith(option)
    assert refused.value.advice == str(refused.value)


def test_an_extension_that_is_allowed_is_served() -> None:
    access = Access(origins=["chrome-extension://abcdef"])
    assert refusal(access, request(origin="chrome-extension://abcdef")) is None
    assert refusal(access, request(origin="chrome-extension://other")) == (403, "foreign_origin")
