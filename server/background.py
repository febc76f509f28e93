"""What a server process does beside answering: notices changes of others, numbers events, keeps house."""

import asyncio
import logging
from collections.abc import Sequence
from importlib import import_module

from sqlalchemy import func, select

from audit.ledger.keeping import LedgerKeeping
from audit.ledger.state import LedgerState, find_state
from base.errors import StorageUnavailable
from identity.account.deletion import delete_due_people
from identity.services import Services
from identity.tables import sessions
from server.beside import Work
from server.housekeeping import remove_expired

log = logging.getLogger("ostiary.background")

POLL_S = 0.25
NUMBER_S = 0.1
SIGN_S = 1.0
WATCH_S = 10.0
STOP_S = 5.0
HOUSEKEEPING_S = 60.0


class Background:
    """The tasks of one process; `live_sessions` is the last count, `ledger` the last look at it."""

    def __init__(self, services: Services, beside: Sequence[Work] = ()) -> None:
        self._services = services
        self._beside = beside
        self._keeping = LedgerKeeping(services.audit)
        self._tasks: list[asyncio.Task[None]] = []
        self.live_sessions = 0
        self.ledger = LedgerState()

    def start(self) -> None:
        """Begins; the first housekeeping comes after a minute, so that a start stays short."""
        work = [
            Work("the look for changes", POLL_S, self._poll),
            Work("numbering", NUMBER_S, self._keeping.number),
            Work("signing the log", SIGN_S, self._keeping.sign),
            Work("the look at the ledger", WATCH_S, self._watch_ledger),
            Work("housekeeping", HOUSEKEEPING_S, self._keep_house),
            *self._beside,
        ]
        self._tasks = [asyncio.create_task(_again_and_again(each)) for each in work]
        self._tasks.append(asyncio.create_task(self._warm_up()))

    async def stop(self) -> None:
        """Ends the tasks and waits for them; a clean stop leaves nothing unsigned."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._tasks:
            return
        await asyncio.gather(*(_stop(each) for each in self._beside))
        # The last, since the others' ends leave events, too.
        await _stop(Work("signing the log", SIGN_S, self._keeping.sign, self._keeping.stop))

    async def _watch_ledger(self) -> None:
        async with self._services.database.reading() as db:
            self.ledger = await find_state(db)

    async def _warm_up(self) -> None:
        """What the first sign-in would otherwise wait for: the hash's memory, and the reader of user agents."""
        await asyncio.to_thread(import_module, "user_agents")
        await self._services.hashes.verify_nothing("warm-up")

    async def _poll(self) -> None:
        """Clients, APIs, keys and policies that another process changed are known within a second (S18, S39)."""
        await self._services.catalogue.poll()
        await self._services.keys.poll(self._services.clock())
        await self._services.policies.poll()

    async def _keep_house(self) -> None:
        now = self._services.clock()
        await remove_expired(self._services.database, now=now)
        await delete_due_people(self._services, now=now)
        alive = sessions.c.ended_at.is_(None), sessions.c.idle_expires_at > now, sessions.c.expires_at > now
        async with self._services.database.reading() as db:
            self.live_sessions = (
                await db.execute(select(func.count()).select_from(sessions).where(*alive))
            ).scalar_one()


async def _again_and_again(work: Work) -> None:
    """Runs until it is cancelled. A failure is logged once until it goes well again; the next round tries anew."""
    failing = False
    while True:
        await asyncio.sleep(work.every_s)
        try:
            await work.round()
            failing = False
        except StorageUnavailable as failure:
            if not failing:
                log.warning("%s waits for its storage: %s", work.name, failure)
            failing = True
        except Exception:
            # A fault of ours in one round must not end the rounds: a withdrawn key would never be noticed.
            if not failing:
                log.exception("%s failed", work.name)
            failing = True


async def _stop(work: Work) -> None:
    if work.stop is None:
        return
    try:
        async with asyncio.timeout(STOP_S):
            await work.stop()
    except (StorageUnavailable, TimeoutError):
        log.warning("%s did not end in good order; the next start goes on with it", work.name)
    except Exception:
        log.exception("%s did not end in good order", work.name)
