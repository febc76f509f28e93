"""Where a browser may be sent back to: what can be registered, and what matches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.errors import Refused
from identity.redirect_uris import check_redirect_uri, find_redirect_uri, origin_of_uri

GOOD = (
    "https://app.example.com/callback",
    "https://app.example.com:8443/callback?tenant=1",
    "http://127.0.0.1/callback",
    "http://localhost:8080/callback",
    "http://[::1]/callback",
    "com.example.app:/callback",
    "com.example.app://callback",
)
# Each with the words that name what was expected.
BAD = (
    ("http://app.example.com/callback", "plain http is for 127.0.0.1"),
    ("http://localhost.evil.com/callback", "plain http is for 127.0.0.1"),
    ("http://127.0.0.1.evil.com/", "plain http is for 127.0.0.1"),
    ("javascript:alert(1)", "expected https"),
    ("data:text/html,hi", "expected https"),
    ("vbscript:x", "expected https"),
    ("myapp:/callback", "reverse-domain"),
    ("https://app.example.com/*", "no wildcards"),
    ("https://*.example.com/callback", "no wildcards"),
    ("https://app.example.com/callback#part", "no fragment"),
    ("https://user@app.example.com/callback", "without user information"),
    ("https://user:word@app.example.com/callback", "without user information"),
    ("https://app.example.com\\@evil.com/", "backslashes"),
    ("https://app.example.com/a/../b", "dot segments"),
    ("https://app.example.com/a/..", "dot segments"),
    ("https://app.example.com/..;/b", "dot segments"),
    ("https://app.example.com/%252f..", "doubly encoded"),
    ("https://app.example.com/a%2e%2e/b", "doubly encoded"),
    ("https://app.example.com/a\tb", "visible ASCII"),
    ("https://app.example.com/ü", "visible ASCII"),
    ("https:///callback", "plain host"),
    ("https:app.example.com", "plain host"),
    ("https://app.example.com:0/", "port from 1 to 65535"),
    ("https://app.example.com:70000/", "port from 1 to 65535"),
    ("https://[::1/", "port from 1 to 65535"),
    ("", "visible ASCII"),
    ("https://app.example.com/" + "a" * 2000, "2000"),
)


@pytest.mark.parametrize("uri", GOOD)
def test_an_https_a_loopback_and_a_reverse_domain_address_can_be_registered(uri: str) -> None:
    """S8"""
    check_redirect_uri(uri)


@pytest.mark.parametrize(("uri", "words"), BAD)
def test_every_other_address_is_refused_at_registration_and_the_field_is_named(uri: str, words: str) -> None:
    """S1, S8"""
    with pytest.raises(Refused, match=words) as refused:
        check_redirect_uri(uri, field="post_logout_redirect_uri")
    assert refused.value.field == "post_logout_redirect_uri"


@pytest.mark.parametrize(("uri", "_words"), BAD)
def test_what_cannot_be_registered_is_not_used_either(uri: str, _words: str) -> None:
    """S8"""
    assert find_redirect_uri([uri], uri) is None


@pytest.mark.parametrize("uri", GOOD)
def test_a_registered_address_matches_itself(uri: str) -> None:
    """S1"""
    assert find_redirect_uri(["https://other.example.com/", uri], uri) == uri


# What is registered, and what an attacker would like to count as the same.
NEARLY = (
    ("https://app.example.com/callback", "https://app.example.com/callback/"),
    ("https://app.example.com/callback", "https://app.example.com/Callback"),
    ("https://app.example.com/callback", "https://APP.example.com/callback"),
    ("https://app.example.com/callback", "HTTPS://app.example.com/callback"),
    ("https://app.example.com/callback", "https://app.example.com:443/callback"),
    ("https://app.example.com/callback", "https://app.example.com:8443/callback"),
    ("https://app.example.com/callback", "https://app.example.com/callback?x=1"),
    ("https://app.example.com/callback", "https://app.example.com/callback#x"),
    ("https://app.example.com/callback", "https://app.example.com/callback\t"),
    ("https://app.example.com/callback", " https://app.example.com/callback"),
    ("https://app.example.com/callback", "https://app.example.com/..;/callback"),
    ("https://app.example.com/callback", "https://app.example.com/%252f../callback"),
    ("https://app.example.com/callback", "https://app.example.com\\/callback"),
    ("https://app.example.com/callback", "https://app.example.com@evil.com/callback"),
    ("https://app.example.com/callback", "https://evil.com/https://app.example.com/callback"),
    ("https://app.example.com/callback", "http://app.example.com/callback"),
    ("http://localhost/callback", "http://localhost.evil.com/callback"),
    ("http://localhost/callback", "http://localhost#@evil/callback"),
    ("http://localhost/callback", "http://localhost:80@evil/callback"),
    ("http://127.0.0.1/callback", "http://127.0.0.1:80@evil/callback"),
    ("http://127.0.0.1/callback", "http://127.0.0.1:0/callback"),
    ("http://127.0.0.1/callback", "http://127.0.0.1:99999/callback"),
    ("http://127.0.0.1/callback", "http://127.0.0.1:٣٣/callback"),
    ("http://127.0.0.1/callback", "http://127.0.0.1:8080/CALLBACK"),
    ("http://127.0.0.1/callback", "HTTP://127.0.0.1:8080/callback"),
    ("http://127.0.0.1/callback", "http://127.0.0.2:8080/callback"),
    ("http://127.0.0.1/callback", "http://localhost:8080/callback"),
    ("http://127.0.0.1/callback", "https://127.0.0.1:8080/callback"),
    ("http://127.0.0.1/callback", "http://127.0.0.1:8080/callback/.."),
    ("com.example.app:/callback", "com.example.app:/callback2"),
    ("com.example.app:/callback", "com.example.app.evil:/callback"),
)


@pytest.mark.parametrize(("registered", "asked"), NEARLY)
def test_a_similar_address_does_not_match(registered: str, asked: str) -> None:
    """S1"""
    assert find_redirect_uri([registered], asked) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_only_the_port_of_a_loopback_address_may_differ(host: str) -> None:
    """S1"""
    registered = [f"http://{host}:3000/callback?a=1"]
    asked = f"http://{host}:51004/callback?a=1"
    assert find_redirect_uri(registered, asked) == asked
    assert find_redirect_uri(registered, f"http://{host}/callback?a=1") == f"http://{host}/callback?a=1"
    assert find_redirect_uri(registered, f"http://{host}:51004/callback?a=2") is None


@given(st.text(max_size=60))
def test_nothing_matches_but_what_is_registered(asked: str) -> None:
    """S1"""
    registered = "https://app.example.com/callback"
    assert find_redirect_uri([registered], asked) in (None, registered)
    assert (find_redirect_uri([registered], asked) == registered) == (asked == registered)


def test_only_web_addresses_have_an_origin() -> None:
    assert origin_of_uri("https://app.example.com:8443/callback?x=1") == "https://app.example.com:8443"
    assert origin_of_uri("com.example.app:/callback") is None
