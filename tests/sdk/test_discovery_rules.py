"""Where the keys may lie: the issuer's exact name, its own origin, https or loopback, and nothing else."""

import json

import pytest

from ostiary import ConfigurationError, Verifier
from ostiary.discovery import parse_freshness, parse_issuer, parse_jwks_uri
from ostiary.errors import KeyFetchError


@pytest.mark.parametrize(
    ("issuer", "metadata_url"),
    [
        ("https://id.test", "https://id.test/.well-known/openid-configuration"),
        ("https://id.test/", "https://id.test/.well-known/openid-configuration"),
        ("https://id.test/tenant", "https://id.test/tenant/.well-known/openid-configuration"),
        ("http://localhost:3201", "http://localhost:3201/.well-known/openid-configuration"),
        ("http://127.0.0.1:3201", "http://127.0.0.1:3201/.well-known/openid-configuration"),
        ("http://[::1]:3201", "http://[::1]:3201/.well-known/openid-configuration"),
        ("http://id.localhost", "http://id.localhost/.well-known/openid-configuration"),
    ],
)
def test_the_metadata_lies_below_the_issuer(issuer: str, metadata_url: str) -> None:
    """OIDC Discovery 1.0 §4."""
    assert parse_issuer(issuer).metadata_url == metadata_url


@pytest.mark.parametrize(
    "issuer",
    ["http://id.test", "http://localhost.evil.test", "http://127.0.0.1.evil.test", "http://10.0.0.1", "ftp://localhost",
     "id.test", "https://", "https:///x", "https://user@id.test", "https://id.test?x=1", "https://id.test?",
     "https://id.test#x", "https://id.test#", "https://id.test\\@evil.test", "https://id.te\tst", "https://id.test\n",
     "https://id.test:99999", "https://id.test:0", "https://[::1", "https://ïd.test", "//id.test"],
)  # fmt: skip
def test_an_issuer_that_is_no_plain_https_url_is_refused_at_construction(issuer: str) -> None:
    """S1's tricks, for the one address that the SDK trusts."""
    with pytest.raises(ConfigurationError, match=r"^issuer must be "):
        Verifier(issuer, "https://api.test")


def metadata(**members: object) -> bytes:
    return json.dumps({"issuer": "https://id.test", "jwks_uri": "https://id.test/keys"} | members).encode()


def test_keys_at_the_issuers_own_origin_are_accepted() -> None:
    """The port may be spelt out."""
    address = parse_issuer("https://id.test")
    for jwks_uri in ("https://id.test/keys", "https://id.test:443/keys", "https://ID.test/keys?v=1"):
        assert parse_jwks_uri(metadata(jwks_uri=jwks_uri), expected=address) == jwks_uri


@pytest.mark.parametrize(
    "issuer", ["https://id.test/", "https://ID.test", "https://evil.test", "", None, ["https://id.test"]]
)
def test_metadata_that_names_another_issuer_is_refused(issuer: object) -> None:
    """RFC 8414 §3.3: exact equality, or one issuer could speak for another."""
    with pytest.raises(KeyFetchError, match="the metadata names another issuer"):
        parse_jwks_uri(metadata(issuer=issuer), expected=parse_issuer("https://id.test"))


@pytest.mark.parametrize(
    ("jwks_uri", "words"),
    [
        ("https://keys.id.test/keys", "origin"),
        ("https://id.test:8443/keys", "origin"),
        ("https://id.test.evil.test/keys", "origin"),
        ("http://localhost/keys", "origin"),
        ("http://id.test/keys", "https URL"),
        ("https://id.test@evil.test/keys", "https URL"),
        ("https://id.test\\.evil.test/keys", "https URL"),
        ("file:///etc/passwd", "https URL"),
        ("data:application/json,{}", "https URL"),
        ("/keys", "https URL"),
        ("", "https URL"),
        (None, "https URL"),
        (7, "https URL"),
    ],
)
def test_keys_anywhere_else_are_refused(jwks_uri: object, words: str) -> None:
    """S48: no document can send the SDK to another address."""
    with pytest.raises(KeyFetchError, match=words):
        parse_jwks_uri(metadata(jwks_uri=jwks_uri), expected=parse_issuer("https://id.test"))


@pytest.mark.parametrize(
    ("cache_control", "age", "fresh_for_s"),
    [
        ("", "", None),
        ("public", "", None),
        ("max-age=60", "", 60),
        ("public, Max-Age=60, must-revalidate", "", 60),
        ('max-age="60"', "", 60),
        ("max-age=60", "45", 15),
        ("max-age=60", "600", 0),
        ("max-age=60", "soon", 60),
        ("max-age=60, no-cache", "", 0),
        ("no-store", "", 0),
        ("max-age=-1", "", None),
        ("max-age=1e9", "", None),
        ("max-age=99999999999", "", None),
        ("s-maxage=60", "", None),
        ("max-age=٣", "", None),
    ],
)
def test_cache_headers_become_seconds(cache_control: str, age: str, fresh_for_s: float | None) -> None:
    """RFC 9111 §4.2, the age at an edge cache included."""
    assert parse_freshness(cache_control, age) == fresh_for_s
