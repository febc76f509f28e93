"""Tokens for the services behind this one, in the name of whoever called it (RFC 8693): asked for once, and remembered.

Requests run in a daemon thread of their own, with an event loop of its own, as in `ostiary.introspection`: whoever
asks, from whichever loop or thread, waits for the same one.
"""

import asyncio
import hashlib
import ssl
import weakref
from collections.abc import Callable
from concurrent.futures import Future, wait

import httpx2

from ostiary.call_values import CallFailed, ClientCredentials, is_bearer_token
from ostiary.clocks import since_boot
from ostiary.discovery import parse_issuer
from ostiary.errors import ConfigurationError, ExchangeRefused, ExchangeUnavailable
from ostiary.exchanges import Exchanges, ExchangeTerms, Outcome, Wanted
from ostiary.fetch import Route
from ostiary.loop_thread import LoopThread, begin_in_children
from ostiary.values import KNOWN_TYPES, TXN_TOKEN

# The inner deadline ends the work; the outer one frees the caller from what cannot be cancelled.
GRACE_S = 1.0


class SyncTokenExchange:
    """`TokenExchange` without `await`. Safe to share among threads."""

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        client_secret: str,
        typ: str = TXN_TOKEN,
        timeout_s: float = 3,
        most_tokens: int = 4096,
        most_at_once: int = 16,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        if not 0 < timeout_s <= 60 or most_tokens < 0 or most_at_once < 1:
            raise ConfigurationError(
                "timeout_s must be above 0 and at most 60, most_tokens 0 or more, most_at_once at least 1"
            )
        if typ not in KNOWN_TYPES:
            raise ConfigurationError(f"typ must be one of {', '.join(KNOWN_TYPES)}")
        self._terms = ExchangeTerms(
            Route(parse_issuer(issuer), timeout_s, ssl_context),
            ClientCredentials(client_id, client_secret),
            typ,
            most_tokens,
            most_at_once,
            transport,
            monotonic,
        )
        self._timeout_s = timeout_s
        self._thread = LoopThread("ostiary-exchange")
        self._begin_in_process()
        begin_in_children(self, SyncTokenExchange._begin_in_process)
        self._closing = weakref.finalize(self, self._thread.stop, GRACE_S)

    def token(self, subject_token: str, *, audience: str, scope: str | None = None) -> str:
        """`TokenExchange.token` without `await`."""
        found, flight = self._find_or_ask(subject_token, audience, scope)
        if found is None and flight is not None:
            wait([flight], self._timeout_s + GRACE_S)
        return found if found is not None else self._judge(flight)

    def close(self) -> None:
        """Ends the thread and its connections, and forgets every token; who asks later begins another."""
        self._thread.stop(GRACE_S)
        self._begin_in_process()

    def _begin_in_process(self) -> None:
        self._exchanges = Exchanges(self._terms)

    def _find_or_ask(self, token: str, audience: str, scope: str | None) -> "tuple[str | None, Future[Outcome] | None]":
        """The remembered token, or the request for one."""
        if not is_bearer_token(token):
            raise ExchangeRefused("invalid_request")
        told = "\n".join((token, audience, scope or ""))
        wanted = Wanted(hashlib.sha256(told.encode(errors="replace")).digest(), token, audience, scope)
        exchanges = self._exchanges
        # Remembered ones are found without a journey to the thread.
        found = exchanges.find(wanted.digest)
        if found is not None:
            return found, None
        try:
            return None, self._thread.submit(lambda: exchanges.exchange(wanted))
        except (RuntimeError, MemoryError):
            return None, None

    def _judge(self, flight: "Future[Outcome] | None") -> str:
        failed = CallFailed("the system has no thread to give" if flight is None else "no answer in time")
        if flight is not None and flight.done() and not flight.cancelled():
            outcome = flight.result()
            if isinstance(outcome, str):
                return outcome
            failed = outcome
        if failed.is_refusal:
            raise ExchangeRefused(failed.error)
        raise ExchangeUnavailable(retry_after_s=max(1, round(failed.retry_after_s)), reason=str(failed))


class TokenExchange:
    """Tokens for the services behind this one: `await exchange.token(raw, audience="https://stock.example.com")`.

    Each stands for the access token that this service was called with, and is good for no longer. `audience` is the API
    that it is for, one of this client's own; without `scope` it has what the old token has and the client may ask for
    there. `typ` is the kind: the small one for services within, or `"at+jwt"` for an access token.

    One request is made for a token and an audience, however many ask, and `most_at_once` for all; `most_tokens` are
    remembered until shortly before they end, none of them longer. ExchangeRefused where the issuer says no, which is
    believed for some seconds; ExchangeUnavailable where it cannot be asked, and then it is left alone for a moment.
    Verify the caller's token first, each time: what is remembered knows of no revocation.
    """

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        client_secret: str,
        typ: str = TXN_TOKEN,
        timeout_s: float = 3,
        most_tokens: int = 4096,
        most_at_once: int = 16,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        self._inner = SyncTokenExchange(
            issuer,
            client_id=client_id,
            client_secret=client_secret,
            typ=typ,
            timeout_s=timeout_s,
            most_tokens=most_tokens,
            most_at_once=most_at_once,
            ssl_context=ssl_context,
            transport=transport,
            monotonic=monotonic,
        )
        self._timeout_s = timeout_s

    async def token(self, subject_token: str, *, audience: str, scope: str | None = None) -> str:
        """A token for `audience` in the name of whoever `subject_token` stands for."""
        found, flight = self._inner._find_or_ask(subject_token, audience, scope)
        if found is not None:
            return found
        if flight is not None:
            # `wait`, unlike awaiting it, leaves the request to the others when this task is cancelled.
            await asyncio.wait([asyncio.wrap_future(flight)], timeout=self._timeout_s + GRACE_S)
        return self._inner._judge(flight)

    def close(self) -> None:
        """Ends the thread and its connections, and forgets every token; who asks later begins another."""
        self._inner.close()
