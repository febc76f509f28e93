"""When the issuer's keys are fresh, due, stale or lost, and when to ask again. No I/O, no clock of its own.

Times are seconds of one monotonic clock, so that a wall clock set back never makes old keys young.
"""

import logging
import math
from dataclasses import dataclass, replace
from enum import Enum

from ostiary.errors import KeyFetchError, KeysUnavailable, TokenError, TokenErrorCode
from ostiary.jwk import KeySet, VerificationKey
from ostiary.unknown_keys import UnknownKeys
from ostiary.values import KeyPolicy

FIRST_RETRY_S = 1.0

logger = logging.getLogger("ostiary")


class Ask(Enum):
    """What the caller does about the issuer: nothing, a refresh behind its back, or one that it waits for."""

    NOT = 0
    BEHIND = 1
    WAIT = 2


@dataclass(frozen=True, slots=True)
class KeyRingState:
    """One consistent view. `attempts` counts finished refreshes, `failures` those that failed since the last good.

    From `refresh_at` on the keys are asked for again, from `fresh_until` on requests wait for it. Nobody asks the
    issuer before `next_attempt_at`, and no unknown key id before `next_search_at`.
    """

    keys: KeySet
    refresh_at: float
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
    `version` grows after every change of the keys themselves. Before `quiet_until` every key of this version may be
    used without a question.
    """

    def __init__(self, policy: KeyPolicy) -> None:
        self._policy = policy
        never = -math.inf
        self._state = KeyRingState(KeySet({}, ()), never, never, never, never, never, 0, 0, "never fetched")
        self._unknown = UnknownKeys(policy.unknown_for_s)
        self._doubted: frozenset[str] = frozenset()
        self.version = 0
        self.quiet_until = never

    @property
    def attempts(self) -> int:
        """How many refreshes have ended, well or badly."""
        return self._state.attempts

    def find_usable(self, kid: str, *, now: float) -> VerificationKey | None:
        """The key, fresh or stale, or None."""
        state = self._state
        return state.keys.usable.get(kid) if now < state.usable_until else None

    def must_ask(self, kid: str, *, now: float) -> Ask:
        """Whether this key id, at this moment, is a reason to ask the issuer.

        Never during a cool-down: unknown key ids must not become requests to the issuer (S37). A key that is known
        and fresh makes nobody wait, and neither does one that is stale because the issuer is away.
        """
        state = self._state
        if kid not in state.keys.usable:
            # After a failure the due refresh is made for any reason, by the pauses between attempts.
            is_due = state.failures > 0 and now >= state.refresh_at
            may_search = now >= state.next_attempt_at and (is_due or now >= state.next_search_at)
            return Ask.WAIT if may_search and not self._unknown.is_known(kid, now=now) else Ask.NOT
        if now < self.quiet_until or now < state.next_attempt_at:
            return Ask.NOT
        waits = now >= state.usable_until or (now >= state.fresh_until and not state.failures)
        return Ask.WAIT if waits else Ask.BEHIND

    def load(self, kid: str, *, now: float, cause: Exception | None = None) -> VerificationKey:
        """The key after everything allowed was tried.

        KeysUnavailable when we cannot know, because the keys are too old or the last refresh failed; TokenError when
        we do know, and the issuer publishes no such key. `cause` is why the caller's own refresh failed.
        """
        key = self.find_usable(kid, now=now)
        if key is not None:
            return key
        state = self._state
        if state.failures or now >= state.usable_until:
            wait_s = min(max(_next_ask_at(state, kid) - now, 1), self._policy.cooldown_s)
            raise KeysUnavailable(retry_after_s=math.ceil(wait_s), reason=state.reason or "too old") from cause
        raise TokenError(TokenErrorCode.UNKNOWN_KEY, "kid names no key that the issuer publishes for access tokens")

    def begin_behind(self, *, now: float) -> None:
        """Somebody begins the refresh that `must_ask` wanted behind requests: the others leave it to them meanwhile."""
        state = self._state
        end = state.fresh_until if now < state.fresh_until else state.usable_until
        self.quiet_until = min(now + self._policy.timeout_s, end)

    def doubt(self, kid: str) -> None:
        """The feed withdrew this key: ask for the keys soon if it still stands among ours, once."""
        if kid in self._state.keys.usable and kid not in self._doubted:
            self._doubted |= {kid}
            self.quiet_until = -math.inf

    def record_search(self, kid: str, *, now: float) -> None:
        """A refresh was made for this key id's sake: if it did not bring the key, none is made for it for a while."""
        if not self._state.failures and kid not in self._state.keys.usable:
            self._unknown.remember(kid, now=now)

    def record_keys(self, keys: KeySet, *, fresh_for_s: float | None, now: float) -> None:
        """Take over what the issuer publishes now; keys that are gone from it are gone here (S39).

        `fresh_for_s` is what the response allowed, None where it said nothing; the policy bounds it.
        """
        policy = self._policy
        wished = policy.default_age_s if fresh_for_s is None else fresh_for_s
        age_s = min(max(wished, policy.min_age_s), policy.max_age_s)
        is_changed = _fingerprints(keys) != _fingerprints(self._state.keys)
        self._state = KeyRingState(
            keys=keys,
            refresh_at=now + age_s * policy.refresh_at,
            fresh_until=now + age_s,
            usable_until=now + age_s + policy.max_stale_s,
            next_attempt_at=now,
            next_search_at=now + policy.cooldown_s,
            attempts=self._state.attempts + 1,
            failures=0,
            reason="",
        )
        self._doubted &= keys.usable.keys()
        self.version += is_changed
        self.quiet_until = self._state.refresh_at
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
            # Where there are no keys at all, every key id is unknown: then the pauses between attempts are enough.
            next_search_at=now + self._policy.cooldown_s if state.keys.usable else state.next_search_at,
            attempts=state.attempts + 1,
            failures=state.failures + 1,
            reason=reason,
        )
        self.quiet_until = min(max(now + wait_s, min(self.quiet_until, state.refresh_at)), state.usable_until)
        logger.warning("the issuer's keys could not be refreshed: %r", reason)


def _fingerprints(keys: KeySet) -> dict[str, bytes]:
    return {kid: key.fingerprint for kid, key in keys.usable.items()}


def _next_ask_at(state: KeyRingState, kid: str) -> float:
    """When this key id may cause a refresh again.

    Unknown ids wait on their own: they must neither profit from keys that age fast nor keep the known from renewal.
    """
    if kid in state.keys.usable:
        return state.next_attempt_at
    return max(state.next_attempt_at, state.next_search_at)
