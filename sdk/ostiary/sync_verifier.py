"""The verifier for programs of threads; `ostiary.verifier` explains the parts, the pure core is the same."""

import ssl
import time
from collections.abc import Callable, Collection
from threading import Lock

import httpx2

from ostiary.core import VerifierCore
from ostiary.discovery import parse_issuer
from ostiary.fetch import Route, fetch_keys_blocking
from ostiary.jwk import VerificationKey
from ostiary.keyring import KeyRing
from ostiary.values import AccessToken, KeyPolicy, parse_expectations
from ostiary.verifier import DEFAULT_CACHE_SIZE, DEFAULT_LEEWAY_S


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
        key_policy: KeyPolicy | None = None,
        token_cache_size: int = DEFAULT_CACHE_SIZE,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        expected = parse_expectations(
            issuer=issuer,
            audience=audience,
            algorithms=algorithms,
            leeway_s=leeway_s,
            accepts_bound=accepts_bound,
        )
        policy = key_policy or KeyPolicy()
        self._core = VerifierCore(expected, cache_size=token_cache_size)
        self._keys = KeyRing(policy)
        self._route = Route(parse_issuer(issuer), policy.timeout_s, ssl_context)
        self._transport = transport
        self._flight = Lock()
        self._clock = clock
        self._monotonic = monotonic

    def verify(self, token: str) -> AccessToken:
        """What the token says, proven; TokenError (answer 401) or KeysUnavailable (answer 503) otherwise."""
        pending = self._core.begin(token)
        key = self._load_key(pending.kid)
        return self._core.finish(pending, key=key, now=self._clock())

    def require_authentication(
        self, token: AccessToken, *, acr: str | Collection[str] = (), max_age_s: int | None = None
    ) -> AccessToken:
        """The verified token again, if the person proved themselves by a class of `acr`, at most `max_age_s` ago.

        InsufficientAuthentication otherwise (answer 401, `ostiary.bearer` has the words); a token that does not say is
        never enough. `ostiary.step_up` tells which classes imply which.
        """
        return self._core.require(token, acr=acr, max_age_s=max_age_s, now=self._clock())

    def _load_key(self, kid: str) -> VerificationKey:
        keys, now = self._keys, self._monotonic()
        seen = keys.attempts
        fresh = keys.find_fresh(kid, now=now)
        if fresh is not None:
            return fresh
        waits = not self._flight.locked() or keys.find_usable(kid, now=now) is None
        asks = waits and keys.may_ask(kid, now=now)
        cause = self._refresh(seen=seen) if asks else None
        return keys.load(kid, now=self._monotonic(), cause=cause)

    def _refresh(self, *, seen: int) -> Exception | None:
        """One refresh however many threads ask; why it failed, or None."""
        with self._flight:
            # `seen` was read before the keys were: a refresh that ended meanwhile has answered our question too.
            if self._keys.attempts != seen:
                return None
            try:
                published = fetch_keys_blocking(self._route, transport=self._transport)
            except Exception as error:  # noqa: BLE001 - transports and proxy settings raise what they like
                self._keys.record_failure(error, now=self._monotonic())
                return error
            self._keys.record_keys(published.keys, fresh_for_s=published.fresh_for_s, now=self._monotonic())
            return None
