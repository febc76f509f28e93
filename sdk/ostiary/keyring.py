"""When the issuer's keys are fresh, stale or lost, and when to ask again. No I/O, no clock of its own.

Times are seconds of one monotonic clock, so that a wall clock set back never makes old keys young.
"""

import logging
import math
from dataclasses import dataclass, replace

from ostiary.errors import KeyFetchError, KeysUnavailable, TokenError, TokenErrorCode
from ostiary.jwk import KeySet, VerificationKey
from ostiary.values import KeyPolicy

FIRST_RETRY_S = 1.0

logger = logging.getLogger("ostiary")


@dataclass(frozen=True, slots=True)
class KeyRingState:
    """One consistent view. `attempts` counts finished refreshes, `failures` those that failed since the last good.

    Nobody asks the issuer before `next_attempt_at`, and no unknown key id before `next_search_at`.
    """

    keys: KeySet
    fresh_until: float
    usable_until: float
    next_attempt_at: float
    next_search_at: float
    attempts: int
    failures: int
    reason: str


class KeyRing:
    """The keys of one issuer and the rules of their age. Replaced as a whole, so readers need no lock.

    Writers (`record_keys`, `record_failure`) must be one at a time: the caller's single flight sees to it.
    """

    def __init__(self, policy: KeyPolicy) -> None:
        self._policy = policy
        never = -math.inf
        self._state = KeyRingState(KeySet({}, ()), never, never, never, never, 0, 0, "never fetched")

    @property
    def attempts(self) -> int:
        """How many refreshes have ended, well or badly."""
        return self._state.attempts

    def find_fresh(self, kid: str, *, now: float) -> VerificationKey | None:
        """The key, if it may be used without asking the issuer."""
        state = self._state
        return state.keys.usable.get(kid) if now < state.fresh_until else None

    def find_usable(self, kid: str, *, now: float) -> VerificationKey | None:
        """The key, fresh or stale, or None."""
        state = self._state
        return state.keys.usable.get(kid) if now < state.usable_until else None

    def may_ask(self, kid: str, *, now: float) -> bool:
        """False during a cool-down: unknown key ids must not become requests to the issuer (S37)."""
        return now >= _next_ask_at(self._state, kid)

    def load(self, kid: str, *, now: float, cause: Exception | None = None) -> VerificationKey:
        """The key after everything allowed was tried.

        KeysUnavailable when we cannot know, because the keys are too old or the last refresh failed; TokenError when
        we do know, and the issuer publishes no such key. `cause` is why the caller's own refresh failed.
        """
        state = self._state
        key = self.find_usable(kid, now=now)
        if key is not None:
            return key
        if state.failures or now >= state.usable_until:
            wait_s = min(max(_next_ask_at(state, kid) - now, 1), self._policy.cooldown_s)
            raise KeysUnavailable(retry_after_s=math.ceil(wait_s), reason=state.reason or "too old") from cause
        raise TokenError(TokenErrorCode.UNKNOWN_KEY, "kid names no key that the issuer publishes for access tokens")

    def record_keys(self, keys: KeySet, *, fresh_for_s: float | None, now: float) -> None:
        """Take over what the issuer publishes now; keys that are gone from it are gone here (S39).

        `fresh_for_s` is what the response allowed, None where it said nothing; the policy bounds it.
        """
        policy = self._policy
        wished = policy.default_age_s if fresh_for_s is None else fresh_for_s
        fresh_until = now + min(max(wished, policy.min_age_s), policy.max_age_s)
        self._state = KeyRingState(
            keys=keys,
            fresh_until=fresh_until,
            usable_until=fresh_until + policy.max_stale_s,
            next_attempt_at=now,
            next_search_at=now + policy.cooldown_s,
            attempts=self._state.attempts + 1,
            failures=0,
            reason="",
        )
        for words in keys.refused:
            logger.warning("a published key is not used: %s", words[:200])

    def record_failure(self, error: Exception, *, now: float) -> None:
        """Keep what is there and wait: one second first, twice as long each time, the cool-down at most."""
        state = self._state
        reason = (str(error) if isinstance(error, KeyFetchError) else f"{type(error).__name__}: {error}")[:200]
        wait_s = min(FIRST_RETRY_S * 2 ** min(state.failures, 16), self._policy.cooldown_s)
        self._state = replace(
            state,
            next_attempt_at=now + wait_s,
            attempts=state.attempts + 1,
            failures=state.failures + 1,
            reason=reason,
        )
        logger.warning("the issuer's keys could not be refreshed: %r", reason)


def _next_ask_at(state: KeyRingState, kid: str) -> float:
    """When this key id may cause a refresh again.

    Unknown ids wait on their own: they must neither profit from keys that age fast nor keep the known from renewal.
    """
    if kid in state.keys.usable:
        return state.next_attempt_at
    return max(state.next_attempt_at, state.next_search_at)
