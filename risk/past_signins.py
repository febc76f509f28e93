"""The sign-ins of the past, from the log, newest first. Memory stays flat: rows come in batches, in short reads.

Only what is public in an event is read: who, when, by what methods, and the score with its log-odds. A sign-in stands
here once it led to a session, and with the assessment of its last step; whoever was stopped on the way does not.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Row, literal, select, tuple_

from audit.catalogue import LOGIN_SUCCEEDED, RECOVERY_DONE, RECOVERY_NOT_ME, RECOVERY_RESET_MADE, RISK_REPORTED
from audit.tables import events
from base.database import Database

BATCH = 2_000
# What says, so long after a sign-in, that it may have been somebody else's.
DOUBTED_WITHIN = timedelta(days=30)
DOUBTS = (RECOVERY_NOT_ME.name, RECOVERY_DONE.name, RECOVERY_RESET_MADE.name, RISK_REPORTED.name)
_LEAST_KEPT = 1_000
_TAKEN_OVER, _WITHDRAWN = "taken_over", "withdrawn"
_AFTER_ALL_IDS = b"\xff" * 16

# Told how many seconds of the time that is looked at were read, of how many.
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class PastSignin:
    """One sign-in that led to a session; `methods` were proven.

    `log_odds` is None where it was not assessed, as before there was a score. `is_doubted`: within 30 days afterwards
    the person said that something was not them, got back in by recovery or by an administrator's reset, or the account
    was reported as taken over and the report stands.
    """

    event_id: bytes
    at: datetime
    person: str
    client_id: str | None
    methods: frozenset[str]
    log_odds: float | None
    is_doubted: bool


class _Risk(msgspec.Struct, frozen=True):
    log_odds: float


class _Data(msgspec.Struct, frozen=True):
    methods: tuple[str, ...] = ()
    kind: str | None = None
    report: str | None = None


class _Body(msgspec.Struct, frozen=True):
    risk: _Risk | None = None
    data: _Data = _Data()


_BODY = msgspec.json.Decoder(_Body)
_Found = Row[bytes, datetime, str, str | None, str | None, str]


async def walk_signins(
    database: Database, *, since: datetime, until: datetime, client_id: str | None = None, told: Told | None = None
) -> AsyncIterator[PastSignin]:
    """The sign-ins from `since` on and before `until`, newest first; of one application, where it is named.

    What happened after `until` doubts none of them, so it should be now. Raises StorageUnavailable.
    """
    doubts = _Doubts(database, since, until)
    whole_s = int((until - since).total_seconds())
    async for batch in _batches(database, LOGIN_SUCCEEDED.name, since, until):
        for row in batch:
            await doubts.go_back_to(row.at)
            if row.subject is not None and client_id in (None, row.client_id):
                yield _signin_of(row, is_doubted=doubts.has(row.subject, row.at))
        if told is not None:
            told(int((until - batch[-1].at).total_seconds()), whole_s)


def _signin_of(row: _Found, *, is_doubted: bool) -> PastSignin:
    body = _parse(row.body)
    return PastSignin(
        event_id=bytes(row.id),
        at=row.at,
        person=row.subject or "",
        client_id=row.client_id,
        methods=frozenset(body.data.methods),
        log_odds=None if body.risk is None else body.risk.log_odds,
        is_doubted=is_doubted,
    )


def _parse(body: str | bytes) -> _Body:
    """What is public; nothing where the row was changed, which `audit verify` tells of."""
    try:
        return _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Body()


async def _batches(database: Database, name: str, since: datetime, until: datetime) -> AsyncIterator[Sequence[_Found]]:
    """The events of one name, newest first; no batch is empty."""
    c = events.c
    # Nothing of `until` itself: an id is smaller than this one.
    at, event_id = until - timedelta(microseconds=1), _AFTER_ALL_IDS
    while True:
        place = literal(at, c.at.type), literal(event_id, c.id.type)
        query = select(c.id, c.at, c.name, c.subject, c.client_id, c.body)
        query = query.where(c.name == name, c.at >= since, tuple_(c.at, c.id) < tuple_(*place))
        async with database.reading() as db:
            rows = (await db.execute(query.order_by(c.at.desc(), c.id.desc()).limit(BATCH))).all()
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        at, event_id = rows[-1].at, bytes(rows[-1].id)


class _Ahead:
    """The events of one name, with a look at the next one."""

    def __init__(self, database: Database, name: str, since: datetime, until: datetime) -> None:
        self._rows = _rows(database, name, since, until)
        self._next: _Found | None = None
        self._has_begun = False

    async def peek(self) -> _Found | None:
        """The next one, None at the end."""
        if not self._has_begun:
            await self.pass_on()
        return self._next

    async def pass_on(self) -> None:
        """Goes on behind it."""
        self._has_begun = True
        self._next = await anext(self._rows, None)


async def _rows(database: Database, name: str, since: datetime, until: datetime) -> AsyncIterator[_Found]:
    async for batch in _batches(database, name, since, until):
        for row in batch:
            yield row


class _Doubts:
    """For each person, the first doubt after the moment that the walk has come back to."""

    def __init__(self, database: Database, since: datetime, until: datetime) -> None:
        self._walks = [_Ahead(database, name, since, until) for name in DOUBTS]
        self._first: dict[str, datetime] = {}
        self._withdrawn: set[str | None] = set()
        self._most = _LEAST_KEPT

    async def go_back_to(self, at: datetime) -> None:
        """Takes in what happened since then."""
        for walk in self._walks:
            while (row := await walk.peek()) is not None and row.at >= at:
                self._take(row)
                await walk.pass_on()
        if len(self._first) > self._most:
            self._first = {each: told for each, told in self._first.items() if told - at <= DOUBTED_WITHIN}
            self._most = max(_LEAST_KEPT, 2 * len(self._first))

    def _take(self, row: _Found) -> None:
        if row.subject is not None and (row.name != RISK_REPORTED.name or self._is_takeover(_parse(row.body).data)):
            self._first[row.subject] = min(row.at, self._first.get(row.subject, row.at))

    def _is_takeover(self, report: _Data) -> bool:
        """Whether the account was reported as taken over; that it was taken back is met before, on the way back."""
        if report.kind == _WITHDRAWN:
            self._withdrawn.add(report.report)
        return report.kind == _TAKEN_OVER and report.report not in self._withdrawn

    def has(self, person: str, at: datetime) -> bool:
        """Whether there is one soon after `at`."""
        told = self._first.get(person)
        return told is not None and told - at <= DOUBTED_WITHIN
