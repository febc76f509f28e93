"""The verifier for async programs (asyncio)."""

import ssl
import time
from collections.abc import Callable, Collection

import anyio
import httpx2

from ostiary.core import VerifierCore
from ostiary.discovery import parse_issuer
from ostiary.fetch import Route, fetch_keys
from ostiary.jwk import VerificationKey
from ostiary.keyring import KeyRing
from ostiary.values import AccessToken, KeyPolicy, parse_expectations

DEFAULT_LEEWAY_S = 10
DEFAULT_CACHE_SIZE = 4096


class Verifier:
    """Proves access tokens of one issuer, made for one audience, without asking the issuer each time.

    `audience` is this service's own identifier and cannot be left out: a token made for a neighbour is not for us.
    `leeway_s` (0 to 60) forgives clocks that differ. `token_cache_size` verified tokens are remembered until they
    expire or their key goes. `accepts_bound` is for programs that check DPoP or mTLS proofs themselves.
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
        self._flight = anyio.Lock()
        self._clock = clock
        self._monotonic = monotonic

    async def verify(self, token: str) -> AccessToken:
        """What the token says, proven; TokenError (answer 401) or KeysUnavailable (answer 503) otherwise."""
        pending = self._core.begin(token)
        key = await self._load_key(pending.kid)
        return self._core.finish(pending, key=key, now=self._clock())

    def require_authentication(
        self, token: AccessToken, *, acr: str | Collection[str] = (), max_age_s: int | None = None
    ) -> AccessToken:
        """The verified token again, if the person proved themselves by a class of `acr`, at most `max_age_s` ago.

        InsufficientAuthentication otherwise (answer 401, `ostiary.bearer` has the words); a token that does not say is
        never enough. `ostiary.step_up` tells which classes imply which.
        """
        return self._core.require(token, acr=acr, max_age_s=max_age_s, now=self._clock())

    async def _load_key(self, kid: str) -> VerificationKey:
        keys, now = self._keys, self._monotonic()
        fresh = keys.find_fresh(kid, now=now)
        if fresh is not None:
            return fresh
        # While somebody else refreshes, a stale key does; only who has no key at all waits for the refresh.
        waits = not self._flight.locked() or keys.find_usable(kid, now=now) is None
        asks = waits and keys.may_ask(kid, now=now)
        cause = await self._refresh(seen=keys.attempts) if asks else None
        return keys.load(kid, now=self._monotonic(), cause=cause)

    async def _refresh(self, *, seen: int) -> Exception | None:
        """One refresh however many ask; why it failed, or None.

        A task cancelled on the way leaves the turn to the next in line.
        """
        async with self._flight:
            if self._keys.attempts != seen:
                return None
            try:
                published = await fetch_keys(self._route, transport=self._transport)
            except Exception as error:  # noqa: BLE001 - transports and proxy settings raise what they like
                self._keys.record_failure(error, now=self._monotonic())
                return error
            self._keys.record_keys(published.keys, fresh_for_s=published.fresh_for_s, now=self._monotonic())
            return None
