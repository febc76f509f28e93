"""Sign-ins of the past, written into a deployment's log as it would have written them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sqlalchemy import select

from audit.catalogue import LOGIN_SUCCEEDED, EventType
from audit.record import Event, RiskNote
from audit.tables import subject_keys
from base.ids import PERSON, parse_id, show_id
from identity.services import Services
from risk.calibration import Calibration
from risk.values import level_of

REASONS: tuple[dict[str, object], ...] = (
    {"signal": "country_new", "log_odds": 2.5, "points": 40, "detail": {"country": "TR"}},
    {"signal": "hour_usual", "log_odds": -0.5, "points": 0, "detail": {"hour": 9}},
)


@dataclass(frozen=True)
class Past:
    """Something that happened to a person; a sign-in has its log-odds, None where it was not assessed."""

    at: datetime
    person: bytes
    log_odds: float | None = None
    methods: tuple[str, ...] = ("pwd",)
    client_id: str | None = None
    kind: EventType = LOGIN_SUCCEEDED
    data: dict[str, object] | None = None

    def event(self) -> Event:
        """The event that tells of it."""
        who = show_id(PERSON, self.person)
        data: dict[str, object] = {"methods": list(self.methods), "new_device": False}
        if self.kind is not LOGIN_SUCCEEDED:
            data = self.data or {}
        return Event(
            type=self.kind, actor=who, person=self.person, client_id=self.client_id, data=data, risk=self._note()
        )

    def _note(self) -> RiskNote | None:
        if self.log_odds is None:
            return None
        score = Calibration.shipped().score_of(self.log_odds)
        return RiskNote(
            score=score,
            level=level_of(score).value,
            calibration=Calibration.shipped().id,
            log_odds=self.log_odds,
            reasons=REASONS,
        )


def odds_of(points: int) -> float:
    """Log-odds that the shipped calibration makes so many points of."""
    for (low_odds, low), (high_odds, high) in pairwise(Calibration.shipped().anchors):
        if low <= points <= high:
            return low_odds + (points - low) / (high - low) * (high_odds - low_odds) + 1e-9
    raise ValueError(points)


def id_of(shown: object) -> bytes:
    """The person behind a public id."""
    found = parse_id(PERSON, str(shown))
    assert found is not None, shown
    return found


async def write_past(services: Services, past: Iterable[Past]) -> None:
    """Writes it all, in one transaction."""
    told = list(past)
    async with services.database.transaction() as db:
        known = {bytes(each) for each in (await db.execute(select(subject_keys.c.subject_id))).scalars()}
        new = sorted({each.person for each in told} - known)
        if new:
            await services.emitter.begin_subjects(db, new, now=services.clock())
        for each in told:
            await services.emitter.emit(db, each.event(), now=each.at)
