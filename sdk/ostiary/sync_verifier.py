"""The verifier for programs of threads; `ostiary.verifier` explains the parts, the pure core is the same."""

import logging
import ssl
import time
from collections.abc import Callable, Collection
from threading import Thread
from typing import Protocol

import httpx2

from ostiary.clocks import since_boot
from ostiary.core import DEFAULT_CACHE_AGE_S, VerifierCore
from ostiary.discovery import parse_issuer
from ostiary.errors import TokenError, Unavailable
from ostiary.failure_policy import Action, FailurePolicy, Sensitivity
from ostiary.feed_source import FeedSource
from ostiary.fetch import Route, fetch_keys_blocking
from ostiary.fork_lock import ForkLock
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


class SyncIntrospector(Protocol):
    """Asks the issuer itself about a token: `ostiary.SyncIntrospector` does."""

    def introspect(self, token: str) -> bool:
        """Whether the token is active (RFC 7662 §2.2); any exception where the issuer cannot be asked in time."""


class SyncVerifier:
    """`ostiary.Verifier` without `await`: the same arguments, rules and errors. Safe to share among threads."""

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
        introspector: SyncIntrospector | None = None,
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
        self._keys = KeyRing(policy)
        self._core = VerifierCore(
            expected, cache_size=token_cache_size, cache_age_s=token_cache_age_s, keys=self._keys,
            standing=open_standing(
                feed, failure_policy, expected_issuer=expected.issuer, can_introspect=introspector is not None
            ),
        )  # fmt: skip
        self._recall = self._core.recall
        self._introspector = introspector
        self._route = Route(parse_issuer(issuer), policy.timeout_s, ssl_context)
        self._transport = transport
        self._flight = ForkLock()
        self._clock, self._monotonic = clock, monotonic

    def verify(self, token: str, sensitivity: Sensitivity = Sensitivity.ORDINARY) -> AccessToken:
        """What the token says, proven; TokenError (answer 401) or Unavailable (answer 503) otherwise.

        `sensitivity` is what the route can do, and so what a feed that is late means for it (`FailurePolicy`).
        """
        known = self._recall(token, self._clock(), self._monotonic())
        return known if known is not None else self._verify_anew(token, sensitivity)

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

    def _verify_anew(self, token: str, sensitivity: Sensitivity) -> AccessToken:
        pending = self._core.begin(token)
        proven = self._core.finish(pending, key=self._load_key(pending.kid), now=self._clock())
        match self._core.decide(proven, sensitivity, tick=self._monotonic()):
            case Action.INTROSPECT:
                self._introspect(token, proven)
                # That took a while: what the feed has heard meanwhile counts as well.
                proven = self._core.finish(pending, key=proven.key, now=self._clock())
            case Action.ACCEPT_AND_INTROSPECT:
                if not _begin("ostiary-introspection", lambda: self._introspect_behind(token, proven)):
                    self._core.end_behind(proven)
            case Action.ACCEPT | Action.UNAVAILABLE:  # the second was raised
                pass
        return proven.token

    def _introspect(self, token: str, proven: ProvenToken) -> None:
        """TokenError where the issuer says no, FeedUnavailable where it cannot be asked; never a silent yes."""
        asked_at = self._monotonic()
        try:
            is_active = self._introspector is not None and self._introspector.introspect(token)
        except Exception as error:
            raise self._core.unanswered(error, tick=self._monotonic()) from error
        self._core.take_answer(proven, is_active, asked_at=asked_at, now=self._clock())

    def _introspect_behind(self, token: str, proven: ProvenToken) -> None:
        try:
            self._introspect(token, proven)
        except (TokenError, Unavailable) as error:
            logger.info("a token was introspected behind its request: %s", error)
        finally:
            self._core.end_behind(proven)

    def _load_key(self, kid: str) -> VerificationKey:
        keys, now = self._keys, self._monotonic()
        seen = keys.attempts
        ask, usable = keys.must_ask(kid, now=now), keys.find_usable(kid, now=now)
        if usable is not None and (ask is Ask.NOT or self._flight.is_taken):
            return usable
        if usable is not None and ask is Ask.BEHIND:
            keys.begin_behind(now=now)
            _begin("ostiary-refresh", lambda: self._refresh(kid, seen=seen))
            return usable
        cause = self._refresh(kid, seen=seen) if ask is not Ask.NOT else None
        return keys.load(kid, now=self._monotonic(), cause=cause)

    def _refresh(self, kid: str, *, seen: int) -> Exception | None:
        """One refresh however many threads ask; why it failed, or None."""
        with self._flight.lock:
            # `seen` was read before the keys were: a refresh that ended meanwhile has answered our question too.
            if self._keys.attempts != seen:
                return None
            try:
                published = fetch_keys_blocking(self._route, transport=self._transport)
            except Exception as error:  # noqa: BLE001 - transports and proxy settings raise what they like
                self._keys.record_failure(error, now=self._monotonic())
                return error
            self._keys.record_keys(published.keys, fresh_for_s=published.fresh_for_s, now=self._monotonic())
            self._keys.record_search(kid, now=self._monotonic())
            return None


def _begin(name: str, work: Callable[[], object]) -> bool:
    """Whether a thread of its own does the work; where the system has none left, the request goes on without it."""
    try:
        Thread(target=work, name=name, daemon=True).start()
    except RuntimeError as error:
        logger.warning("no thread could be started: %s", error)
        return False
    return True
