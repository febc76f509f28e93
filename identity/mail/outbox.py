"""The outbox: letters that a transaction promised, each sent once by whoever claims it (F14).

A claim is one conditional statement that moves the letter's time on; a sender that dies loses nothing, and two senders
never hold one letter. What a letter says is sealed under the id of its row and gone when it was sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import MAIL_FAILED
from audit.record import Event
from audit.tables import subject_keys
from base.clock import to_micros
from base.ids import PERSON, new_id, show_id
from base.sealing import Sealer
from base.statements import Value, insert_into
from base.tables import outbox
from base.within import store
from identity.mail.letter_values import SHAPES, Fact, Letter
from identity.services import Services

# Longer than a letter may take on its way (`base.mail`), so that nobody else claims one that is still being sent.
LEASE = timedelta(minutes=2)
WAITS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_KINDS = tuple(SHAPES)
_STORE = insert_into(outbox)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A letter that this process alone may send until its lease ends; `tries` counts this one."""

    id: bytes
    kind: str
    person_id: bytes | None
    sealed: bytes
    tries: int
    created_at: datetime
    expires_at: datetime


async def promise(
    db: AsyncConnection,
    services: Services,
    letter: Letter,
    *,
    person_id: bytes | None,
    expires_at: datetime,
    now: datetime,
) -> bytes:
    """Puts a letter, pointless after `expires_at`, into the outbox in the caller's transaction; returns its id."""
    row_id = new_id(now)
    values: dict[str, Value] = {
        "id": row_id,
        "person_id": person_id,
        "kind": letter.kind,
        "sealed": services.sealer.seal(msgspec.json.encode(letter), aad=_aad(row_id)),
        "created_at": to_micros(now),
        "due_at": to_micros(now),
        "expires_at": to_micros(expires_at),
        "tries": 0,
    }
    await store(db, _STORE, [_STORE.row(values)])
    return row_id


def open_letter(sealer: Sealer, row_id: bytes, sealed: bytes) -> Letter:
    """The letter in a row; raises SealBroken where the master key is another one."""
    raw = msgspec.json.decode(sealer.unseal(sealed, aad=_aad(row_id)), type=_Stored)
    shape = SHAPES[raw.kind]
    types = {**shape.needed, **shape.known}
    facts: dict[str, Fact] = {name: msgspec.convert(value, types[name]) for name, value in raw.facts.items()}
    return Letter(raw.kind, raw.to, raw.language, facts)


class _Stored(msgspec.Struct):
    kind: str
    to: str
    language: str
    facts: dict[str, str | int]


async def find_due(db: AsyncConnection, *, now: datetime) -> datetime | None:
    """When the first of the letters expires that are due (or when it did); None where nothing is due."""
    first: datetime | None = (await db.execute(select(func.min(outbox.c.expires_at)).where(_is_due(now)))).scalar_one()
    return first


def _is_due(now: datetime) -> ColumnElement[bool]:
    # A letter of a newer version's kind is left to that version's processes (F12).
    return and_(
        outbox.c.due_at <= now, outbox.c.sent_at.is_(None), outbox.c.failed_at.is_(None), outbox.c.kind.in_(_KINDS)
    )


async def claim(db: AsyncConnection, *, now: datetime) -> Claimed | None:
    """A letter that is due, ours until the lease ends; None where there is none that nobody else holds."""
    is_free = and_(_is_due(now), outbox.c.expires_at > now)
    # SQLite has one writer at a time and leaves the lock out.
    first = select(outbox.c.id).where(is_free).order_by(outbox.c.due_at).limit(1).with_for_update(skip_locked=True)
    chosen = first.cte("chosen")
    claimed = (
        update(outbox)
        .where(outbox.c.id.in_(select(chosen.c.id)), is_free)
        .values(due_at=now + LEASE, tries=outbox.c.tries + 1)
        .returning(
            outbox.c.id,
            outbox.c.kind,
            outbox.c.person_id,
            outbox.c.sealed,
            outbox.c.tries,
            outbox.c.created_at,
            outbox.c.expires_at,
        )
    )
    row = (await db.execute(claimed)).first()
    return None if row is None else Claimed(*row)


async def mark_sent(db: AsyncConnection, row_ids: Iterable[bytes], *, now: datetime) -> None:
    """These letters were taken by the mail server: their words are gone."""
    sent = update(outbox).where(outbox.c.id.in_(list(row_ids)), outbox.c.sent_at.is_(None))
    await db.execute(sent.values(sent_at=now, sealed=None, due_at=NEVER))


async def put_off(db: AsyncConnection, claimed: Claimed, *, now: datetime) -> None:
    """Tries a letter again later, each time after a longer wait; at the latest when it expires, to say that it did."""
    wait = WAITS[min(claimed.tries, len(WAITS)) - 1]
    due_at = min(now + wait, claimed.expires_at)
    await db.execute(update(outbox).where(_is_still_ours(claimed)).values(due_at=due_at))


async def mark_failed(db: AsyncConnection, services: Services, claimed: Claimed, reason: str, *, now: datetime) -> None:
    """Gives a letter up, with its event; `reason` holds no address and no word of the letter."""
    given_up = update(outbox).where(_is_still_ours(claimed)).values(failed_at=now, sealed=None, due_at=NEVER)
    if (await db.execute(given_up.returning(outbox.c.id))).first() is not None:
        await _tell_failed(db, services, claimed.kind, claimed.person_id, claimed.tries, reason, now=now)


def _is_still_ours(claimed: Claimed) -> ColumnElement[bool]:
    # Somebody else's claim, after our lease, has raised the number.
    return and_(outbox.c.id == claimed.id, outbox.c.tries == claimed.tries, outbox.c.sent_at.is_(None))


async def fail_expired(db: AsyncConnection, services: Services, *, now: datetime) -> None:
    """Gives up the letters that could not be sent in time."""
    late = (
        update(outbox)
        .where(_is_due(now), outbox.c.expires_at <= now)
        .values(failed_at=now, sealed=None, due_at=NEVER)
        .returning(outbox.c.kind, outbox.c.person_id, outbox.c.tries)
    )
    for kind, person_id, tries in (await db.execute(late)).all():
        await _tell_failed(db, services, kind, person_id, tries, "expired", now=now)


async def _tell_failed(
    db: AsyncConnection,
    services: Services,
    kind: str,
    person_id: bytes | None,
    tries: int,
    reason: str,
    *,
    now: datetime,
) -> None:
    # The person may be gone by now, and with them the key under which events about them are sealed.
    known = select(subject_keys.c.subject_id).where(subject_keys.c.subject_id == person_id)
    is_known = person_id is not None and (await db.execute(known)).first() is not None
    event = Event(
        type=MAIL_FAILED,
        actor="system",
        outcome="failure",
        subject=show_id(PERSON, person_id) if person_id else None,
        person=person_id if is_known else None,
        data={"kind": kind, "tries": tries, "reason": reason},
    )
    await services.emitter.emit(db, event, now=now)


# ---- the demo's letters, which stay here to be read


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that the demo shows."""

    id: bytes
    created_at: datetime
    letter: Letter


async def keep_due(db: AsyncConnection, *, now: datetime) -> None:
    """Marks what is due as sent and keeps its words, until housekeeping removes the row."""
    await db.execute(update(outbox).where(_is_due(now), outbox.c.expires_at > now).values(sent_at=now, due_at=NEVER))


async def list_kept(db: AsyncConnection, sealer: Sealer, *, limit: int) -> list[Kept]:
    """The newest letters whose words are still there, newest first."""
    query = select(outbox.c.id, outbox.c.created_at, outbox.c.sealed).where(_is_readable())
    rows = (await db.execute(query.order_by(outbox.c.id.desc()).limit(limit))).all()
    return [Kept(row.id, row.created_at, open_letter(sealer, row.id, row.sealed)) for row in rows]


async def find_kept(db: AsyncConnection, sealer: Sealer, row_id: bytes) -> Kept | None:
    """One of these letters, or None."""
    query = select(outbox.c.id, outbox.c.created_at, outbox.c.sealed).where(outbox.c.id == row_id, _is_readable())
    row = (await db.execute(query)).first()
    return row and Kept(row.id, row.created_at, open_letter(sealer, row.id, row.sealed))


def _is_readable() -> ColumnElement[bool]:
    return and_(outbox.c.sealed.is_not(None), outbox.c.kind.in_(_KINDS))


def is_over(now: datetime) -> ColumnElement[bool]:
    """Which rows mean nothing any more: a day after their letter was sent, given up, or expired."""
    before = now - timedelta(days=1)
    return or_(outbox.c.expires_at < before, outbox.c.sent_at < before, outbox.c.failed_at < before)


def _aad(row_id: bytes) -> bytes:
    return b"outbox " + row_id
