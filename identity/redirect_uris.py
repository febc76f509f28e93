"""Where a browser may be sent back to: registration and the exact match (S1, S8; RFC 9700 §2.1, RFC 8252 §7)."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from identity.errors import Refused

_PRINTABLE = re.compile(r"[!-~]+")
_LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})
_LOOPBACK_URI = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(?::\d{1,5})?((?:/[!-~]*)?)")
_OWN_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
# Two bytes that some parsers turn into a path separator or a second decoding.
_CONFUSING = ("\\", "..;", "%2e", "%5c", "%25", "%00", "%0a", "%0d", "%09")


def check_redirect_uri(uri: str, *, field: str = "redirect_uri") -> None:
    """Raises Refused for a URI that must not be registered.

    Allowed: https; http for loopback only; a private scheme in reverse-domain form (`com.example.app:/cb`).
    """
    if not _PRINTABLE.fullmatch(uri) or len(uri) > 2000:
        raise Refused(field, "a redirect URI has 1 to 2000 visible ASCII characters")
    if "#" in uri:
        raise Refused(field, "a redirect URI has no fragment")
    try:
        parts = urlsplit(uri)
        if parts.port == 0:
            raise ValueError
    except ValueError:
        raise Refused(field, "a redirect URI has a host and, where given, a port from 1 to 65535") from None
    dotted = {".", ".."} & set(parts.path.split("/"))
    if "*" in uri or dotted or any(piece in uri.lower() for piece in _CONFUSING):
        raise Refused(field, "a redirect URI has no wildcards, backslashes, dot segments or doubly encoded characters")
    if parts.scheme in ("http", "https"):
        _check_web_uri(parts.scheme, parts.netloc, field)
    elif not _OWN_SCHEME.fullmatch(parts.scheme):
        raise Refused(field, "expected https, http on loopback, or a reverse-domain scheme: com.example.app:/cb")


def _check_web_uri(scheme: str, netloc: str, field: str) -> None:
    host = re.sub(r":\d*$", "", netloc)
    if not host or "@" in netloc or "%" in host:
        raise Refused(field, "a redirect URI has a plain host without user information")
    if scheme == "http" and host not in _LOOPBACK:
        raise Refused(field, "a redirect URI is https; plain http is for 127.0.0.1, [::1] and localhost only")


def find_redirect_uri(registered: Iterable[str], asked: str) -> str | None:
    """The URI to send the browser to: `asked`, where it equals a registered one, or None.

    Only the port of a loopback URI may differ (RFC 8252 §7.3); everything else is compared character by character.
    What must not be registered is not used either, however it came into the database (S8).
    """
    wanted = _LOOPBACK_URI.fullmatch(asked)
    for known in registered:
        form = wanted and _LOOPBACK_URI.fullmatch(known)
        if known == asked or (wanted and form and form.groups() == wanted.groups()):
            return asked if _is_usable(asked) else None
    return None


def _is_usable(uri: str) -> bool:
    try:
        check_redirect_uri(uri)
    except Refused:
        return False
    return True


def origin_of_uri(uri: str) -> str | None:
    """The web origin of an http(s) URI as browsers write it (`https://app.example`), None for a private scheme."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return None
    usual = ":443" if parts.scheme == "https" else ":80"
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(usual)}"
