"""Following the feed: the stream while it works, long polls where it does not, and what is missing in between."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from secrets import SystemRandom

from ostiary.backoff import Backoff
from ostiary.call_values import CallFailed
from ostiary.errors import Unavailable
from ostiary.feed_acks import Acknowledger
from ostiary.feed_http import PAGE, Document, FeedClient, FeedGone
from ostiary.feed_lease import Connection, Lease
from ostiary.feed_lines import FeedRefused
from ostiary.feed_log import FeedLog, Step
from ostiary.feed_proof import FeedKeys
from ostiary.feed_sse import ServerEvent
from ostiary.feed_watchers import Watchers

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
# A head comes every second; a stream that brings neither one nor new entries for so long is given up.
SILENT_S = 3.0
# How long to poll where a stream brought nothing, before a stream is tried again.
POLL_FOR_S = 60.0
# Short, since an answer vouches only for the moment that it was asked at.
POLL_WAIT_S = 1
LEAST_POLL_S = 0.1
# A connection that lived so long was a good one: what follows it is a first attempt again.
GOOD_CONNECTION_S = 5.0

logger = logging.getLogger("ostiary")


class SilentStream(Exception):
    """A stream brought nothing for too long."""


class Follower:
    """Keeps a log, its lease and those who watch it up to date; for one event loop, `follow` never ends by itself."""

    def __init__(
        self,
        log: FeedLog,
        lease: Lease,
        client: FeedClient,
        keys: FeedKeys,
        watchers: Watchers,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.acks = Acknowledger(client)
        self.connections = 0
        self.last_error = ""
        self._log, self._lease, self._client, self._keys, self._watchers = log, lease, client, keys, watchers
        self._clock, self._monotonic = clock, monotonic
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, random=SystemRandom().random)
        self._polls_until = 0.0
        self._told_version = log.revocations.version

    @property
    def is_polling(self) -> bool:
        """Whether the stream did not work lately."""
        # Real time, whatever a test's clock says: this is about connections.
        return time.monotonic() < self._polls_until

    async def follow(self) -> None:
        """Connects again and again; whatever a server answers, it costs a pause and nothing else."""
        while True:
            began = time.monotonic()
            wait_s = 0.0
            try:
                await self._follow_once()
            except (CallFailed, Unavailable) as error:
                wait_s = float(error.retry_after_s)
                self._note(getattr(error, "reason", "") or str(error))
            except (FeedRefused, SilentStream) as error:
                self._note(str(error))
            except Exception as error:  # noqa: BLE001 - networks, transports and a server's mistakes; words may be long
                self._note(f"{type(error).__name__}: {error}"[:200])
            if time.monotonic() - began >= GOOD_CONNECTION_S and not wait_s:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_pause_s(at_least_s=wait_s))

    async def _follow_once(self) -> None:
        await self._keys.prepare()
        await self._client.prepare()
        self.connections += 1
        if self._log.epoch is None:
            await self._catch_up(Step.SNAPSHOT)
        if self.is_polling:
            await self._poll()
        else:
            await self._stream()

    async def _stream(self) -> None:
        """Follows one stream until it ends, says that something is missing, or falls silent."""
        heads, step = 0, Step.GOOD
        loop = asyncio.get_running_loop()
        try:
            async with (
                asyncio.timeout(SILENT_S) as limit,
                self._client.events(self._log.epoch or "", self._log.seq) as stream,
                aclosing(stream.read()) as events,
            ):
                connection = self._lease.connection(stream.asked)
                async for event in events:
                    seq = self._log.seq
                    step = await self._take(event, connection, is_first=not heads)
                    if step is not Step.GOOD:
                        break
                    heads += event.name == "head"
                    if event.name == "head" or self._log.seq > seq:
                        limit.reschedule(loop.time() + SILENT_S)
        except FeedGone:
            step = Step.SNAPSHOT
        except TimeoutError:
            if not heads:
                # Perhaps a proxy on the way gathers what should flow.
                self._polls_until = time.monotonic() + POLL_FOR_S
            raise SilentStream(f"no head for {SILENT_S:g} s") from None
        await self._catch_up(step)

    async def _poll(self) -> None:
        is_first = True
        try:
            while self.is_polling:
                began, seq = time.monotonic(), self._log.seq
                step = await self._load_delta(wait_s=POLL_WAIT_S, is_first=is_first)
                if step is not Step.GOOD:
                    # And then a pause, longer each time: a server that refuses every delta is not to be stormed.
                    await self._catch_up(step)
                    return
                is_first = False
                self.last_error = ""
                if self._log.seq == seq and time.monotonic() - began < LEAST_POLL_S:
                    await asyncio.sleep(LEAST_POLL_S)
        except BaseException:
            # It was not the stream alone.
            self._polls_until = 0.0
            raise

    async def _take(self, event: ServerEvent, connection: Connection, *, is_first: bool) -> Step:
        match event.name:
            case "entries":
                step = self._log.take_entries(event.data)
                self._tell()
                return step
            case "head":
                return await self._take_head(event.data[0], connection, is_first=is_first)
            case "reset":
                return Step.SNAPSHOT
            case _:
                return Step.GOOD

    async def _take_head(self, text: bytes, connection: Connection, *, is_first: bool, is_last: bool = True) -> Step:
        head = await self._keys.verify_head(text)
        step = self._log.take_head(head, at=self._clock())
        # A full page ends where there is more to come: its head is true, and says nothing about now.
        if not self._log.revocations.is_key_withdrawn(head.kid):
            connection.heard(head, self._monotonic(), agrees=step is Step.GOOD and is_last)
        if step is Step.GOOD and is_last:
            self._vouched(is_first=is_first)
        return step

    async def _catch_up(self, step: Step) -> None:
        """Loads what the step asks for, until nothing is missing; FeedRefused where that does not help."""
        if step is Step.GAP:
            logger.info("the feed has a gap: %s", self._log.reason)
            step = await self._load_delta()
        if step is Step.SNAPSHOT:
            await self._load_snapshot()
        elif step is Step.GAP:
            raise FeedRefused(f"the delta did not close the gap: {self._log.reason}")

    async def _load_delta(self, *, wait_s: int = 0, is_first: bool = False) -> Step:
        """Takes pages until one is not full; FeedRefused for a full one that brings nothing new."""
        while True:
            seq = self._log.seq
            try:
                page = await self._client.delta(self._log.epoch or "", self._log.seq, wait_s=wait_s)
            except FeedGone:
                return Step.SNAPSHOT
            step = self._log.take_entries(page.lines)
            self._tell()
            if step is Step.GOOD:
                is_last = len(page.lines) < PAGE
                connection = self._lease.connection(page.asked)
                step = await self._take_head(page.head, connection, is_first=is_first, is_last=is_last)
            if step is not Step.GOOD or len(page.lines) < PAGE:
                return step
            if self._log.seq == seq:
                raise FeedRefused("a full page of the delta brought nothing new")

    async def _load_snapshot(self) -> None:
        snapshot: Document = await self._client.snapshot()
        connection = self._lease.connection(snapshot.asked)
        head = await self._keys.verify_head(snapshot.head, doubted=self._log.revocations.unvouched_keys)
        step = self._log.take_snapshot(head, snapshot.lines, at=self._clock())
        if step is not Step.GOOD:
            raise FeedRefused(f"the snapshot cannot be used: {self._log.reason}")
        connection.heard(head, self._monotonic())
        self._vouched(is_first=False)

    def _vouched(self, *, is_first: bool) -> None:
        """A head agrees with what is known."""
        if self.last_error:
            logger.info("the feed is followed again")
            self.last_error = ""
        self._tell()
        self._watchers.ready.set()
        if self._log.epoch is not None:
            self.acks.note(self._log.epoch, self._log.seq, is_new_connection=is_first)

    def _tell(self) -> None:
        version = self._log.revocations.version
        if version != self._told_version:
            self._told_version = version
            self._watchers.tell()

    def _note(self, reason: str) -> None:
        """Logs a trouble once, not at each attempt."""
        if reason != self.last_error:
            logger.warning("the feed cannot be followed: %s", reason)
        self.last_error = reason
