"""The ASGI application that proxies ask: `/forward-auth`, `/auth-request` and `/ext-authz/…`.

A request passes when its path can be read in one way only, a route takes it, its token is proven and has the scope and
the sign-in that the route asks for, its person is within the limits, and the policies say yes. Everything else is
refused, and so is whatever goes wrong on the way (I6).
"""

import time
from collections.abc import Callable

from ostiary.asgi_types import Receive, Scope, Send
from ostiary.bearer import Refusal
from ostiary.errors import ConfigurationError
from ostiary.gateway.answers import GatewayAnswer, Speaker, refused
from ostiary.gateway.asked import Asked, Decide, FindSession, InternalToken, request_id_of
from ostiary.gateway.identity_headers import find_lookalike
from ostiary.gateway.judging import Judge, RawHeaders
from ostiary.gateway.openings import Opening
from ostiary.gateway.paths import Ambiguous
from ostiary.gateway.placing import EXT_AUTHZ, Places, raw_path
from ostiary.gateway.proxies import TrustedProxies
from ostiary.gateway.refusals import REFUSED, StrangerRefused, refusal_of
from ostiary.gateway.request_headers import RequestHeaders
from ostiary.gateway.routes import RouteTable
from ostiary.rate_limits import RateLimiter
from ostiary.resource_metadata import ResourceMetadata
from ostiary.verifier import Verifier

_SPEAKERS = {b"/forward-auth": Speaker.FORWARD_AUTH, b"/auth-request": Speaker.AUTH_REQUEST}
_NOTHING_HERE = Refusal(404, "not_found", "proxies ask at /forward-auth, /auth-request and /ext-authz/…")


class Gateway:
    """Answers the proxies of `trusted_proxies` by the rules of `routes`; nobody else is answered.

    `limiter` limits rates; `decide` asks the policies (None: route and scope decide alone); `internal_token` gives the
    token for the service behind a route with an audience, and then the caller's own is not passed on; `find_session`
    knows browsers that bring a cookie instead of a token. `realm` and `metadata` stand in challenges; `clock` gives
    seconds since 1970.
    """

    def __init__(
        self,
        verifier: Verifier,
        routes: RouteTable,
        *,
        trusted_proxies: TrustedProxies | None = None,
        limiter: RateLimiter | None = None,
        decide: Decide | None = None,
        internal_token: InternalToken | None = None,
        find_session: FindSession | None = None,
        metadata: ResourceMetadata | None = None,
        realm: str = "gateway",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not routes.routes:
            raise ConfigurationError("routes must not be empty")
        if internal_token is None and (named := [each.name for each in routes.routes if each.audience is not None]):
            raise ConfigurationError(f"routes with an audience need internal_token: {', '.join(named)}")
        self._places = Places(routes)
        self._proxies = trusted_proxies or TrustedProxies()
        self._judge = Judge(verifier, limiter, decide, internal_token, find_session, clock)
        self._metadata_url = metadata.url if metadata is not None else None
        self._realm = realm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one question (ASGI 3.0, HTTP alone)."""
        if scope["type"] != "http":
            raise RuntimeError(f"the gateway answers HTTP, not {scope['type']!r} connections")
        answer = await self.answer(scope)
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": body})

    async def answer(self, scope: Scope) -> GatewayAnswer:
        """What is said to one question."""
        path, raw = raw_path(scope), _raw_headers(scope)
        headers = RequestHeaders(raw)
        request_id = request_id_of(headers)
        speaker = _SPEAKERS.get(path)
        if speaker is None and path.startswith(EXT_AUTHZ + b"/"):
            speaker = Speaker.EXT_AUTHZ
        if speaker is None:
            return refused(_NOTHING_HERE, realm=self._realm, request_id=request_id)
        try:
            asked, opening = self._read(speaker, scope, headers, request_id)
            answer = await self._judge.judge(asked, opening, raw)
        except REFUSED as error:
            refusal, more = refusal_of(error)
            answer = refused(
                refusal, realm=self._realm, request_id=request_id, metadata_url=self._metadata_url, more=more
            )
        return answer.spoken_to(speaker)

    def _read(self, speaker: Speaker, scope: Scope, headers: RequestHeaders, request_id: str) -> tuple[Asked, Opening]:
        """What is asked for; an error of `REFUSED` where that has no clear answer."""
        client = scope.get("client")
        peer = str(client[0]) if isinstance(client, list | tuple) else None
        if not self._proxies.trusts(peer):
            raise StrangerRefused("questions are answered to the trusted proxies alone")
        if (name := find_lookalike(headers.names())) is not None:
            raise Ambiguous(f"the header {name.decode('latin-1')} reads as one that only the gateway may set")
        target, route, opening = self._places.find(speaker, scope, headers)
        address = self._proxies.find_client(headers, peer)
        return Asked(speaker, target, route, headers, address, request_id), opening


def _raw_headers(scope: Scope) -> RawHeaders:
    headers = scope["headers"]
    return headers if isinstance(headers, list) else list(headers) if isinstance(headers, tuple) else []
