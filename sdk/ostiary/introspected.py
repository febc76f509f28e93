"""What the issuer answered about single tokens while the feed was late. No I/O, no clock of its own."""

import os

from ostiary.failure_policy import FailurePolicy
from ostiary.fork_lock import ForkLock

MOST_ACTIVE = 8192
MOST_REFUSED = 65_536
PAUSE_S = 1.0
# An introspector may remember answers itself, our own one does for a second: what it says is as old as that.
ANSWER_AGE_S = 1.0


class Answers:
    """Answers by `jti`: a yes is believed for `introspection_believed_s`, a no for as long as the token would run.

    `version` grows after every no. Times (`tick`) are of one monotonic clock, `ends_at` is seconds since the epoch.
    Safe between threads.
    """

    def __init__(self, policy: FailurePolicy) -> None:
        self._policy = policy
        self._active_at: dict[str, float] = {}
        self._refused: dict[str, float] = {}
        self._behind: set[str] = set()
        self._pause_until = float("-inf")
        self._lock, self._pid = ForkLock(), os.getpid()
        self.version = 0

    def is_refused(self, jti: str) -> bool:
        """Whether the issuer said no to this token."""
        return jti in self._refused

    def is_believed(self, jti: str, *, tick: float) -> bool:
        """Whether a yes is young enough to stand for another question."""
        asked_at = self._active_at.get(jti)
        return asked_at is not None and tick < asked_at + self._policy.introspection_believed_s - ANSWER_AGE_S

    def begin(self, jti: str, *, tick: float) -> bool:
        """True if the issuer shall be asked behind this request now; whoever gets it calls `end` afterwards.

        One question a token, a bounded number of them, and a pause after one that found the issuer away.
        """
        with self._lock.lock:
            if self._pid != os.getpid():
                # What was under way when a parent forked is answered there.
                self._pid, self._behind = os.getpid(), set()
            is_full = len(self._behind) >= self._policy.introspections_behind
            if is_full or jti in self._behind or tick < self._pause_until or self.is_believed(jti, tick=tick):
                return False
            self._behind.add(jti)
            return True

    def end(self, jti: str) -> None:
        """The question behind a request was answered, or failed."""
        with self._lock.lock:
            self._behind.discard(jti)

    def record(self, jti: str, *, is_active: bool, asked_at: float, ends_at: float, now: float) -> None:
        """Remember an answer. `ends_at` is when the token ends anyway, `now` the same clock's time."""
        with self._lock.lock:
            if is_active:
                self._active_at.pop(jti, None)
                self._active_at[jti] = asked_at
                _shorten(self._active_at, MOST_ACTIVE)
                return
            self._active_at.pop(jti, None)
            if len(self._refused) >= MOST_REFUSED:
                self._refused = {known: end for known, end in self._refused.items() if end > now}
            self._refused[jti] = ends_at
            _shorten(self._refused, MOST_REFUSED)
            self.version += 1

    def record_failure(self, *, tick: float) -> None:
        """The issuer could not be asked."""
        self._pause_until = tick + PAUSE_S


def _shorten(entries: dict[str, float], most: int) -> None:
    while len(entries) > most:
        del entries[next(iter(entries))]
