"""Calls to other systems, guarded (S48): the only way in which this server opens a connection to an address that
somebody configured.

The name is resolved here, every address is judged, and the connection goes to the very address that was judged: a name
that answers differently the second time (DNS rebinding) gains nothing. No redirect is followed, no proxy of the
environment is used, nothing is kept between calls, and a deadline covers the whole call, from name to last byte.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING

from base.request import Network
from base.targets import IpAddress, Target, is_allowed, is_public, parse_target, resolve_name

if TYPE_CHECKING:
    import httpx2

# What a name stands for; raises OSError. `socket.getaddrinfo` behind it may block, so it is awaited.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

ANSWER_CAP_BYTES = 64 * 1024
MOST_ADDRESSES = 3
_NO_HEADERS: Mapping[str, str] = {}


class Reason(Enum):
    """Why a call failed."""

    ADDRESS = "this is not an address that can be called"
    UNKNOWN_NAME = "the name cannot be resolved"
    NOT_PUBLIC = "it leads to a private network; name that network in OSTIARY_OUTBOUND__ALLOW where that is meant"
    NOT_ENCRYPTED = "plain http is for networks of OSTIARY_OUTBOUND__ALLOW alone; use https"
    UNREACHABLE = "no connection"
    CERTIFICATE = "its certificate is not to be trusted"
    TOO_SLOW = "no answer in time"
    REDIRECTED = "it redirects, which is not followed"
    TOO_LARGE = "its answer is too long"
    BROKEN = "its answer is no HTTP, or was cut"


class OutboundFailed(Exception):
    """A call that got no answer. `str()` names host and reason and is fit for logs: paths and queries hold secrets."""

    def __init__(self, reason: Reason, host: str = "", detail: str = "") -> None:
        words = f"{reason.value} ({detail})" if detail else reason.value
        super().__init__(f"{host}: {words}" if host else words)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said: any status but a redirect, and its body as it came."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether it took what it was sent."""
        return 200 <= self.status < 300


class Outbound:
    """Makes guarded calls. `allow` are private networks that may be called; `timeout_s` covers a call from its name to
    its last byte; `tls` are the authorities to believe (the system's)."""

    def __init__(
        self,
        *,
        allow: Sequence[Network] = (),
        timeout_s: float = 5.0,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._allow = tuple(allow)
        self._timeout_s = timeout_s
        self._tls = tls
        self._resolve = resolve or resolve_name

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        content_type: str = "application/json",
        cap_bytes: int = ANSWER_CAP_BYTES,
    ) -> Answer:
        """The answer to a POST, its body at most `cap_bytes` long; raises OutboundFailed."""
        try:
            target = parse_target(url)
        except ValueError as fault:
            raise OutboundFailed(Reason.ADDRESS, detail=str(fault)) from None
        sent = {**headers, "host": target.shown, "content-type": content_type}
        try:
            async with asyncio.timeout(self._timeout_s):
                addresses = await self._checked(target)
                return await self._send(target, addresses, body, sent, cap_bytes)
        except TimeoutError:
            raise OutboundFailed(Reason.TOO_SLOW, target.shown, f"{self._timeout_s:g} s") from None

    async def _checked(self, target: Target) -> list[IpAddress]:
        """The target's addresses that may be called, at most `MOST_ADDRESSES`."""
        try:
            found = [ip_address(text) for text in await self._resolve(target.host, target.port)]
        except (OSError, UnicodeError):
            raise OutboundFailed(Reason.UNKNOWN_NAME, target.shown) from None
        named = [address for address in found if is_allowed(address, self._allow)]
        public = [address for address in found if is_public(address)]
        if not named and not public:
            raise OutboundFailed(Reason.NOT_PUBLIC, target.shown)
        if target.scheme == "http" and not named:
            raise OutboundFailed(Reason.NOT_ENCRYPTED, target.shown)
        usable = named if target.scheme == "http" else [each for each in found if each in named or each in public]
        return list(dict.fromkeys(usable))[:MOST_ADDRESSES]

    async def _send(
        self, target: Target, addresses: Sequence[IpAddress], body: bytes, headers: Mapping[str, str], cap_bytes: int
    ) -> Answer:
        """Asks the first address that takes a connection; where none does, says what the last one did."""
        import httpx2

        failure = OutboundFailed(Reason.UNREACHABLE, target.shown)
        for address in addresses:
            try:
                return await self._ask(target, address, body, headers, cap_bytes, share=len(addresses))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                # Nothing was sent yet, so that the next address may be asked.
                failure = _in_words(error, target)
            except httpx2.TransportError as error:
                raise _in_words(error, target) from None
            except httpx2.InvalidURL:
                raise OutboundFailed(Reason.ADDRESS, target.shown) from None
        raise failure

    async def _ask(
        self,
        target: Target,
        address: IpAddress,
        body: bytes,
        headers: Mapping[str, str],
        cap_bytes: int,
        *,
        share: int,
    ) -> Answer:
        import httpx2

        literal = f"[{address}]" if address.version == 6 else str(address)
        request = httpx2.Request(
            "POST",
            f"{target.scheme}://{literal}:{target.port}{target.path}",
            # A compressed answer could unfold to anything.
            headers={**headers, "accept-encoding": "identity", "connection": "close"},
            content=body,
            # The certificate must be the name's, wherever the connection goes.
            extensions={"sni_hostname": target.host, "timeout": {"connect": self._timeout_s / share}},
        )
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        # The bare transport: a client would bring redirects, cookies and the environment's proxies.
        async with httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            try:
                return await _read(response, target, cap_bytes)
            finally:
                await response.aclose()


async def _read(response: "httpx2.Response", target: Target, cap_bytes: int) -> Answer:
    if 300 <= response.status_code < 400:
        raise OutboundFailed(Reason.REDIRECTED, target.shown, str(response.status_code))
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > cap_bytes:
            raise OutboundFailed(Reason.TOO_LARGE, target.shown, f"over {cap_bytes} bytes")
    return Answer(response.status_code, body)


def _in_words(error: "httpx2.TransportError", target: Target) -> OutboundFailed:
    import httpx2

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return OutboundFailed(Reason.CERTIFICATE, target.shown, cause.verify_message)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.TimeoutException):
        return OutboundFailed(Reason.TOO_SLOW, target.shown)
    if isinstance(error, httpx2.ConnectError):
        return OutboundFailed(Reason.UNREACHABLE, target.shown)
    return OutboundFailed(Reason.BROKEN, target.shown, type(error).__name__)
