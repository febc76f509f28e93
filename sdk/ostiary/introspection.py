"""Asking the issuer itself whether a token holds (RFC 7662): while the feed is late, or where it must be certain."""

import asyncio
import hashlib
import ssl
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from ipaddress import ip_address
from secrets import SystemRandom

import httpx2

from ostiary.backoff import Backoff
from ostiary.call_values import CallFailed, ClientCredentials, is_bearer_token
from ostiary.client_calls import close_at_end, find_endpoint, open_client, post_form
from ostiary.clocks import since_boot
from ostiary.discovery import parse_issuer
from ostiary.errors import ConfigurationError, IntrospectionUnavailable
from ostiary.fetch import Route
from ostiary.introspected import ANSWER_AGE_S
from ostiary.loop_thread import LoopThread, begin_in_children

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
MOST_REMEMBERED = 4096
MOST_USER_AGENT = 512
# The inner deadline ends the work; the outer one frees the caller from what cannot be cancelled.
GRACE_S = 1.0


class SyncIntrospector:
    """`Introspector` without `await`. Safe to share among threads."""

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        client_secret: str,
        timeout_s: float = 3,
        believed_s: float = 1,
        most_at_once: int = 16,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        # Who asks takes an answer for as old as `ANSWER_AGE_S`: an older one would stretch the bounds of FailurePolicy.
        if not 0 < timeout_s <= 60 or not 0 <= believed_s <= ANSWER_AGE_S or most_at_once < 1:
            raise ConfigurationError(
                f"timeout_s must be above 0 and at most 60, believed_s 0 to {ANSWER_AGE_S:g}, most_at_once at least 1"
            )
        self._route = Route(parse_issuer(issuer), timeout_s, ssl_context)
        self._credentials = ClientCredentials(client_id, client_secret)
        self._believed_s, self._most_at_once = believed_s, most_at_once
        self._transport, self._monotonic = transport, monotonic
        self._thread = LoopThread("ostiary-introspection")
        self._begin_in_process()
        begin_in_children(self, SyncIntrospector._begin_in_process)
        self._closing = weakref.finalize(self, self._thread.stop, GRACE_S)

    def introspect(
        self, token: str, *, client_address: str | None = None, client_user_agent: str | None = None
    ) -> bool:
        """`Introspector.introspect` without `await`."""
        asked = self._ask(token, _seen(client_address, client_user_agent))
        wait([asked], self._route.timeout_s + GRACE_S)
        return self._judge(asked)

    def close(self) -> None:
        """Ends the thread and its connections; who asks later begins another."""
        self._thread.stop(GRACE_S)
        self._begin_in_process()

    def _begin_in_process(self) -> None:
        self._questions = _Questions(
            self._route,
            self._credentials,
            believed_s=self._believed_s,
            most_at_once=self._most_at_once,
            transport=self._transport,
            monotonic=self._monotonic,
        )

    def _ask(self, token: str, seen: Mapping[str, str]) -> "Future[bool | CallFailed]":
        if not is_bearer_token(token):
            # Nothing that the issuer could have issued, and nothing to send around.
            return _done(False)
        questions = self._questions
        try:
            return self._thread.submit(lambda: questions.ask(token, seen))
        except (RuntimeError, MemoryError):
            return _done(CallFailed("the system has no thread to give"))

    def _judge(self, asked: "Future[bool | CallFailed]") -> bool:
        answer = CallFailed("the issuer did not answer in time")
        if asked.done() and not asked.cancelled():
            found = asked.result()
            if not isinstance(found, CallFailed):
                return found
            answer = found
        raise IntrospectionUnavailable(retry_after_s=max(1, round(answer.retry_after_s)), reason=str(answer))


class Introspector:
    """Asks the issuer whether a token is active: `await introspector.introspect(token)` is True or False.

    IntrospectionUnavailable where it cannot be asked, which is never a yes. `client_id` and `client_secret` are this
    service's own; the server tells a client only of tokens for APIs that the client was given, and says that any other
    token is not active.

    One question is under way for a token, however many ask, and `most_at_once` for all; each takes at most
    `timeout_s`. An answer is believed for `believed_s`, a second at most, and so is one that is long on its way: who
    asks later than that asks anew. After a failure the issuer is left alone for a moment, up to
    5 s, and everybody hears so at once. Questions run in a daemon thread of their own, for one loop or several.
    """

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        client_secret: str,
        timeout_s: float = 3,
        believed_s: float = 1,
        most_at_once: int = 16,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        self._inner = SyncIntrospector(
            issuer,
            client_id=client_id,
            client_secret=client_secret,
            timeout_s=timeout_s,
            believed_s=believed_s,
            most_at_once=most_at_once,
            ssl_context=ssl_context,
            transport=transport,
            monotonic=monotonic,
        )
        self._timeout_s = timeout_s

    async def introspect(
        self, token: str, *, client_address: str | None = None, client_user_agent: str | None = None
    ) -> bool:
        """Whether the token is active; IntrospectionUnavailable where the issuer cannot be asked.

        `client_address` and `client_user_agent` are those of whoever brought the token, where that is the person's own
        device: the issuer assesses the session by them, and may end it. A server's own address must not be given.
        """
        asked = self._inner._ask(token, _seen(client_address, client_user_agent))
        # `wait`, unlike awaiting it, leaves the question to the others when this task is cancelled.
        await asyncio.wait([asyncio.wrap_future(asked)], timeout=self._timeout_s + GRACE_S)
        return self._inner._judge(asked)

    def close(self) -> None:
        """Ends the thread and its connections; who asks later begins another."""
        self._inner.close()


class _Questions:
    """What is asked and was answered; for the one loop of the thread."""

    def __init__(
        self,
        route: Route,
        credentials: ClientCredentials,
        *,
        believed_s: float,
        most_at_once: int,
        transport: httpx2.AsyncBaseTransport | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._route, self._credentials, self._transport = route, credentials, transport
        self._believed_s, self._monotonic = believed_s, monotonic
        self._turns = asyncio.Semaphore(most_at_once)
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, random=SystemRandom().random)
        self._pause_until = float("-inf")
        self._reason = ""
        self._answers: dict[bytes, tuple[bool, float]] = {}
        self._flights: dict[bytes, tuple[asyncio.Task[bool | CallFailed], float]] = {}
        self._client: httpx2.AsyncClient | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._url = ""

    async def ask(self, token: str, seen: Mapping[str, str]) -> bool | CallFailed:
        """The answer, remembered or new, or why there is none. From another address it is another question."""
        told = "\n".join((token, *(f"{name}={value}" for name, value in seen.items())))
        digest = hashlib.sha256(told.encode(errors="replace")).digest()
        now = self._monotonic()
        known = self._answers.get(digest)
        if known is not None and 0 <= now - known[1] < self._believed_s:
            return known[0]
        flight, began_at = self._flights.get(digest, (None, now))
        # What is long under way may have been answered before the token was revoked.
        if flight is None or now - began_at >= ANSWER_AGE_S:
            if now < self._pause_until:
                return CallFailed(self._reason, retry_after_s=self._pause_until - now)
            flight = self._begin({"token": token, **seen}, digest, now)
        return await asyncio.shield(flight)

    def _begin(self, asked: Mapping[str, str], digest: bytes, now: float) -> "asyncio.Task[bool | CallFailed]":
        flight = asyncio.create_task(self._fly(asked, digest, now))
        self._flights[digest] = (flight, now)

        def land(_: object) -> None:
            if self._flights.get(digest, (None, now))[0] is flight:
                del self._flights[digest]

        flight.add_done_callback(land)
        return flight

    async def _fly(self, asked: Mapping[str, str], digest: bytes, asked_at: float) -> bool | CallFailed:
        try:
            async with asyncio.timeout(self._route.timeout_s), self._turns:
                is_active = await self._request(asked)
        except Exception as error:  # noqa: BLE001 - proxy settings and transports raise what they like
            failure = error if isinstance(error, CallFailed) else CallFailed(type(error).__name__)
            self._reason = str(failure)
            self._pause_until = self._monotonic() + self._backoff.next_pause_s(at_least_s=failure.retry_after_s)
            # Where the endpoint is may be what has changed.
            self._url = ""
            return failure
        self._backoff.reset()
        self._remember(digest, is_active, asked_at)
        return is_active

    async def _request(self, asked: Mapping[str, str]) -> bool:
        if self._client is None:
            self._client = open_client(self._route, transport=self._transport)
            self._keeper = asyncio.create_task(close_at_end(self._client))
        if not self._url:
            self._url = await find_endpoint(self._client, self._route, "introspection_endpoint")
        form = {**asked, "token_type_hint": "access_token"}
        answer = await post_form(self._client, self._route, self._url, credentials=self._credentials, form=form)
        is_active = answer.get("active")
        if not isinstance(is_active, bool):
            raise CallFailed("the issuer's answer does not say whether the token is active")
        return is_active

    def _remember(self, digest: bytes, is_active: bool, asked_at: float) -> None:
        if self._answers.get(digest, (False, asked_at))[1] > asked_at:
            # A later question was answered first.
            return
        self._answers.pop(digest, None)
        self._answers[digest] = (is_active, asked_at)
        while len(self._answers) > MOST_REMEMBERED:
            del self._answers[next(iter(self._answers))]


def _seen(address: str | None, user_agent: str | None) -> Mapping[str, str]:
    """What the issuer is told of whoever brought a token; nothing without an address."""
    try:
        told = str(ip_address(address or ""))
    except ValueError:
        # What is no address the issuer would refuse, and a question about a good token with it.
        return {}
    kept = "".join(char for char in (user_agent or "")[:MOST_USER_AGENT] if char.isprintable())
    return {"client_address": told} | ({"client_user_agent": kept} if kept else {})


def _done(answer: bool | CallFailed) -> "Future[bool | CallFailed]":
    asked: Future[bool | CallFailed] = Future()
    asked.set_result(answer)
    return asked
