"""What an API says about itself (RFC 9728)."""

import json

import pytest

from ostiary import ConfigurationError, ResourceMetadata

ISSUERS = ["https://issuer.test"]


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("https://api.test", "/.well-known/oauth-protected-resource"),
        ("https://api.test/", "/.well-known/oauth-protected-resource"),
        ("https://api.test:8443/orders", "/.well-known/oauth-protected-resource/orders"),
        ("http://localhost:3002/v1/orders", "/.well-known/oauth-protected-resource/v1/orders"),
    ],
)
def test_the_document_lies_between_host_and_path(resource: str, path: str) -> None:
    """RFC 9728 §3.1."""
    made = ResourceMetadata(resource, issuers=ISSUERS)
    assert made.path == path
    assert made.url == "/".join(resource.split("/")[:3]) + path


def test_the_document_says_where_tokens_come_from_and_where_they_go() -> None:
    """RFC 9728 §2: a token in the query or the form is never taken, so only the header is named."""
    made = ResourceMetadata("https://api.test", issuers=ISSUERS, scopes=["read"], members={"resource_name": "Orders"})
    assert json.loads(made.body) == {
        "resource": "https://api.test",
        "authorization_servers": ["https://issuer.test"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read"],
        "resource_name": "Orders",
    }
    status, headers, body = made.response("HEAD")
    assert (status, body) == (200, b"")
    assert (b"content-length", str(len(made.body)).encode()) in headers
    assert made.response("DELETE")[0] == 405


@pytest.mark.parametrize(
    ("resource", "options"),
    [
        ("http://api.test", {"issuers": ISSUERS}),
        ("https://api.test#a", {"issuers": ISSUERS}),
        ("https://api.test?a=b", {"issuers": ISSUERS}),
        ("orders", {"issuers": ISSUERS}),
        ("https://api.test", {"issuers": []}),
        ("https://api.test", {"issuers": "https://issuer.test"}),
        ("https://api.test", {"issuers": ["http://issuer.test"]}),
        ("https://api.test", {"issuers": ISSUERS, "members": {"resource": "https://other.test"}}),
    ],
)
def test_a_document_that_misleads_cannot_be_made(resource: str, options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        ResourceMetadata(resource, **options)  # type: ignore[arg-type]
