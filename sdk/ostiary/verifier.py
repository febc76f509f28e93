"""The verifier for async programs (asyncio)."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Collection, Coroutine
from typing import Protocol

import anyio
import httpx2

from ostiary.bearer import parse_credentials
from ostiary.clocks import since_boot
from ostiary.core import DEFAULT_CACHE_AGE_S, VerifierCore
from ostiary.discovery import parse_issuer
from ostiary.errors import TokenError, Unavailable
from ostiary.failure_policy import Action, FailurePolicy, Sensitivity
from ostiary.feed_source import FeedSource
from ostiary.fetch import Route, fetch_keys
from ostiary.jwk import VerificationKey
from ostiary.keyring import Ask, KeyRing
from ostiary.standing import open_standing
from ostiary.token_cache import ProvenToken
from ostiary.values import (
    ACCESS_TOKEN,
    DEFAULT_CACHE_SIZE,
    DEFAULT_LEEWAY_S,
    AccessToken,
    KeyPolicy,
    parse_expectations,
)

logger = logging.getLogger("ostiary")


class Introspector(Protocol):
    """Asks the issuer itself about a token: `ostiary.Introspector` does."""

    async def introspect(self, token: str) -> bool:
        """Whether the token is active (RFC 7662 §2.2); any exception where the issuer cannot be asked."""


class Verifier:
    """Proves access tokens of one issuer, made for one audience, without asking the issuer each time.

    `audience` is this service's own identifier and cannot be left out: a token made for a neighbour is not for us.
    `leeway_s` (0 to 60) forgives clocks that differ. `accepts_bound` is for programs that check DPoP or mTLS proofs
    themselves. `typ` is the kind of token: access tokens, or `"txntoken+jwt"` for those that a gateway hands to the
    services behind it; one verifier takes one kind. With a `feed`, what was revoked is refused within a second;
    `failure_policy` says what is done while the feed is late, and `introspector` asks the issuer then.
    `token_cache_size` verified tokens are remembered until they expire, for `token_cache_age_s` at most; every use of
    one checks keys and revocations anew.
    `ssl_context` brings a private CA; `transport`, `clock` (epoch seconds) and `monotonic` are for tests.

    Make one at start and share it among all tasks of one event loop; there is nothing to close.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        algorithms: tuple[str, ...] = ("ES256",),
        leeway_s: float = DEFAULT_LEEWAY_S,
        accepts_bound: bool = False,
        typ: str = ACCESS_TOKEN,
        feed: FeedSource | None = None,
        introspector: Introspector | None = None,
        failure_policy: FailurePolicy | None = None,
        key_policy: KeyPolicy | None = None,
        token_cache_size: int = DEFAULT_CACHE_SIZE,
        token_cache_age_s: float = DEFAULT_CACHE_AGE_S,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        expected = parse_expectations(
            issuer=issuer, audience=audience, typ=typ, algorithms=algorithms, leeway_s=leeway_s,
            accepts_bound=accepts_bound,
        )  # fmt: skip
        policy = key_policy or KeyPolicy()
        can_introspect, self._keys = introspector is not None, KeyRing(policy)
        self._core = VerifierCore(
            expected, cache_size=token_cache_size, cache_age_s=token_cache_age_s, keys=self._keys,
            standing=open_standing(
                feed, failure_policy, expected_issuer=expected.issuer, can_introspect=can_introspect
            ),
        )  # fmt: skip
        # What the Authorization header among a request's headers brought a moment ago, if nothing has happened since;
        # None asks for `verify_header`. No method, because guards ask it at every request.
        self.recall_headers = self._core.header_recall(clock=clock, monotonic=monotonic)
        self._introspector, self._route = introspector, Route(parse_issuer(issuer), policy.timeout_s, ssl_context)
        self._transport, self._flight = transport, anyio.Lock()
        self._behind: set[asyncio.Task[None]] = set()
        self._clock, self._monotonic, self._recall = clock, monotonic, self._core.recall

    async def verify(self, token: str, sensitivity: Sensitivity = Sensitivity.ORDINARY) -> AccessToken:
        """What the token says, proven; TokenError (answer 401) or Unavailable (answer 503) otherwise.

        `sensitivity` is what the route can do, and so what a feed that is late means for it (`FailurePolicy`).
        """
        known = self._recall(token, self._clock(), self._monotonic())
        return known if known is not None else await self._verify_anew(token, sensitivity)

    async def verify_header(self, header: bytes | None, sensitivity: Sensitivity = Sensitivity.ORDINARY) -> AccessToken:
        """`verify` for the value of the Authorization header, which `recall_headers` knows from then on.

        BearerMissing where it is None or brings no token.
        """
        raw = parse_credentials(header)
        token = await self.verify(raw, sensitivity)
        if header is not None:
            self._core.keep_header(header, raw)
        return token

    @property
    def feed(self) -> FeedSource | None:
        """The feed that tells what was revoked, as given."""
        return self._core.standing.feed if self._core.standing is not None else None

    @property
    def failure_policy(self) -> FailurePolicy:
        """What is done while the feed is late."""
        return self._core.standing.policy if self._core.standing is not None else FailurePolicy()

    @property
    def leeway_s(self) -> float:
        """By how much clocks may differ."""
        return self._core.expected.leeway_s

    def require_authentication(
        self, token: AccessToken, *, acr: str | Collection[str] = (), max_age_s: int | None = None
    ) -> AccessToken:
        """The verified token again, if the person proved themselves by a class of `acr`, at most `max_age_s` ago.

        InsufficientAuthentication otherwise (answer 401, `ostiary.bearer` has the words); a token that does not say is
        never enough. `ostiary.step_up` tells which classes imply which.
        """
        return self._core.require(token, acr=acr, max_age_s=max_age_s, now=self._clock())

    async def _verify_anew(self, token: str, sensitivity: Sensitivity) -> AccessToken:
        pending = self._core.begin(token)
        proven = self._core.finish(pending, key=await self._load_key(pending.kid), now=self._clock())
        match self._core.decide(proven, sensitivity, tick=self._monotonic()):
            case Action.INTROSPECT:
                await self._introspect(token, proven)
                # That took a while: what the feed has heard meanwhile counts as well.
                proven = self._core.finish(pending, key=proven.key, now=self._clock())
            case Action.ACCEPT_AND_INTROSPECT:
                # At the task's end and not inside of it: a task may be cancelled before it has begun.
                asking = self._begin(self._introspect_behind(token, proven))
                asking.add_done_callback(lambda _: self._core.end_behind(proven))
            case Action.ACCEPT | Action.UNAVAILABLE:  # the second was raised
                pass
        return proven.token

    async def _introspect(self, token: str, proven: ProvenToken) -> None:
        """TokenError where the issuer says no, FeedUnavailable where it cannot be asked; never a silent yes."""
        asked_at = self._monotonic()
        try:
            with anyio.fail_after(self.failure_policy.introspection_timeout_s):
                is_active = self._introspector is not None and await self._introspector.introspect(token)
        except Exception as error:
            raise self._core.unanswered(error, tick=self._monotonic()) from error
        self._core.take_answer(proven, is_active, asked_at=asked_at, now=self._clock())

    async def _introspect_behind(self, token: str, proven: ProvenToken) -> None:
        try:
            await self._introspect(token, proven)
        except (TokenError, Unavailable) as error:
            logger.info("a token was introspected behind its request: %s", error)

    async def _load_key(self, kid: str) -> VerificationKey:
        keys, now = self._keys, self._monotonic()
        seen = keys.attempts
        ask, usable = keys.must_ask(kid, now=now), keys.find_usable(kid, now=now)
        if usable is not None and (ask is Ask.NOT or self._flight.locked()):
            return usable
        if usable is not None and ask is Ask.BEHIND:
            keys.begin_behind(now=now)
            self._begin(self._refresh_behind(kid, seen=seen))
            return usable
        cause = await self._refresh(kid, seen=seen) if ask is not Ask.NOT else None
        return keys.load(kid, now=self._monotonic(), cause=cause)

    async def _refresh(self, kid: str, *, seen: int) -> Exception | None:
        """One refresh however many ask; why it failed, or None.

        A task cancelled on the way leaves the turn to the next in line.
        """
        async with self._flight:
            # `seen` was read before the keys were: a refresh that ended meanwhile has answered our question too.
            if self._keys.attempts != seen:
                return None
            try:
                published = await fetch_keys(self._route, transport=self._transport)
            except Exception as error:  # noqa: BLE001 - transports and proxy settings raise what they like
                self._keys.record_failure(error, now=self._monotonic())
                return error
            self._keys.record_keys(published.keys, fresh_for_s=published.fresh_for_s, now=self._monotonic())
            self._keys.record_search(kid, now=self._monotonic())
            return None

    async def _refresh_behind(self, kid: str, *, seen: int) -> None:
        await self._refresh(kid, seen=seen)

    def _begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Runs beside the request. The loop itself keeps no hold on its tasks, so the verifier does."""
        task = asyncio.get_running_loop().create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task
