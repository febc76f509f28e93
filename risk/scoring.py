"""The scorer of now: with the calibration that the database says is in use, or the one that comes with us."""

import logging

from sqlalchemy import select

from base.database import Database
from risk.calibration import Calibration, CalibrationRefused
from risk.history.population import Population
from risk.history.profile import Profile
from risk.scorer import Scorer
from risk.sighting import Sighting, Surroundings
from risk.tables import risk_calibrations
from risk.values import Assessment

log = logging.getLogger("ostiary.risk")


class Scoring:
    """`scorer` is what every assessment of this process uses."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.scorer = Scorer(Calibration.shipped())
        self.assessed = 0

    def assess(
        self, sighting: Sighting, profile: Profile | None, population: Population, surroundings: Surroundings
    ) -> Assessment:
        """What the scorer of now says; `assessed` counts how often it was asked."""
        self.assessed += 1
        return self.scorer.assess(sighting, profile, population, surroundings)

    async def refresh(self) -> None:
        """Takes another calibration into use where one was activated."""
        table = risk_calibrations
        active = select(table.c.id, table.c.body).where(table.c.active_since.is_not(None))
        async with self._database.reading() as db:
            row = (await db.execute(active.order_by(table.c.active_since.desc()).limit(1))).first()
        wanted = Calibration.shipped().id if row is None else row.id
        if wanted == self.scorer.calibration.id:
            return
        try:
            calibration = Calibration.shipped() if row is None else Calibration.of_body(row.id, row.body)
        except CalibrationRefused as broken:
            log.warning("the calibration %s cannot be used, and the one in use stays: %s", wanted, broken)
            return
        self.scorer = Scorer(calibration)
