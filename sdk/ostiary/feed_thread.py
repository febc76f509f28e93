"""The feed's life in one process: a thread at first use, another in a forked child, the disk before and after."""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import anyio
import httpx2

from ostiary.feed_disk import FeedDisk
from ostiary.feed_follower import Follower
from ostiary.feed_http import FeedClient, OwnTokens
from ostiary.feed_lease import Lease
from ostiary.feed_lines import FeedRefused
from ostiary.feed_log import FeedLog
from ostiary.feed_proof import FeedKeys
from ostiary.feed_watchers import Watchers
from ostiary.fetch import Route
from ostiary.loop_thread import LoopThread, begin_in_children

SAVE_EVERY_S = 10.0
AFTER_ERROR_S = 10.0
# A server that is away keeps no program from ending.
GOODBYE_S = 1.0
MAX_NAME = 64

logger = logging.getLogger("ostiary")


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """What a feed is made of; the same in every process."""

    route: Route
    tokens: OwnTokens
    follower: str | None
    folder: Path | None
    transport: httpx2.AsyncBaseTransport | None
    clock: Callable[[], float]
    monotonic: Callable[[], float]


class FeedThread:
    """One process's follower. Safe between threads; knows nothing of the `Feed` that holds it, which may go."""

    def __init__(self, settings: FeedSettings) -> None:
        self._settings = settings
        self._thread = LoopThread("ostiary-feed")
        self._disk = None
        if settings.folder is not None:
            self._disk = FeedDisk(settings.folder, issuer=settings.route.address.issuer)
        self.log, self.lease, self.watchers = FeedLog(settings.route.address.issuer), Lease(), Watchers()
        self.follower: Follower | None = None
        self._task: asyncio.Task[object] | None = None
        self._name = ""
        self._lock = Lock()
        self.is_started = self._is_closed = self._has_warned = False
        self._saved: tuple[str | None, int] | None = None
        begin_in_children(self, FeedThread._begin_in_child)

    def start(self) -> None:
        """Begins to follow, where nobody does yet; loads the file first, so that nothing is asked without it."""
        if self._has_begun():
            return
        with self._lock:
            # Another thread may have been quicker.
            if self._has_begun():
                return
            self._load()
            self._name = follower_name(self._settings.follower)
            try:
                self._thread.submit(self._live)
            except (RuntimeError, MemoryError) as error:
                if not self._has_warned:
                    self._has_warned = True
                    logger.error("the feed gets no thread and tries again: %s", error)  # noqa: TRY400 - no riddle
                return
            self.is_started = True

    def _has_begun(self) -> bool:
        return self.is_started or self._is_closed

    def close(self, timeout_s: float = 2.0) -> None:
        """Ends the thread, waiting so long at most, and saves what is known; says goodbye to the server before."""
        ends_at = time.monotonic() + timeout_s
        with self._lock:
            was_running, self._is_closed = self.is_started and not self._is_closed, True
        if was_running:
            self._take_leave(min(timeout_s, GOODBYE_S))
            has_ended = self._thread.stop(max(0.0, ends_at - time.monotonic()))
            self.lease.end()
            # Once the thread has ended, nobody else writes the log any more.
            if has_ended and self._disk is not None and (document := self._document()) is not None:
                self._disk.store(document)

    def _take_leave(self, timeout_s: float) -> None:
        """Ends the following and says goodbye, where that can be done so soon: the server would wait for us else."""
        if self._thread.is_current:
            return
        try:
            self._thread.submit(self._leave).result(timeout_s)
        except Exception as error:  # noqa: BLE001 - nothing that happens here keeps a program from ending
            logger.debug("the feed's goodbye failed: %s", type(error).__name__)

    async def _leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        # Said before nobody could be refused by it any more, a goodbye would be a lie.
        self.lease.end()
        epoch, seq = self.log.epoch, self.log.seq
        if self.follower is None or not self.follower.connections or epoch is None:
            return
        client = self._open_client()
        try:
            await client.say_goodbye(epoch, seq)
        finally:
            await client.aclose()

    async def _live(self) -> None:
        self._task = asyncio.current_task()
        while True:
            try:
                await self._follow()
            except Exception:  # the edge of a thread: proxy settings of the environment, and what nobody thought of
                logger.exception("the feed met an error that it did not expect")
                await asyncio.sleep(AFTER_ERROR_S)

    async def _follow(self) -> None:
        settings, client = self._settings, self._open_client()
        keys = FeedKeys(
            settings.route,
            transport=settings.transport,
            monotonic=settings.monotonic,
        )
        self.follower = Follower(
            self.log, self.lease, client, keys, self.watchers, clock=settings.clock, monotonic=settings.monotonic
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.follower.follow())
                tasks.create_task(self.follower.acks.send_forever())
                tasks.create_task(self._save_forever())
        finally:
            await client.aclose()

    def _open_client(self) -> FeedClient:
        settings = self._settings
        return FeedClient(
            settings.route,
            settings.tokens,
            follower=self._name,
            transport=settings.transport,
            monotonic=settings.monotonic,
        )

    async def _save_forever(self) -> None:
        while self._disk is not None:
            await asyncio.sleep(SAVE_EVERY_S)
            document = self._document()
            if document is not None:
                await anyio.to_thread.run_sync(self._disk.store, document)

    def _document(self) -> bytes | None:
        """What is to be saved; None where nothing has changed, or nobody vouches for it."""
        place = (self.log.epoch, self.log.seq)
        if place == self._saved:
            return None
        document = self.log.as_document()
        if document is not None:
            self._saved = place
        return document

    def _load(self) -> None:
        if self._disk is None or self.log.epoch is not None:
            return
        try:
            document = self._disk.load()
            if document is not None:
                self.log.restore(document)
        except (FeedRefused, OSError) as error:
            logger.warning("what was saved of the feed is not used: %s", error)

    def _begin_in_child(self) -> None:
        """What is known stays known, and as old as it is; the place in the log may be torn, so a snapshot is loaded.

        The revocations stay the same object: who keeps answers by their version would take a new one's for an old.
        """
        revocations = self.log.revocations
        self.log = FeedLog(self._settings.route.address.issuer)
        self.log.revocations = revocations
        # The fork may have come between a change and its number.
        revocations.version += 1
        self.watchers.begin_in_child()
        self._lock, self.follower, self._task, self._saved = Lock(), None, None, None
        self.is_started = False


def follower_name(wished: str | None) -> str:
    """A name that no other follower has: what was wished, or the machine's, the process's number, and chance.

    Two containers may well have the same of the first two, and the server would take them for one.
    """
    letters = (wished or socket.gethostname() or "follower").encode("ascii", "replace").decode()
    tail = f"-{os.getpid()}-{secrets.token_hex(3)}"
    clean = "".join(each if each.isalnum() or each in "._-" else "-" for each in letters)
    return clean[: MAX_NAME - len(tail)] + tail
