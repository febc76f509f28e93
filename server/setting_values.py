"""How a setting's text becomes a value. Each function raises ValueError with the words of what was expected."""

import base64
import binascii
import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from audit.alerts.signing import parse_secret
from audit.siem.syslog_target import parse_syslog_url
from base.mail import is_mail_address, parse_sender, parse_smtp_url
from base.request import Network
from base.sealing import check_master_key
from base.targets import parse_target

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Address:
    """A host and port to listen on; the host is an IP address, or `localhost`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or ip_address(self.host).is_loopback


def split_list(text: str) -> list[str]:
    """The items of a list written with commas, spaces or lines between them."""
    return [item for item in re.split(r"[,\s]+", text) if item]


def parse_paths(value: object) -> tuple[Path, ...]:
    """Paths with commas between (a path may hold spaces), or a list of them."""
    items = value.split(",") if isinstance(value, str) else read_items(value)
    return tuple(Path(item.strip()) for item in items if item.strip())


def check_header_name(text: str) -> str:
    """A request header's name, in lower case (RFC 9110 §5.1, without the characters that nobody uses)."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text):
        raise ValueError("expected a header's name, such as CF-IPCountry")
    return text.lower()


def parse_issuer(text: str) -> str:
    """An issuer (RFC 8414 §2) in its one spelling: https, or http on localhost; no path, no slash at the end."""
    parts = urlsplit(text)
    if text.endswith("/"):
        raise ValueError("expected no slash at the end")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("expected an address such as https://id.example.com")
    if parts.path or parts.query or parts.fragment or "?" in text or "#" in text or "@" in parts.netloc:
        raise ValueError("expected scheme, host and port alone: no path, query, fragment or user")
    _check_issuer_host(parts)
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port not in (None, default) else "")


def _check_issuer_host(parts: SplitResult) -> None:
    host = parts.hostname or ""
    if not _HOST.fullmatch(host):
        raise ValueError("expected a host name in lower-case ASCII (an international name in its xn-- form)")
    if re.fullmatch(r"[0-9.]+", host):
        raise ValueError("expected a host name: passkeys and cookies need one (localhost on this machine)")
    if parts.scheme == "http" and host != "localhost":
        raise ValueError("expected https; plain http is for http://localhost alone")
    if parts.port == 0:
        raise ValueError("expected a port from 1 to 65535")


def parse_address(text: str) -> Address:
    """`127.0.0.1:3201`, `[::1]:3201` or `localhost:3201`."""
    host, colon, port = text.rpartition(":")
    expected = f"expected address:port, such as 127.0.0.1:3201 or [::1]:3201, not {text!r}"
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise ValueError(expected)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(expected)
    if host != "localhost":
        try:
            host = str(ip_address(host))
        except ValueError:
            raise ValueError(expected) from None
    return Address(host, int(port))


def parse_network(text: str) -> Network:
    """`10.0.0.0/8`, or a single address."""
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"expected networks such as 10.0.0.0/8 or fd00::/8, not {text!r}") from None


def parse_master_key(text: str) -> bytes:
    """32 random bytes in base64 (either alphabet, with or without padding); the words never repeat the key."""
    cleaned = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        key = base64.b64decode(cleaned + "=" * (-len(cleaned) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("expected base64 of 32 random bytes: make one with `openssl rand -base64 32`") from None
    check_master_key(key)
    return key


def check_database_url(text: str) -> str:
    """`sqlite:///path` or `postgresql://…`; the words never repeat the address, which may hold a password."""
    scheme, _, rest = text.partition("://")
    is_sqlite = scheme == "sqlite" and rest.startswith("/") and len(rest) > 1
    if not is_sqlite and not (scheme in ("postgresql", "postgres") and rest and _is_database_url(text)):
        raise ValueError("expected sqlite:///path or postgresql://user:password@host/name")
    return text


def _is_database_url(text: str) -> bool:
    # Most commands run without such an address, and the import takes longer than the rest of the settings.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return False
    # A bracket that is left over is one that PostgreSQL's client would stumble over, repeating the whole address.
    return (url.port is None or 0 < url.port < 65536) and not set("[]") & set(url.host or "")


def check_redis_url(text: str) -> str:
    """`redis://`, `rediss://` or `unix://`; the words never repeat the address."""
    if not text.startswith(("redis://", "rediss://", "unix://")) or not _is_redis_url(text):
        raise ValueError("expected redis://host:6379/0 (or rediss://, unix://)")
    return text


def _is_redis_url(text: str) -> bool:
    # Redis costs a tenth of a second to import and most small deployments have none.
    from redis import ConnectionPool, RedisError

    try:
        parts = urlsplit(text)
        # The client's own reading, with every option; nothing is connected.
        ConnectionPool.from_url(text).make_connection()
        return parts.port != 0 and bool(parts.netloc or parts.path)
    except (ValueError, TypeError, RedisError):
        return False


def read_certificates(path: Path | None) -> tuple[bytes, ...]:
    """Each certificate of a PEM file, as PEM; raises OSError or ValueError."""
    if path is None:
        return ()
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return tuple(found.public_bytes(Encoding.PEM) for found in x509.load_pem_x509_certificates(path.read_bytes()))


def check_smtp_url(text: str) -> str:
    """`smtp://` or `smtps://` with a host; the words never repeat the address, which may hold a password."""
    parse_smtp_url(text)
    return text


def check_sender(text: str) -> str:
    """`name <a@b.c>`, or `a@b.c`."""
    parse_sender(text)
    return text


def check_called_url(text: str) -> str:
    """An address that this server calls (S48); the words never repeat it, as its path may be a secret."""
    parse_target(text)
    return text


def check_webhook_secrets(text: str) -> str:
    """`whsec_…`, or several with commas between, the newest first."""
    if not split_list(text):
        raise ValueError("expected whsec_ and Base64")
    for each in split_list(text):
        parse_secret(each)
    return text


def check_mail_addresses(text: str) -> str:
    """Mail addresses with commas between."""
    found = split_list(text)
    if not found or not all(is_mail_address(each) for each in found):
        raise ValueError("expected mail addresses such as security@example.com, with commas between")
    return text


def check_syslog_url(text: str) -> str:
    """`tls://host:6514`: events are never sent unencrypted."""
    parse_syslog_url(text)
    return text


def read_items(value: object) -> list[str]:
    """A text with commas between, or a list of texts, as a list; raises ValueError for anything else."""
    if isinstance(value, str):
        return split_list(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise ValueError("expected a text, or a list of texts")
