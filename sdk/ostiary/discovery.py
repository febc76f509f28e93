"""The issuer's address and what its metadata may say (OIDC Discovery 1.0 §4, RFC 8414 §3.3). No I/O."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from ostiary.errors import ConfigurationError, KeyFetchError, TokenError
from ostiary.strict import parse_json_object

METADATA_PATH = "/.well-known/openid-configuration"
DEFAULT_PORTS = {"https": 443, "http": 80}

# urlsplit silently drops tabs and newlines; only plain visible characters may reach it.
_VISIBLE = re.compile(r"[!-\[\]-~]+")


@dataclass(frozen=True, slots=True)
class IssuerAddress:
    """The trusted issuer: its exact name, where its metadata lies, its origin, and whether it runs on this machine."""

    issuer: str
    metadata_url: str
    origin: tuple[str, str, int]
    is_loopback: bool


def parse_issuer(issuer: str) -> IssuerAddress:
    """The address of an https issuer, or of an http one on loopback; ConfigurationError otherwise."""
    parts = _split(issuer)
    if parts is None or "?" in issuer or "#" in issuer:
        raise ConfigurationError("issuer must be an https URL without query (http only on loopback)")
    return IssuerAddress(issuer, issuer.rstrip("/") + METADATA_PATH, _origin(parts), _is_loopback(parts.hostname or ""))


def parse_jwks_uri(body: bytes, *, expected: IssuerAddress) -> str:
    """Where the keys lie, or KeyFetchError."""
    return parse_endpoint(body, "jwks_uri", expected=expected)


def parse_endpoint(body: bytes, name: str, *, expected: IssuerAddress) -> str:
    """The address that the metadata gives under this name, or KeyFetchError.

    The metadata must name exactly the issuer that was asked for, or one issuer could speak for another; and the
    address must lie at the issuer's own origin, so that no document can send us, and our secret, elsewhere.
    """
    try:
        metadata = parse_json_object(body, name="metadata", max_brackets=512)
    except TokenError as error:
        raise KeyFetchError("the metadata is not a plain JSON object") from error
    if metadata.get("issuer") != expected.issuer:
        raise KeyFetchError("the metadata names another issuer")
    address = metadata.get(name)
    parts = _split(address) if isinstance(address, str) else None
    if not isinstance(address, str) or parts is None:
        raise KeyFetchError(f"{name} must be an https URL (http only on loopback)")
    if _origin(parts) != expected.origin:
        raise KeyFetchError(f"{name} must have the issuer's origin")
    return address


def parse_freshness(cache_control: str, age: str) -> float | None:
    """Seconds that a response stays fresh (RFC 9111 §4.2), 0 where it must not be kept, None where it does not say."""
    directives = dict(_directive(part) for part in cache_control.lower().split(","))
    if "no-store" in directives or "no-cache" in directives:
        return 0
    max_age = directives.get("max-age", "")
    if not re.fullmatch(r"[0-9]{1,9}", max_age):
        return None
    return max(0, int(max_age) - (int(age) if re.fullmatch(r"[0-9]{1,9}", age) else 0))


def _directive(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip(), value.strip().strip('"')


def _split(url: str) -> SplitResult | None:
    """The parts of a usable URL, or None."""
    if not _VISIBLE.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc or port == 0:
        return None
    return parts if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname)) else None


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return (parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
