"""What a protected API says about itself, so that clients find their way to the issuer (RFC 9728). No I/O."""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import msgspec

from ostiary.discovery import parse_issuer
from ostiary.errors import ConfigurationError

WELL_KNOWN = "/.well-known/oauth-protected-resource"

# What this SDK decides or fills in itself; members of your own must not say otherwise.
_OURS = ("resource", "authorization_servers", "scopes_supported", "bearer_methods_supported")


class ResourceMetadata:
    """The metadata document of one API: `body` is served at `path`, and challenges point to `url`.

    `resource` is the API's own https address (http on loopback), mostly the audience of its tokens; `issuers` are those
    whose tokens it accepts, `scopes` those that may be asked for. `members` are more of RFC 9728 §2, such as
    `resource_name` or `resource_documentation`. Hand it to a guard: `RequireToken(app, verifier, metadata=…)`.
    """

    def __init__(
        self,
        resource: str,
        *,
        issuers: Collection[str],
        scopes: Collection[str] = (),
        members: Mapping[str, object] | None = None,
    ) -> None:
        if isinstance(issuers, str) or isinstance(scopes, str) or not issuers:
            raise ConfigurationError("issuers and scopes must be lists of strings, and issuers not empty")
        for address in (resource, *issuers):
            _check_address(address)
        own = dict(members or {})
        if any(name in own for name in _OURS):
            raise ConfigurationError(f"members must not name {', '.join(_OURS)}")
        parts = urlsplit(resource)
        self.resource = resource
        # RFC 9728 §3.1: between host and path; a lone slash after the host is dropped.
        self.path = WELL_KNOWN + (parts.path if parts.path != "/" else "")
        self.url = f"{parts.scheme}://{parts.netloc}{self.path}"
        said = {
            "resource": resource,
            "authorization_servers": list(issuers),
            # A token in a query or a form ends up in logs; no guard here looks at one.
            "bearer_methods_supported": ["header"],
            **({"scopes_supported": list(scopes)} if scopes else {}),
        }
        self.body = msgspec.json.encode({**said, **own})

    def response(self, method: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body of the answer to a request for the document. It is public, for browsers too."""
        if method not in ("GET", "HEAD"):
            return 405, [(b"allow", b"GET, HEAD"), (b"content-length", b"0")], b""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self.body)).encode()),
            (b"cache-control", b"public, max-age=3600"),
            (b"access-control-allow-origin", b"*"),
        ]
        return 200, headers, self.body if method == "GET" else b""


def _check_address(address: str) -> None:
    try:
        parse_issuer(address)
    except ConfigurationError as error:
        message = "resource and issuers must be https URLs without query or fragment (http only on loopback)"
        raise ConfigurationError(message) from error
