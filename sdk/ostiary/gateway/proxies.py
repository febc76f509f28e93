"""Which proxies are believed, and whose request they bring (S34). No I/O."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ostiary.errors import ConfigurationError
from ostiary.gateway.request_headers import RequestHeaders

LOOPBACK = ("127.0.0.0/8", "::1/128")

_MAX_HOPS = 32
# What is remembered of peers and of what they said stays small, whatever is said (S38).
_MAX_KNOWN = 1024
_MAX_KNOWN_CHARS = 128


class TrustedProxies:
    """The networks that questions may come from; nobody else is answered."""

    def __init__(self, networks: Collection[str] = LOOPBACK) -> None:
        if isinstance(networks, str) or not networks:
            raise ConfigurationError("trusted proxies must be a list of networks such as 10.0.0.0/8, and not empty")
        self._networks = tuple(_parse_network(text) for text in networks)
        self._known: dict[str, bool] = {}
        self._clients: dict[tuple[str | None, bytes | None], str | None] = {}

    def trusts(self, peer: str | None) -> bool:
        """Whether a peer's word counts. None is a peer without an address: whoever could open our own socket file."""
        if peer is None:
            return True
        known = self._known.get(peer)
        if known is None:
            address = _find_address(peer)
            known = address is not None and any(address in network for network in self._networks)
            if len(self._known) < _MAX_KNOWN:
                self._known[peer] = known
        return known

    def find_client(self, headers: RequestHeaders, peer: str | None) -> str | None:
        """The address of who asked the first trusted proxy: the right-most hop that is none of ours.

        Garbage ends the walk at the last address that one of ours vouches for; None where that is no address.
        """
        asked = (peer, headers.find_raw(b"x-forwarded-for"))
        if asked in self._clients:
            return self._clients[asked]
        said = (asked[1] or b"").decode("latin-1")
        client = self._walk(peer, said)
        if len(said) <= _MAX_KNOWN_CHARS:
            if len(self._clients) >= _MAX_KNOWN:
                self._clients.clear()
            self._clients[asked] = client
        return client

    def _walk(self, peer: str | None, said: str) -> str | None:
        found = _find_address(peer or "")
        for hop in reversed(said.split(",")[-_MAX_HOPS:]):
            address = _find_address(hop.strip())
            if address is None:
                break
            found = address
            if not any(address in network for network in self._networks):
                break
        return None if found is None else str(found)


def _parse_network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise ConfigurationError(f"trusted proxies: {text!r} must be a network such as 10.0.0.0/8 ({error})") from error


def _find_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A zone (`%eth0`) names an interface of that machine, not a caller.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address
