"""Where syslog is sent to."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

# What IANA gave to syslog over TLS (RFC 5425 §4.1).
DEFAULT_PORT = 6514
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class SyslogTarget:
    """A receiver: the host's name, which its certificate must bear, and the port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_syslog_url(text: str) -> SyslogTarget:
    """`tls://host`, or `tls://host:port`; raises ValueError. There is no way to send events unencrypted."""
    expected = ValueError("expected tls://host:6514, with nothing behind the port")
    try:
        parts = urlsplit(text)
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        raise expected from None
    host = parts.hostname or ""
    if parts.scheme != "tls" or parts.path or parts.query or parts.fragment or "@" in parts.netloc or port == 0:
        raise expected
    if not _HOST.fullmatch(host) and not _is_ipv6(host):
        raise expected
    return SyslogTarget(host, port)


def _is_ipv6(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv6Address)
    except ValueError:
        return False
