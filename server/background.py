"""What a server process does beside answering: notices changes of others, numbers events and feed, keeps house."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from importlib import import_module

from sqlalchemy import func, select

from audit.keeping import LedgerKeeping
from audit.ledger_state import LedgerState, find_state
from base.errors import StorageUnavailable
from feed.numbering import make_sequencer
from identity.account.deletion import delete_due_people
from identity.services import Services
from identity.tables import sessions
from server.housekeeping import remove_expired
from server.mail_sending import SEND_EVERY_S, MailSending

log = logging.getLogger("ostiary.background")

POLL_S = 0.25
NUMBER_S = 0.1
SIGN_S = 1.0
WATCH_S = 10.0
STOP_S = 5.0
HOUSEKEEPING_S = 60.0


class Background:
    """The tasks of one process; `live_sessions` is the last count, `ledger` the last look at it."""

    def __init__(self, services: Services, mail: MailSending | None = None) -> None:
        self._services = services
        self._mail = mail
        self._keeping = LedgerKeeping(services.audit)
        self._feed = make_sequencer(services.database, services.clock)
        self._tasks: list[asyncio.Task[None]] = []
        self.live_sessions = 0
        self.ledger = LedgerState()

    def start(self) -> None:
        """Begins; the first housekeeping comes after a minute, so that a start stays short."""
        self._tasks = [
            asyncio.create_task(_again_and_again(POLL_S, self._poll)),
            asyncio.create_task(_again_and_again(NUMBER_S, self._number)),
            asyncio.create_task(_again_and_again(SIGN_S, self._keeping.sign)),
            asyncio.create_task(_again_and_again(WATCH_S, self._watch_ledger)),
            asyncio.create_task(_again_and_again(HOUSEKEEPING_S, self._keep_house)),
            asyncio.create_task(self._warm_up()),
        ]
        if self._mail is not None:
            self._tasks.append(asyncio.create_task(_again_and_again(SEND_EVERY_S, self._mail.send_due)))

    async def stop(self) -> None:
        """Ends the tasks and waits for them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            await self._stop_ledger()

    async def _stop_ledger(self) -> None:
        """A clean stop leaves nothing unsigned."""
        try:
            async with asyncio.timeout(STOP_S):
                await self._keeping.stop()
                await self._feed.lease.give_back(self._services.clock())
        except (StorageUnavailable, TimeoutError):
            log.warning("the last events are not signed: the database did not answer; the next start signs them")

    async def _number(self) -> None:
        await self._keeping.number()
        await self._feed.round()

    async def _watch_ledger(self) -> None:
        async with self._services.database.reading() as db:
            self.ledger = await find_state(db)

    async def _warm_up(self) -> None:
        """What the first sign-in would otherwise wait for: the hash's memory, and the reader of user agents."""
        await asyncio.to_thread(import_module, "user_agents")
        await self._services.hashes.verify_nothing("warm-up")

    async def _poll(self) -> None:
        """Clients, APIs and keys that another process changed are known within a second (S18, S39)."""
        await self._services.catalogue.poll()
        await self._services.keys.poll(self._services.clock())

    async def _keep_house(self) -> None:
        now = self._services.clock()
        await remove_expired(self._services.database, now=now)
        await delete_due_people(self._services, now=now)
        alive = sessions.c.ended_at.is_(None), sessions.c.idle_expires_at > now, sessions.c.expires_at > now
        async with self._services.database.reading() as db:
            self.live_sessions = (
                await db.execute(select(func.count()).select_from(sessions).where(*alive))
            ).scalar_one()


async def _again_and_again(every_s: float, work: Callable[[], Awaitable[None]]) -> None:
    """Runs until it is cancelled. A failure is logged once until it goes well again; the next round tries anew."""
    failing = False
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
            failing = False
        except StorageUnavailable as failure:
            if not failing:
                log.warning("%s: the database did not answer: %s", work.__name__, failure)
            failing = True
        except Exception:
            # A fault of ours in one round must not end the rounds: a withdrawn key would never be noticed.
            if not failing:
                log.exception("%s failed", work.__name__)
            failing = True
