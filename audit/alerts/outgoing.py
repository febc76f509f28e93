"""Messages on their way: each to one receiver, claimed by one process, tried again for a day, then given up.

A claim is one conditional statement that moves the time on; a sender that dies loses nothing, and two senders never
hold one message.
"""

# ruff: noqa: S608 - hot statements are put together from constants of this file; values travel as parameters

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.alerts.rules import SENT_BY
from audit.alerts.values import ALERT, Purpose
from audit.catalogue import ALERT_SENT_AGAIN, ALERT_UNDELIVERED
from audit.emit import Emitter
from audit.record import Event
from audit.tables import alerts, deliveries
from base.clock import to_micros
from base.database import Database
from base.ids import show_id
from base.statements import Statement

# Longer than a delivery may take (a call of 60 s at most, or a letter), so that nobody claims one that is being sent.
LEASE = timedelta(minutes=3)
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=2)
GIVES_UP_AFTER = timedelta(hours=24)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
# As long as reports look back.
KEPT = timedelta(days=400)
GONE = "the receiver is not set any more"
_DUE = "SELECT 1 FROM deliveries d WHERE d.due_at <= {now} AND d.sent_at IS NULL AND d.failed_at IS NULL LIMIT 1"
# Asked twice a second, mostly in vain.
_IS_DUE = Statement(
    name="alerts due",
    columns=(("asked_at", "bigint"),),
    sqlite=(_DUE.format(now=":asked_at"),),
    postgres=f"SELECT n, 1 FROM input WHERE EXISTS ({_DUE.format(now='input.asked_at')})",
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that this process alone may send until its lease ends; `tries` counts this one."""

    id: bytes
    alert_id: bytes
    receiver: str
    purpose: Purpose
    created_at: datetime
    tries: int


def next_try(tries: int, *, created_at: datetime, now: datetime, chance: float) -> datetime | None:
    """When to try again after `tries` failures: twice as late each time, from 10 s to 2 h; None after a day.

    `chance` (0 to 1) spreads it over the second half of the wait, so that many do not come back together.
    """
    wait = min(FIRST_WAIT * 2 ** min(tries - 1, 20), LONGEST_WAIT)
    due_at = now + wait * (0.5 + chance / 2)
    return due_at if due_at < created_at + GIVES_UP_AFTER else None


async def find_due(database: Database, *, now: datetime) -> frozenset[str]:
    """The receivers for whom something is due."""
    if await database.find(_IS_DUE, (to_micros(now),)) is None:
        return frozenset()
    query = select(deliveries.c.receiver).where(_is_due(now)).distinct()
    async with database.reading() as db:
        return frozenset((await db.execute(query)).scalars())


async def claim(db: AsyncConnection, receiver: str, *, limit: int, now: datetime) -> list[Delivery]:
    """Messages to a receiver that are due, ours until the lease ends, at most `limit`.

    What happened here comes before what other services sent, however much that is.
    """
    mine = and_(_is_due(now), deliveries.c.receiver == receiver)
    # SQLite has one writer at a time and leaves the lock out.
    was_sent = select(alerts.c.topic.startswith(SENT_BY)).where(alerts.c.id == deliveries.c.alert_id).scalar_subquery()
    order = was_sent, deliveries.c.due_at, deliveries.c.id
    first = select(deliveries.c.id).where(mine).order_by(*order).limit(limit)
    chosen = first.with_for_update(skip_locked=True).cte("chosen")
    claimed = (
        update(deliveries)
        .where(deliveries.c.id.in_(select(chosen.c.id)), mine)
        .values(due_at=now + LEASE, tries=deliveries.c.tries + 1)
        .returning(*(deliveries.c[name] for name in Delivery.__dataclass_fields__))
    )
    rows = (await db.execute(claimed)).all()
    found = [Delivery(row.id, row.alert_id, row.receiver, Purpose(row.purpose), *row[4:]) for row in rows]
    return sorted(found, key=lambda delivery: delivery.id)


def _is_due(now: datetime) -> ColumnElement[bool]:
    return and_(
        deliveries.c.due_at <= now,
        deliveries.c.sent_at.is_(None),
        deliveries.c.failed_at.is_(None),
        # A newer version's purpose is left to that version's processes (F12).
        deliveries.c.purpose.in_([purpose.value for purpose in Purpose]),
    )


async def mark_sent(db: AsyncConnection, ids: Collection[bytes], *, now: datetime) -> None:
    """The receivers took these."""
    sent = update(deliveries).where(deliveries.c.id.in_(list(ids)), deliveries.c.sent_at.is_(None))
    await db.execute(sent.values(sent_at=now, due_at=NEVER, reason=None))


async def put_off(
    db: AsyncConnection, emitter: Emitter, delivery: Delivery, reason: str, *, now: datetime, chance: float
) -> bool:
    """Tries again later, or after a day no more, with an event; whether it was given up."""
    due_at = next_try(delivery.tries, created_at=delivery.created_at, now=now, chance=chance)
    still_ours = update(deliveries).where(_is_still_ours(delivery))
    if due_at is not None:
        await db.execute(still_ours.values(due_at=due_at, reason=reason))
        return False
    given_up = still_ours.values(failed_at=now, due_at=NEVER, reason=reason).returning(deliveries.c.id)
    if (await db.execute(given_up)).first() is not None:
        await _tell_undelivered(db, emitter, [delivery], reason, now=now)
    return True


def _is_still_ours(delivery: Delivery) -> ColumnElement[bool]:
    # Somebody else's claim, after our lease, has raised the number.
    is_same = and_(deliveries.c.id == delivery.id, deliveries.c.tries == delivery.tries)
    return and_(is_same, deliveries.c.sent_at.is_(None), deliveries.c.failed_at.is_(None))


async def give_up_unknown(db: AsyncConnection, emitter: Emitter, receivers: Sequence[str], *, now: datetime) -> None:
    """Gives up what waited for a day for a receiver that nobody sends to any more."""
    late = (
        update(deliveries)
        .where(
            _is_due(now),
            deliveries.c.receiver.not_in(list(receivers)),
            deliveries.c.created_at <= now - GIVES_UP_AFTER,
        )
        .values(failed_at=now, due_at=NEVER, reason=GONE)
        .returning(*(deliveries.c[name] for name in Delivery.__dataclass_fields__))
    )
    rows = (await db.execute(late)).all()
    gone = [Delivery(row.id, row.alert_id, row.receiver, Purpose(row.purpose), *row[4:]) for row in rows]
    await _tell_undelivered(db, emitter, gone, GONE, now=now)


async def _tell_undelivered(
    db: AsyncConnection, emitter: Emitter, given_up: Sequence[Delivery], reason: str, *, now: datetime
) -> None:
    for delivery in given_up:
        rule = (await db.execute(select(alerts.c.rule).where(alerts.c.id == delivery.alert_id))).scalar_one()
        data = {
            "alert": show_id(ALERT, delivery.alert_id),
            "rule": rule,
            "receiver": delivery.receiver,
            "reason": reason,
            "tries": delivery.tries,
        }
        # Of MEDIUM severity, and no rule looks at it: an alert about it would go the way that does not work.
        event = Event(type=ALERT_UNDELIVERED, actor="system", outcome="failure", data=data)
        await emitter.emit(db, event, now=now)


# ---- what operators see


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A message as it lies in the database."""

    id: bytes
    alert_id: bytes
    receiver: str
    purpose: str
    created_at: datetime
    due_at: datetime
    tries: int
    sent_at: datetime | None
    failed_at: datetime | None
    reason: str | None


async def list_deliveries(
    db: AsyncConnection, alert_ids: Collection[bytes] | None = None, *, only_failed: bool = False, limit: int = 1000
) -> list[StoredDelivery]:
    """Messages, oldest first: of these alerts, or of all; `only_failed`: those that were given up."""
    query = select(*(deliveries.c[name] for name in StoredDelivery.__dataclass_fields__))
    if alert_ids is not None:
        query = query.where(deliveries.c.alert_id.in_(list(alert_ids)))
    if only_failed:
        query = query.where(deliveries.c.failed_at.is_not(None))
    rows = (await db.execute(query.order_by(deliveries.c.id).limit(limit))).all()
    return [StoredDelivery(*row) for row in rows]


async def send_again(
    db: AsyncConnection, emitter: Emitter, alert_id: bytes | None, *, by: str, now: datetime
) -> list[tuple[bytes, str]]:
    """Tries for another day what was given up, of one alert or of all; returns alerts and receivers."""
    failed = update(deliveries).where(deliveries.c.failed_at.is_not(None))
    if alert_id is not None:
        failed = failed.where(deliveries.c.alert_id == alert_id)
    values = {"failed_at": None, "due_at": now, "created_at": now, "tries": 0}
    again = failed.values(**values).returning(deliveries.c.alert_id, deliveries.c.receiver)
    found = [(bytes(row.alert_id), str(row.receiver)) for row in (await db.execute(again)).all()]
    for each, receiver in found:
        data = {"alert": show_id(ALERT, each), "receiver": receiver}
        await emitter.emit(db, Event(type=ALERT_SENT_AGAIN, actor=by, data=data), now=now)
    return found


def is_over(now: datetime) -> ColumnElement[bool]:
    """Which alerts are old enough to be removed, with their messages."""
    return alerts.c.last_at < now - KEPT
