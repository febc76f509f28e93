"""Keyed digests under which addresses, accounts and subjects are remembered: the database alone tells none of them."""

import hashlib
import hmac
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

# What profiles keep: enough that two values of one person do not meet.
_SHORT = 8


@dataclass(frozen=True, slots=True, repr=False)
class RiskKey:
    """The deployment's key for what the risk score remembers."""

    secret: bytes

    def digest(self, kind: str, value: bytes | str) -> bytes:
        """The 32 bytes that stand for a value of one kind, such as `address` or `account`."""
        told = value.encode() if isinstance(value, str) else value
        return hmac.digest(self.secret, kind.encode() + b"\0" + told, hashlib.sha256)

    def short(self, kind: str, value: str) -> str:
        """The same in sixteen hexadecimal digits, for profiles."""
        return self.digest(kind, value)[:_SHORT].hex()


def address_digest(key: RiskKey, address: str | None) -> bytes | None:
    """The digest under which an address is remembered, None where it is none: of IPv6 the /64 around it."""
    networks = networks_of(address) if address else None
    return key.digest("address", networks[0]) if networks else None


def networks_of(address: str) -> tuple[str, str] | None:
    """An address as it is always written, and the /24 or /48 around it; None where it is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    # `ip_network` costs ten times as much.
    if isinstance(parsed, IPv6Address):
        # A household has a /64: within it addresses change by the day.
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64", f"{IPv6Address(int(parsed) >> 80 << 80)}/48"
    return str(parsed), f"{IPv4Address(int(parsed) >> 8 << 8)}/24"
