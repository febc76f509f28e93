"""A service's own access tokens by client credentials (RFC 6749 §4.4): asked for once, remembered, renewed ahead.

The request runs in a thread of its own, for a moment, with an event loop of its own: so whoever asks, from whichever
loop or thread, waits for the same one, and nobody who is cancelled takes it along.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from secrets import SystemRandom
from threading import Lock, Thread

import anyio
import httpx2

from ostiary.backoff import Backoff
from ostiary.call_values import CallFailed, ClientCredentials
from ostiary.client_calls import find_endpoint, open_client, post_form
from ostiary.clocks import since_boot
from ostiary.discovery import parse_issuer
from ostiary.errors import ClientTokenUnavailable, ConfigurationError
from ostiary.fetch import Route
from ostiary.loop_thread import begin_in_children
from ostiary.token_life import ClientToken, TokenLife, parse_token_answer

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0

logger = logging.getLogger("ostiary")


class SyncClientTokens:
    """`ClientTokens` without `await`. Safe to share among threads."""

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        client_secret: str,
        scope: str | None = None,
        resource: str | None = None,
        timeout_s: float = 5,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        if not 0 < timeout_s <= 60:
            raise ConfigurationError("timeout_s must be above 0 and at most 60")
        self._route = Route(parse_issuer(issuer), timeout_s, ssl_context)
        self._credentials = ClientCredentials(client_id, client_secret)
        asked = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        self._form = {name: value for name, value in asked.items() if value is not None}
        self._transport, self._monotonic = transport, monotonic
        self._begin_in_process()
        begin_in_children(self, SyncClientTokens._begin_in_process)

    def token(self) -> str:
        """An access token that is good for some seconds at least; ClientTokenUnavailable where none can be had."""
        found, flight = self._find_or_ask()
        if found is None and flight is not None:
            # The request has a deadline; this one is for what cannot be cancelled (a name look-up).
            try:
                flight.result(self._route.timeout_s + 1)
            except TimeoutError:
                self._flight_is_stuck(flight)
        return found if found is not None else self._load()

    def forget(self, token: str) -> None:
        """A resource refused this token, so that the next `token` asks for another; obeyed once in 5 s."""
        with self._lock:
            self._life.forget(token, now=self._monotonic())

    def _begin_in_process(self) -> None:
        random = SystemRandom().random
        self._life = TokenLife(Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, random=random))
        self._lock = Lock()
        self._flight: Future[None] | None = None

    def _find_or_ask(self) -> tuple[str | None, Future[None] | None]:
        """The token that may be used, and the request for a new one that is under way."""
        with self._lock:
            now = self._monotonic()
            if self._flight is None and self._life.must_renew(now):
                self._flight = self._ask(now)
            return self._life.find(now), self._flight

    def _load(self) -> str:
        with self._lock:
            now = self._monotonic()
            found = self._life.find(now)
            if found is None:
                reason = self._life.reason or "no answer in time"
                raise ClientTokenUnavailable(retry_after_s=int(self._life.wait_s(now)) + 1, reason=reason)
            return found

    def _ask(self, now: float) -> "Future[None] | None":
        """Begins one request; None where the system has no thread to give. The lock is held."""
        flight: Future[None] = Future()
        thread = Thread(target=self._fly, args=(flight, now), name="ostiary-token", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            self._life.record_failure(CallFailed("the system has no thread to give"), now=now)
            return None
        return flight

    def _fly(self, flight: "Future[None]", asked_at: float) -> None:
        outcome: ClientToken | CallFailed
        try:
            outcome = anyio.run(partial(self._fetch, asked_at))
        except CallFailed as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - whoever waits shall hear of it; its words may hold anything
            outcome = CallFailed(type(error).__name__)
        self._land(flight, outcome)

    def _land(self, flight: "Future[None]", outcome: ClientToken | CallFailed) -> None:
        with self._lock:
            if self._flight is not flight:
                return
            self._flight = None
            if isinstance(outcome, ClientToken):
                self._life.record_token(outcome)
            else:
                self._life.record_failure(outcome, now=self._monotonic())
                logger.warning("no access token for this service itself: %s", outcome)
        flight.set_result(None)

    def _flight_is_stuck(self, flight: "Future[None]") -> None:
        self._land(flight, CallFailed("the request for a token does not end"))

    async def _fetch(self, asked_at: float) -> ClientToken:
        with anyio.fail_after(self._route.timeout_s):
            async with open_client(self._route, transport=self._transport) as client:
                url = await find_endpoint(client, self._route, "token_endpoint")
                answer = await post_form(client, self._route, url, credentials=self._credentials, form=self._form)
        return parse_token_answer(answer, asked_at=asked_at)


class ClientTokens:
    """Access tokens for this service itself, for what it asks of others: `await tokens.token()`.

    `resource` is the API that the tokens are for (RFC 8707; the server's own API has the issuer as its name), `scope`
    the scopes there, separated by spaces; without them the server gives what the client may have. However many ask,
    one request is made; it is renewed at 80 % of its life while the old one is still used. A server that fails is
    asked again after a pause that doubles up to 10 s, longer where it says `Retry-After`. No error tells the secret.

    For one asyncio loop or several; make one at start and share it, there is nothing to close. Its `token` can be
    handed to `AuditEmitter` as it is.
    """

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        client_secret: str,
        scope: str | None = None,
        resource: str | None = None,
        timeout_s: float = 5,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        self._inner = SyncClientTokens(
            issuer,
            client_id=client_id,
            client_secret=client_secret,
            scope=scope,
            resource=resource,
            timeout_s=timeout_s,
            ssl_context=ssl_context,
            transport=transport,
            monotonic=monotonic,
        )
        self._timeout_s = timeout_s

    async def token(self) -> str:
        """An access token that is good for some seconds at least; ClientTokenUnavailable where none can be had."""
        inner = self._inner
        found, flight = inner._find_or_ask()
        if found is None and flight is not None:
            # `wait`, unlike awaiting it, leaves the request alone when this task is cancelled.
            waited = asyncio.wrap_future(flight)
            _, pending = await asyncio.wait([waited], timeout=self._timeout_s + 1)
            if pending:
                inner._flight_is_stuck(flight)
        return found if found is not None else inner._load()

    def forget(self, token: str) -> None:
        """A resource refused this token, so that the next `token` asks for another; obeyed once in 5 s."""
        self._inner.forget(token)
