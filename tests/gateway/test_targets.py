"""What a proxy asks about is read from its own dialect alone, and each part of it once (S34, S42)."""

import pytest

from ostiary.errors import ConfigurationError
from ostiary.gateway.paths import Ambiguous
from ostiary.gateway.proxies import TrustedProxies
from ostiary.gateway.request_headers import RequestHeaders
from ostiary.gateway.targets import (
    FORWARDED,
    ORIGINAL,
    Dialect,
    ProxyMisconfigured,
    Target,
    checked_target,
    make_target,
    parse_host,
)

Pairs = list[tuple[bytes, bytes]]


def forwarded(**changes: str) -> Pairs:
    said = {"method": "GET", "proto": "https", "host": "api.example.com", "uri": "/api/orders?a=1", **changes}
    return [(f"x-forwarded-{name}".encode(), value.encode()) for name, value in said.items()]


def original(**changes: str) -> Pairs:
    said = {"method": "POST", "proto": "https", "host": "api.example.com", "uri": "/api/orders", **changes}
    return [(f"x-original-{name}".encode(), value.encode()) for name, value in said.items()]


def test_each_dialect_tells_the_whole_request() -> None:
    assert FORWARDED.target(RequestHeaders(forwarded())) == Target(
        "GET", "https", "api.example.com", "/api/orders", "a=1"
    )
    assert ORIGINAL.target(RequestHeaders(original())) == Target("POST", "https", "api.example.com", "/api/orders", "")
    asked = checked_target(
        method="PUT", raw_uri=b"/api/x?y", headers=RequestHeaders([(b"host", b"API.example.com:8443")])
    )
    assert asked == Target("PUT", "http", "api.example.com", "/api/x", "y")


def test_what_a_client_says_in_another_dialect_counts_for_nothing() -> None:
    """`X-Forwarded-Uri` of a client behind nginx, `X-Original-URI` of one behind Caddy. S34, S42"""
    spoofed = RequestHeaders([*forwarded(uri="/health"), *original(uri="/api/admin")])
    assert ORIGINAL.target(spoofed).path == "/api/admin"
    assert FORWARDED.target(spoofed).path == "/health"
    envoy = RequestHeaders([(b"host", b"api.example.com"), *forwarded(uri="/health"), *original(uri="/health")])
    assert checked_target(method="GET", raw_uri=b"/api/admin", headers=envoy).path == "/api/admin"


def test_a_header_that_names_another_method_never_counts() -> None:
    """S42"""
    names = (b"x-http-method-override", b"x-http-method", b"x-method-override")
    headers = RequestHeaders([*original(method="GET"), *((name, b"DELETE") for name in names)])
    assert ORIGINAL.target(headers).method == "GET"


@pytest.mark.parametrize("name", [b"x-original-uri", b"x-original-method", b"x-original-host", b"x-original-proto"])
def test_what_comes_twice_is_refused_and_what_is_missing_is_the_proxys_fault(name: bytes) -> None:
    """S34"""
    twice = RequestHeaders([*original(), (name, b"/api/public")])
    with pytest.raises(Ambiguous, match=f"exactly one {name.decode().title()}"):
        ORIGINAL.target(twice)
    missing = RequestHeaders([pair for pair in original() if pair[0] != name])
    with pytest.raises(ProxyMisconfigured, match=name.decode().title()):
        ORIGINAL.target(missing)


def test_two_hosts_are_refused_wherever_they_come_from() -> None:
    """A double Host. S42"""
    with pytest.raises(Ambiguous, match="exactly one Host"):
        checked_target(
            method="GET", raw_uri=b"/a", headers=RequestHeaders([(b"host", b"a.test"), (b"host", b"b.test")])
        )
    with pytest.raises(Ambiguous, match="the Host must be one name"):
        FORWARDED.target(RequestHeaders(forwarded(host="a.test, b.test")))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("API.Example.com", "api.example.com"),
        ("api.example.com:8443", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:3290", "[::1]"),
    ],
)
def test_a_host_is_read_without_case_and_port(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text", ["", "a@b.test", "a b", "a/b", "[::zz]", "[::1", "a.test:x", "-a.test", "a\n", "é.test"]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(Ambiguous, match="the Host must be one name"):
        parse_host(text)


@pytest.mark.parametrize("method", ["get", "CONNECT", "TRACE", "TRACK", "GET POST", "", "GET\n", "DELETE,GET", "G3T"])
def test_a_method_that_could_be_read_as_another_is_refused(method: str) -> None:
    with pytest.raises(Ambiguous, match="the method must be written in upper case"):
        make_target(method=method, scheme="https", host="a.test", uri="/")


@pytest.mark.parametrize("scheme", ["ftp", "https, http", "HTTPS", ""])
def test_a_scheme_is_http_or_https(scheme: str) -> None:
    with pytest.raises(Ambiguous, match="http or https"):
        make_target(method="GET", scheme=scheme, host="a.test", uri="/")


@pytest.mark.parametrize("dialect", [FORWARDED, ORIGINAL])
def test_a_header_that_is_no_ascii_is_refused(dialect: Dialect) -> None:
    pairs = [*forwarded(), *original()]
    headers = RequestHeaders([(name, b"/caf\xe9" if name == dialect.uri else value) for name, value in pairs])
    with pytest.raises(Ambiguous, match="must be ASCII"):
        dialect.target(headers)
    with pytest.raises(Ambiguous, match="ASCII"):
        checked_target(method="GET", raw_uri=b"/caf\xe9", headers=headers)


def test_only_listed_networks_may_ask() -> None:
    """S34"""
    proxies = TrustedProxies(["10.0.0.0/8", "2001:db8::/32"])
    assert [proxies.trusts(peer) for peer in ("10.1.2.3", "2001:db8::9", "::ffff:10.0.0.1", None)] == [True] * 4
    assert [proxies.trusts(peer) for peer in ("11.0.0.1", "127.0.0.1", "garbage", "")] == [False] * 4
    assert TrustedProxies().trusts("127.0.0.1")
    assert not TrustedProxies().trusts("192.0.2.1")


@pytest.mark.parametrize("networks", [[], "10.0.0.0/8", ["10.0.0.1/8"], ["nonsense"]])
def test_networks_that_are_none_are_refused_at_the_start(networks: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="trusted proxies"):
        TrustedProxies(networks)


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ([], "10.0.0.1"),
        ([b"203.0.113.5"], "203.0.113.5"),
        ([b"198.51.100.1, 203.0.113.5, 10.0.0.7"], "203.0.113.5"),
        ([b"198.51.100.1", b"203.0.113.5"], "203.0.113.5"),
        ([b"::ffff:203.0.113.5"], "203.0.113.5"),
        ([b"203.0.113.5, unknown, 10.0.0.7"], "10.0.0.7"),
        ([b"' OR 1=1"], "10.0.0.1"),
        ([b"10.0.0.8, 10.0.0.9"], "10.0.0.8"),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_none_of_ours(said: list[bytes], address: str) -> None:
    """Garbage changes nothing and lets nothing pass. S34"""
    headers = RequestHeaders([(b"x-forwarded-for", value) for value in said])
    assert TrustedProxies(["10.0.0.0/8"]).find_client(headers, "10.0.0.1") == address
