"""Password hashing for the server: a bounded pool of threads, so that Argon2 stalls nobody else (S21).

Every password hash in the server is made or compared here; what the hashes look like is in `argon2_hashes.py` (ours)
and `imported_hashes.py` (others').
"""

import asyncio
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from identity.argon2_hashes import Argon2Hash, Argon2Hasher, parse_argon2_hash
from identity.imported_hashes import ImportedHash, UnreadableHash, parse_imported_hash
from identity.password_rules import UnusablePassword, prepare_password

_SMOOTHING = 0.1  # how much one job moves the average from which Retry-After is told

Result = TypeVar("Result")


class HashPoolBusy(Exception):
    """More people wait for a hash than the queue takes: answer 503 with `Retry-After: retry_after_s`."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"password checks are busy; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Verified:
    """What comparing a password proved.

    `renewed` is a better hash to store in place of the old one, only where `ok`.
    `fault` is private: why the stored hash could not be compared at all (`ok` is then False); for the log.
    """

    ok: bool
    renewed: str | None = None
    fault: str | None = None


class HashPool:
    """Makes and verifies password hashes in threads of its own, at most `max_waiting` callers in the queue.

    One pool a process; the composition root makes it, with the parameters and peppers in `hasher`, and closes it.
    A caller that is cancelled while waiting gives back its place at once; one whose hash has begun, when it is made.
    """

    def __init__(self, hasher: Argon2Hasher, *, threads: int | None = None, max_waiting: int = 64) -> None:
        self.threads = threads or _usable_cores()
        self._hasher = hasher
        self._max_waiting = max_waiting
        self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="password-hash")
        self._lock = threading.Lock()  # over the four numbers below, which loop and threads both change
        self._admitted = 0
        self._active = 0
        self._hashes_made = 0
        self._average_s = 0.0

    @property
    def active(self) -> int:
        """How many threads are hashing now."""
        return self._active

    @property
    def waiting(self) -> int:
        """How many callers wait for a thread."""
        with self._lock:
            return self._admitted - self._active

    @property
    def hashes_made(self) -> int:
        """How many slow hashes were computed since the start, ours and imported ones, made and compared."""
        return self._hashes_made

    def close(self) -> None:
        """End the threads: hashes under way are finished, callers still waiting are cancelled."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash to store. Raises UnusablePassword and HashPoolBusy; whether the password is good is not asked."""
        prepared = prepare_password(password)
        return await self._run(lambda: self._make(prepared))

    async def verify(self, stored: str, password: str) -> Verified:
        """Whether the password is the one that was hashed, and a renewed hash where ours would now be better.

        `stored` may be one of ours or any imported form. One that cannot be read costs the same one hash of ours and
        is never `ok`. A password that nobody can have is wrong without a hash, as it is for `verify_nothing`.
        Raises HashPoolBusy.
        """
        try:
            prepared = prepare_password(password)
        except UnusablePassword:
            return Verified(ok=False)
        return await self._run(lambda: self._verify(stored, prepared))

    async def verify_nothing(self, password: str) -> None:
        """Cost what verifying costs, exactly one hash, where there is no account. Raises HashPoolBusy."""
        try:
            prepared = prepare_password(password)
        except UnusablePassword:
            return
        await self._run(lambda: self._make(prepared))

    def needs_renewal(self, stored: str) -> bool:
        """Whether a new hash of the same password would be better than this one; costs no hash."""
        try:
            return self._is_weaker(_parse(stored))
        except UnreadableHash:
            return True

    def _verify(self, stored: str, password: bytes) -> Verified:
        try:
            readable = _parse(stored)
            ok = self._matches(readable, password)
        except UnreadableHash as error:
            self._make(password)
            return Verified(ok=False, fault=str(error))
        if not ok or not self._is_weaker(readable):
            return Verified(ok=ok)
        return Verified(ok=True, renewed=self._make(password))

    def _matches(self, stored: Argon2Hash | ImportedHash, password: bytes) -> bool:
        ok = self._hasher.matches(stored, password) if isinstance(stored, Argon2Hash) else stored.matches(password)
        self._count_hash()
        return ok

    def _is_weaker(self, stored: Argon2Hash | ImportedHash) -> bool:
        return not isinstance(stored, Argon2Hash) or self._hasher.is_weaker(stored)

    def _make(self, password: bytes) -> str:
        made = self._hasher.make(password)
        self._count_hash()
        return made

    def _count_hash(self) -> None:
        with self._lock:
            self._hashes_made += 1

    async def _run(self, job: Callable[[], Result]) -> Result:
        with self._lock:
            if self._admitted >= self.threads + self._max_waiting:
                raise HashPoolBusy(self._retry_after_s())
            self._admitted += 1
        try:
            future = self._executor.submit(self._timed, job)
        except RuntimeError:  # closed
            self._leave(None)
            raise
        future.add_done_callback(self._leave)  # also when the caller is cancelled while waiting
        return await asyncio.wrap_future(future)

    def _leave(self, _: Future[Result] | None) -> None:
        with self._lock:
            self._admitted -= 1

    def _timed(self, job: Callable[[], Result]) -> Result:
        with self._lock:
            self._active += 1
        began = time.perf_counter()
        try:
            return job()
        finally:
            spent_s = time.perf_counter() - began
            with self._lock:
                self._active -= 1
                self._average_s += (spent_s - self._average_s) * (_SMOOTHING if self._average_s else 1)

    def _retry_after_s(self) -> int:
        """Whole seconds until those who are in have been served."""
        return max(1, math.ceil(self._admitted * self._average_s / self.threads))


def _usable_cores() -> int:
    """The cores this process may use: a container or `taskset` may give it fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _parse(stored: str) -> Argon2Hash | ImportedHash:
    return parse_argon2_hash(stored) or parse_imported_hash(stored)
