"""A person's mail addresses: added, verified by a letter's link, made the main one, removed (S29).

The account pages ask for a fresh sign-in before they call these.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import EMAIL_ADDED, EMAIL_PRIMARY, EMAIL_REMOVED, EMAIL_VERIFIED, EventType
from audit.record import Event, Origin
from base.ids import PERSON, new_id, show_id
from identity import links
from identity.errors import Refused
from identity.links import Link
from identity.mail.letter_values import Fact, LetterKind, Notice
from identity.mail.notices import notify, send_letter
from identity.names import EmailAddress, InvalidName, normalise_email
from identity.recovery.limits import may_send
from identity.recovery.newest import make_newest_link, void_newest_link
from identity.services import Services
from identity.tables import emails, people, single_use

KIND = "verify"
MOST_UNVERIFIED = 3
MOST_ADDRESSES = 10
# What letters carry to whoever reads them: they open the account, or a door before it.
_MAILED = ("recover", "recover_code", "reset", "unlock")

Verified = Literal["verified", "taken", "gone"]
EmailRow = Row[tuple[object, ...]]


async def add_email(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    address: str,
    *,
    now: datetime,
    origin: Origin,
    language: str | None = None,
) -> None:
    """Adds an address that nobody has proven yet, and sends a letter there; the answer is the same whoever has it.

    Raises Refused for a text that is no address, one that the person has already, too many, and too many letters.
    """
    try:
        email = normalise_email(address)
    except InvalidName as invalid:
        raise Refused("email", invalid.fault.text) from None
    rows = await _lock_emails(db, person_id)
    if any(row.address_key == email.key for row in rows):
        raise Refused("email", "is one of your addresses already")
    if len(rows) >= MOST_ADDRESSES or sum(row.verified_at is None for row in rows) >= MOST_UNVERIFIED:
        raise Refused("email", "cannot be added: remove another address first")
    await _check_letters(services, person_id, now=now)
    email_id = new_id(now)
    values = {"id": email_id, "person_id": person_id, "address": email.display, "address_key": email.key}
    await db.execute(insert(emails).values(**values, is_primary=False, created_at=now))
    await _emit(db, services, EMAIL_ADDED, person_id, {"email": email.display}, now=now, origin=origin)
    await _send_verification(db, services, person_id, email_id, email.display, language=language, now=now)


async def send_verification_again(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    address: str,
    *,
    now: datetime,
    language: str | None = None,
) -> None:
    """Sends the letter of an unverified address again; raises Refused where there is none, or after too many."""
    row = _find(await _lock_emails(db, person_id), address)
    if row.verified_at is not None:
        raise Refused("email", "is verified already")
    await _check_letters(services, person_id, now=now)
    await _send_verification(db, services, person_id, row.id, row.address, language=language, now=now)


async def verify_first_email(
    db: AsyncConnection, services: Services, person_id: bytes, *, language: str | None, now: datetime
) -> None:
    """Sends the letter that verifies the address which an account was made with, if it has one."""
    for row in await _lock_emails(db, person_id):
        if row.verified_at is None:
            await _send_verification(db, services, person_id, row.id, row.address, language=language, now=now)


async def _check_letters(services: Services, person_id: bytes, *, now: datetime) -> None:
    """Else an account could be used to fill a stranger's mailbox."""
    if not await may_send(services, KIND, person_id.hex(), now=now):
        raise Refused("email", "cannot be written to now: many letters went out already; try again in an hour")


async def _send_verification(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    email_id: bytes,
    address: str,
    *,
    language: str | None,
    now: datetime,
) -> None:
    shown, ttl = bytes(email_id).hex(), services.settings.verify_ttl
    text = await make_newest_link(
        db, services, KIND, shown, ttl=ttl, now=now, person_id=person_id, payload={"email": shown}
    )  # fmt: skip
    facts: dict[str, Fact] = {"link": f"{services.settings.issuer}/verify/{text}", "expires_at": now + ttl}
    await send_letter(
        db,
        services,
        LetterKind.VERIFY,
        to=address,
        language=language,
        person_id=person_id,
        facts=facts,
        now=now,
    )


async def find_address(db: AsyncConnection, link: Link) -> str | None:
    """The address that a verification link is about, or None where it was removed."""
    query = select(emails.c.address).where(emails.c.id == _email_id(link), emails.c.person_id == link.person_id)
    return (await db.execute(query)).scalar_one_or_none()


async def verify_email(
    db: AsyncConnection, services: Services, link: Link, person_id: bytes, *, now: datetime, origin: Origin
) -> Verified:
    """Marks the address as the person's own; "taken" where somebody else was first, which spends the link all the same.

    Where the main address is not verified, this one becomes it: letters must reach somebody. Whoever reads an address
    that was verified before is told (S29).
    """
    rows = await _lock_emails(db, person_id)
    if await links.spend_link(db, KIND, link.digest, now=now) is None:
        return "gone"
    row = next((row for row in rows if bytes(row.id) == _email_id(link)), None)
    if row is None or row.verified_at is not None:
        return "gone"
    try:
        async with db.begin_nested():
            await db.execute(update(emails).where(emails.c.id == row.id).values(verified_at=now))
    except IntegrityError:
        return "taken"
    await _emit(db, services, EMAIL_VERIFIED, person_id, {"email": row.address}, now=now, origin=origin)
    main = next((other for other in rows if other.is_primary), None)
    if main is None or (main.verified_at is None and main.id != row.id):
        await _change_primary(db, services, person_id, main, row, now=now, origin=origin)
    proven = [other for other in rows if other.verified_at is not None]
    if proven:
        reader = next((other for other in proven if other.is_primary), proven[0])
        await _tell_changed(db, services, person_id, reader, {"added": row.address}, now=now, origin=origin)
    return "verified"


def _email_id(link: Link) -> bytes:
    return bytes.fromhex(str(link.payload["email"]))


async def make_primary(
    db: AsyncConnection, services: Services, person_id: bytes, address: str, *, now: datetime, origin: Origin
) -> None:
    """Makes a verified address the main one and tells the old one, with a link that undoes it (S29); else Refused."""
    rows = await _lock_emails(db, person_id)
    row = _find(rows, address)
    if row.verified_at is None:
        raise Refused("email", "must be verified first; look for our letter there")
    old = next((other for other in rows if other.is_primary), None)
    if old is not None and old.id == row.id:
        return
    await _change_primary(db, services, person_id, old, row, now=now, origin=origin)
    if old is not None and old.verified_at is not None:
        await _tell_changed(db, services, person_id, old, {"new_email": row.address}, now=now, origin=origin)


async def _tell_changed(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    reader: EmailRow,
    told: Mapping[str, str],
    *,
    now: datetime,
    origin: Origin,
) -> None:
    """A notice to one address, whose link makes that the main one again (S29)."""
    # In bytes: the link must know the address even when its row is gone.
    about: dict[str, Fact | bytes] = {"email": str(reader.address).encode(), **told}
    await notify(
        db, services, person_id, Notice.EMAIL_CHANGED, now=now, origin=origin, about=about, to=str(reader.address)
    )  # fmt: skip


async def remove_email(
    db: AsyncConnection, services: Services, person_id: bytes, address: str, *, now: datetime, origin: Origin
) -> None:
    """Removes an address that is not the main one; raises Refused for that one, and for one that is not there.

    The main address is told of one that was verified, and so is that one, by a letter that opens nothing (S29).
    """
    row = _find(await _lock_emails(db, person_id), address)
    if row.is_primary:
        raise Refused("email", "is your main address; make another one that first")
    await _remove(db, services, person_id, row, why="removed", now=now, origin=origin)
    if row.verified_at is None:
        return
    gone = str(row.address)
    about = {"removed": gone}
    await notify(db, services, person_id, Notice.EMAIL_CHANGED, now=now, origin=origin, about=about)
    facts: dict[str, Fact] = {"at": now}
    await send_letter(
        db, services, LetterKind.EMAIL_REMOVED, to=gone, person_id=person_id, facts=facts, now=now
    )  # fmt: skip


async def restore_primary(
    db: AsyncConnection, services: Services, person_id: bytes, address: str, *, now: datetime, origin: Origin
) -> None:
    """Gives back the main address that somebody took away; the one that took its place leaves the account.

    The caller's link was mailed to `address`, which proves it. Where it is another account's by now, nothing changes.
    """
    rows, email = await _lock_emails(db, person_id), normalise_email(address)
    current = next((row for row in rows if row.is_primary), None)
    old = next((row for row in rows if row.address_key == email.key), None)
    if old is None or old.verified_at is None:
        old = await _take_back(db, services, person_id, old, email, now=now, origin=origin)
    if old is None or (current is not None and current.id == old.id):
        return
    await _change_primary(db, services, person_id, current, old, now=now, origin=origin)
    if current is not None:
        await _remove(db, services, person_id, current, why="not_me", now=now, origin=origin)


async def _take_back(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    row: EmailRow | None,
    email: EmailAddress,
    *,
    now: datetime,
    origin: Origin,
) -> EmailRow | None:
    """The address's row, verified; None where another account verified it meanwhile."""
    values = {"id": new_id(now), "person_id": person_id, "address": email.display, "address_key": email.key}
    change = (
        insert(emails).values(**values, is_primary=False, created_at=now, verified_at=now)
        if row is None
        else update(emails).where(emails.c.id == row.id).values(verified_at=now)
    )
    try:
        async with db.begin_nested():
            taken = (await db.execute(change.returning(*emails.c))).one()
    except IntegrityError:
        return None
    await _emit(db, services, EMAIL_VERIFIED, person_id, {"email": email.display}, now=now, origin=origin)
    return taken


async def _lock_emails(db: AsyncConnection, person_id: bytes) -> Sequence[EmailRow]:
    """The person's addresses, oldest first; nobody else changes them until the transaction ends."""
    await db.execute(select(people.c.id).where(people.c.id == person_id).with_for_update(key_share=True))
    query = select(emails).where(emails.c.person_id == person_id).order_by(emails.c.created_at, emails.c.id)
    return (await db.execute(query)).all()


def _find(rows: Sequence[EmailRow], address: str) -> EmailRow:
    try:
        key = normalise_email(address).key
    except InvalidName as invalid:
        raise Refused("email", invalid.fault.text) from None
    for row in rows:
        if row.address_key == key:
            return row
    raise Refused("email", "is none of your addresses")


async def _change_primary(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    before: EmailRow | None,
    after: EmailRow,
    *,
    now: datetime,
    origin: Origin,
) -> None:
    theirs = update(emails).where(emails.c.person_id == person_id)
    await db.execute(theirs.values(is_primary=emails.c.id == after.id))
    await _void_mailed(db, person_id)
    told = {"before": before.address if before else None, "after": after.address}
    await _emit(db, services, EMAIL_PRIMARY, person_id, told, now=now, origin=origin)


async def _remove(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    row: EmailRow,
    *,
    why: str,
    now: datetime,
    origin: Origin,
) -> None:
    await db.execute(delete(emails).where(emails.c.id == row.id))
    await void_newest_link(db, services, KIND, bytes(row.id).hex())
    await _void_mailed(db, person_id)
    await _emit(
        db, services, EMAIL_REMOVED, person_id, {"email": row.address}, data={"why": why}, now=now, origin=origin
    )  # fmt: skip


async def _void_mailed(db: AsyncConnection, person_id: bytes) -> None:
    """Nothing that was mailed to an address outlives it there; the next letter goes to the address of today.

    But what undoes a change of addresses stays: else a thief could change them twice to be rid of it (S29).
    """
    for kind in _MAILED:
        await links.void_links(db, kind, person_id)
    theirs = single_use.c.kind == "not_me", single_use.c.person_id == person_id, single_use.c.used_at.is_(None)
    found = (await db.execute(select(single_use.c.digest, single_use.c.payload).where(*theirs))).all()
    void = [row.digest for row in found if row.payload["about"] != Notice.EMAIL_CHANGED or "email" not in row.payload]
    await db.execute(delete(single_use).where(single_use.c.digest.in_(void), *theirs))


async def _emit(
    db: AsyncConnection,
    services: Services,
    kind: EventType,
    person_id: bytes,
    personal: Mapping[str, object],
    *,
    data: Mapping[str, object] | None = None,
    now: datetime,
    origin: Origin,
) -> None:
    actor = show_id(PERSON, person_id)
    event = Event(
        type=kind,
        actor=actor,
        subject=actor,
        person=person_id,
        origin=origin,
        data=data or {},
        personal=personal,
    )
    await services.emitter.emit(db, event, now=now)
