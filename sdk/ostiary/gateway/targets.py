"""What a proxy asks about: method, scheme, host, path and query of the request that it holds (S42). No I/O.

Each dialect has headers of its own, and no other's count: what a client sends under the names of another dialect means
nothing. A header that says another method than the request's own (`X-HTTP-Method-Override`) never counts.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

from ostiary.gateway.paths import Ambiguous, split_target
from ostiary.gateway.request_headers import RequestHeaders

_METHOD = re.compile(r"[A-Z]{1,20}(?:-[A-Z]{1,20})?")
# A tunnel is not a request, and the other two show a browser's secret headers to its scripts.
_NEVER = ("CONNECT", "TRACE", "TRACK")
_HOST = re.compile(r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[(?P<six>[0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?")


class ProxyMisconfigured(Exception):
    """The proxy left out what it must say: our own trouble, so answer 503. The text names the header."""


@dataclass(frozen=True, slots=True)
class Target:
    """A request as it is decided and forwarded. `host` is in lower case and without its port, `query` as it came."""

    method: str
    scheme: str
    host: str
    path: str
    query: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """The headers by which a kind of proxy tells of the request that it holds."""

    method: bytes
    scheme: bytes
    host: bytes
    uri: bytes

    @property
    def names(self) -> tuple[bytes, bytes, bytes, bytes]:
        """The four of them, in one order for every dialect."""
        return self.uri, self.method, self.host, self.scheme

    def target(self, headers: RequestHeaders) -> Target:
        """What is asked for. Ambiguous (the client's doing) or ProxyMisconfigured (ours)."""
        return make_target(
            method=_load(headers, self.method),
            scheme=_load(headers, self.scheme),
            host=_load(headers, self.host),
            uri=_load(headers, self.uri),
        )


# Traefik, and Caddy's forward_auth.
FORWARDED = Dialect(b"x-forwarded-method", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-uri")
# nginx, whose configuration sets them (deploy/gateway/nginx.conf).
ORIGINAL = Dialect(b"x-original-method", b"x-original-proto", b"x-original-host", b"x-original-uri")


def checked_target(*, method: str, raw_uri: bytes, headers: RequestHeaders) -> Target:
    """What Envoy asks for: its request is the held one's method, host, path and query. Ambiguous otherwise."""
    try:
        uri = raw_uri.decode("ascii")
    except UnicodeDecodeError:
        raise Ambiguous("path and query must be ASCII; everything else must be percent-encoded") from None
    scheme = headers.find(b"x-forwarded-proto")
    return make_target(method=method, scheme=scheme or "http", host=_load(headers, b"host"), uri=uri)


def make_target(*, method: str, scheme: str, host: str, uri: str) -> Target:
    """The parts in their one form; Ambiguous where one has none."""
    if _METHOD.fullmatch(method) is None or method in _NEVER:
        raise Ambiguous("the method must be written in upper case, and none of CONNECT, TRACE and TRACK")
    if scheme not in ("http", "https"):
        raise Ambiguous("the scheme must be http or https")
    path, query = split_target(uri)
    return Target(method, scheme, parse_host(host), path, query)


def parse_host(text: str) -> str:
    """The host of a Host header in lower case, without port and final dot; Ambiguous where it is no single host."""
    found = _HOST.fullmatch(text)
    if found is None or not _is_address(found["six"]):
        raise Ambiguous("the Host must be one name or address, with a port or without")
    return found["name"].lower().removesuffix(".")


def _is_address(text: str | None) -> bool:
    try:
        return text is None or IPv6Address(text) is not None
    except ValueError:
        return False


def _load(headers: RequestHeaders, name: bytes) -> str:
    value = headers.find(name)
    if not value:
        raise ProxyMisconfigured(f"the proxy must send {name.decode().title()} with every question")
    return value
