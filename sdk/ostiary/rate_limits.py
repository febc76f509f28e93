"""How often a person, a client and all of them together may call: judged, and told to the caller."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ostiary.rate_counts import Counts, CountsUnavailable, ProcessCounts, SharedCounts, SyncSharedCounts, Window
from ostiary.rates import Rate, RateVerdict
from ostiary.values import AccessToken

REST_S = 1.0

PERSON_RATE = Rate(1000, 900)

Headers = list[tuple[bytes, bytes]]

logger = logging.getLogger("ostiary")


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How often one person, one client and everyone together may call; None where there is no limit.

    A client that calls in its own name is no person and has the client's limit alone. `name` keeps this API's counters
    apart from those of others in the same Redis.
    """

    person: Rate | None = PERSON_RATE
    client: Rate | None = None
    everyone: Rate | None = None
    name: str = "api"

    def for_request(self, token: AccessToken | None) -> list[tuple[str, str, Rate]]:
        """The limits that a request falls under: what each is called, the key that is counted, and the rate."""
        found: list[tuple[str, str, Rate]] = []
        if token is not None and self.person is not None and token.sub != token.client_id:
            found.append(("person", f"{self.name}:person:{token.sub}", self.person))
        if token is not None and self.client is not None:
            found.append(("client", f"{self.name}:client:{token.client_id}", self.client))
        if self.everyone is not None:
            found.append(("everyone", f"{self.name}:everyone", self.everyone))
        return found


@dataclass(frozen=True, slots=True)
class LimitState:
    """One limit after a hit."""

    name: str
    rate: Rate
    verdict: RateVerdict
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class RateAnswer:
    """All limits of a request after it was counted."""

    states: tuple[LimitState, ...]

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return all(state.verdict.allowed for state in self.states)

    def headers(self) -> Headers:
        """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10 §3, §4).

        How busy everyone is concerns nobody, unless it is why the request was refused.
        """
        shown = [state for state in self.states if state.name != "everyone" or not state.verdict.allowed]
        if not shown:
            return []
        policy = ", ".join(f'"{each.name}";q={each.rate.limit};w={each.rate.window_s}' for each in shown)
        state = ", ".join(f'"{each.name}";r={each.verdict.remaining};t={_until_s(each)}' for each in shown)
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]

    def refusal(self) -> tuple[Headers, bytes]:
        """Headers and body of the 429 (RFC 6585 §4, RFC 9457, and the draft's problem type)."""
        violated = [state for state in self.states if not state.verdict.allowed]
        retry_after_s = max(state.verdict.retry_after_s for state in violated)
        document = {
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Too many requests",
            "status": 429,
            "detail": f"try again in {retry_after_s} s",
            "violated-policies": [state.name for state in violated],
        }
        body = msgspec.json.encode(document)
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"retry-after", str(retry_after_s).encode()),
        ]
        return headers + self.headers(), body


def _until_s(state: LimitState) -> int:
    """Seconds until more is allowed: the next hit of who is refused, the end of the window for the others."""
    return state.verdict.retry_after_s or int(state.rate.window_s - state.elapsed_s) or 1


class _Counting:
    """What both limiters share: everything but the waiting for Redis.

    Every hit is counted in this process too. When Redis goes away the process knows what it has seen itself and goes
    on alone: a limit then holds for each process instead of for all together, but there is always one (I6).
    """

    def __init__(self, limits: RateLimits, *, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._own = ProcessCounts()
        self._clock = clock
        self._monotonic = monotonic
        self._resting_until = float("-inf")

    def _begin(self, token: AccessToken | None) -> tuple[list[tuple[str, str, Rate]], list[Window], float]:
        found, now = self._limits.for_request(token), self._clock()
        return found, [Window(key, rate.window(now)[0], rate.window_s) for _, key, rate in found], now

    def _may_ask(self) -> bool:
        return self._monotonic() >= self._resting_until

    def _rest(self, failure: CountsUnavailable) -> None:
        logger.warning("rate limits: Redis is away (%s); this process counts by itself", failure)
        self._resting_until = self._monotonic() + REST_S

    @staticmethod
    def _answer(found: list[tuple[str, str, Rate]], counts: Counts, now: float) -> RateAnswer:
        states: list[LimitState] = []
        for (name, _, rate), (current, previous) in zip(found, counts, strict=True):
            elapsed_s = rate.window(now)[1]
            verdict = rate.judge(previous=previous, current=current, elapsed_s=elapsed_s)
            states.append(LimitState(name, rate, verdict, elapsed_s))
        return RateAnswer(tuple(states))


class RateLimiter(_Counting):
    """Counts requests, for asyncio: in this process, or with `shared=RedisCounts(url)` for all processes together."""

    def __init__(
        self,
        limits: RateLimits,
        *,
        shared: SharedCounts | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(limits, clock=clock, monotonic=monotonic)
        self._shared = shared

    async def hit(self, token: AccessToken | None) -> RateAnswer:
        """Count one request of the token's person and client, and judge it."""
        found, windows, now = self._begin(token)
        counts = self._own.hit(windows)
        if self._shared is not None and windows and self._may_ask():
            try:
                counts = await self._shared.hit(windows)
            except CountsUnavailable as failure:
                self._rest(failure)
        return self._answer(found, counts, now)


class SyncRateLimiter(_Counting):
    """`RateLimiter` without `await`, for threads; `shared=SyncRedisCounts(url)`."""

    def __init__(
        self,
        limits: RateLimits,
        *,
        shared: SyncSharedCounts | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(limits, clock=clock, monotonic=monotonic)
        self._shared = shared

    def hit(self, token: AccessToken | None) -> RateAnswer:
        """Count one request of the token's person and client, and judge it."""
        found, windows, now = self._begin(token)
        counts = self._own.hit(windows)
        if self._shared is not None and windows and self._may_ask():
            try:
                counts = self._shared.hit(windows)
            except CountsUnavailable as failure:
                self._rest(failure)
        return self._answer(found, counts, now)
