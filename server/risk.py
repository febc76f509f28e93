"""The risk room's parts of one deployment, and its work beside requests."""

from datetime import datetime, timedelta

from audit.catalogue import RISK_SIGNALS_MISSING
from audit.record import Event
from base.database import Database
from identity.services import Services
from risk.history.crowd import Crowd
from risk.keys import RiskKey
from risk.scoring import Scoring
from risk.services import RiskServices

# How often what this process saw is added to what all know, and another calibration is looked for.
ROUND_S = 30.0
# How often the log is told, at most, that a file of places or addresses cannot be asked.
TELL_EVERY = timedelta(hours=1)


def make_risk(database: Database, key: bytes) -> RiskServices:
    """The scorer, and what it knows of everyone."""
    return RiskServices(
        key=RiskKey(key),
        crowd=Crowd(database),
        scoring=Scoring(database),
    )


class RiskRounds:
    """The risk room's work of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._told_at: datetime | None = None
        self._told_of = 0

    async def round(self) -> None:
        """Adds what this process saw to what everyone knows, and takes another calibration into use."""
        now, risk = self._services.clock(), self._services.risk
        await risk.crowd.round(now)
        await risk.scoring.refresh()
        await self._tell_missing(now)

    async def _tell_missing(self, now: datetime) -> None:
        """Sign-ins were assessed while a file could not be asked: no score was lower for it (S35), some less sure."""
        faulty = sorted({file.name for file in self._services.geography.files if file.fault is not None})
        assessed = self._services.risk.scoring.assessed
        if not faulty or assessed == self._told_of:
            self._told_of = assessed
            return
        if self._told_at is not None and now - self._told_at < TELL_EVERY:
            return
        data = {"signals": faulty, "count": assessed - self._told_of}
        async with self._services.database.transaction() as db:
            event = Event(type=RISK_SIGNALS_MISSING, actor="system", data=data)
            await self._services.emitter.emit(db, event, now=now)
        self._told_at, self._told_of = now, assessed
