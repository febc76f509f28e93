"""Asking for a way back: who is meant, whether a letter goes out, and the code that this one browser may type.

Whatever is true of the account, the same is written and answered (S22); only events and the mailbox tell.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import RECOVERY_ASKED, RECOVERY_REFUSED
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity import lockout
from identity.accounts import find_person_by_login
from identity.mail.letter_values import Fact, LetterKind
from identity.mail.notices import send_letter
from identity.names import MAX_TYPED_LENGTH, fold_case, login_key
from identity.person_values import Person
from identity.recovery.codes import KIND as CODE
from identity.recovery.codes import code_row_digest, kept_code, new_code, show_code
from identity.recovery.limits import may_send
from identity.recovery.link_page import lock_active
from identity.recovery.password_links import make_password_link, replaced_password
from identity.services import Services
from identity.tables import single_use

RECOVER = "recover"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whoever was meant by what was typed; `fault` says why no letter goes out, for the event alone."""

    name: str
    person: Person | None
    address: str | None
    fault: str | None

    @property
    def counter_name(self) -> str:
        """Under which name wrong codes are counted: one for all names of a person, and one for nobody's name."""
        return self.person.id.hex() if self.person else self.name


async def ask_way_back(
    services: Services, typed: str, browser_digest: bytes, *, language: str, now: datetime, origin: Origin
) -> None:
    """Sends the person a letter with a link and a code, if there is one to send it to; tells the event either way."""
    asked = await _find_asked(services, typed, now=now)
    code = new_code()
    async with services.database.transaction() as db:
        if asked.fault is None and asked.person is not None and not await lock_active(db, asked.person.id):
            asked = replace(asked, fault="account_not_active")
        told = [_asked_event(services, asked, origin)]
        if asked.fault is not None:
            told.append(_refused_event(asked.person, asked.fault, origin))
        await services.emitter.emit_all(db, told, now=now)
        if asked.person is not None and asked.fault is None:
            await _end_older_codes(db, asked.person.id)
        await _keep_code(db, services, browser_digest, asked, code, now=now)
        if asked.person is not None and asked.address is not None and asked.fault is None:
            await _send(db, services, asked.person.id, asked.address, code, language=language, now=now)


async def _send(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    address: str,
    code: str,
    *,
    language: str,
    now: datetime,
) -> None:
    ttl = services.settings.recovery_ttl
    text = await make_password_link(db, RECOVER, person_id, ttl=ttl, now=now)
    link = f"{services.settings.issuer}/recover/{text}"
    facts: dict[str, Fact] = {"link": link, "expires_at": now + ttl, "code": show_code(code)}
    await send_letter(
        db,
        services,
        LetterKind.RECOVER,
        to=address,
        language=language,
        person_id=person_id,
        facts=facts,
        now=now,
    )


async def _find_asked(services: Services, typed: str, *, now: datetime) -> Asked:
    key = login_key(typed)
    # People type passwords into this field: what nobody is called is kept as a keyed hash only (S46).
    name = key or fold_case(typed[:MAX_TYPED_LENGTH]).strip()
    person = None
    async with services.database.reading() as db:
        if key is not None:
            person = await find_person_by_login(db, key)
    whose, window = person.id.hex() if person else name, services.settings.recovery_ttl
    within = await may_send(services, RECOVER, whose, window=window, now=now)
    if person is None:
        return Asked(name, None, None, "unknown_account")
    address = mailbox_of(person)
    # A letter that still opens the way back is enough; without one, strangers who ask must not keep it shut (S24).
    fault = None if within or not await _has_way_back(services, person.id, now=now) else "too_many_letters"
    if person.state != "active":
        fault = "account_not_active"
    elif address is None:
        fault = "no_verified_address"
    return Asked(name, person, address, fault)


async def _has_way_back(services: Services, person_id: bytes, *, now: datetime) -> bool:
    works = select(single_use.c.digest).where(
        single_use.c.kind == RECOVER,
        single_use.c.person_id == person_id,
        single_use.c.used_at.is_(None),
        single_use.c.expires_at > now,
    )
    async with services.database.reading() as db:
        return (await db.execute(works)).first() is not None


def mailbox_of(person: Person) -> str | None:
    """Where letters about the account itself go: the main address, if it is verified, else the oldest one that is."""
    verified = [email for email in person.emails if email.verified_at is not None]
    return next((email.address for email in sorted(verified, key=lambda email: not email.is_primary)), None)


async def _end_older_codes(db: AsyncConnection, person_id: bytes) -> None:
    """The codes of older letters are nobody's any more (S27).

    Their rows stay: in those browsers wrong codes are counted as before, as for a name that nobody has (S22).
    """
    theirs = single_use.c.person_id == person_id, single_use.c.kind == CODE, single_use.c.used_at.is_(None)
    await db.execute(update(single_use).where(*theirs).values(person_id=None))


async def _keep_code(
    db: AsyncConnection, services: Services, browser_digest: bytes, asked: Asked, code: str, *, now: datetime
) -> None:
    """One row a browser, also for a name that nobody has: its counter must work as everybody's does."""
    emitter, person_id = services.emitter, asked.person.id if asked.person else None
    values = {
        "kind": CODE,
        "person_id": person_id if asked.fault is None else None,
        "payload": {
            "code": kept_code(emitter, browser_digest, code).hex(),
            "counter": lockout.recovery_key(emitter, asked.counter_name).hex(),
            "slowed_by": lockout.recovery_key(emitter, f"typed {asked.name}").hex(),
            **(await replaced_password(db, person_id) if person_id else {}),
        },
        "created_at": now,
        "expires_at": now + services.settings.recovery_ttl,
        "used_at": None,
    }
    insert = sqlite_insert if services.database.is_sqlite else postgres_insert
    row = insert(single_use).values(digest=code_row_digest(emitter, browser_digest), **values)
    key = [single_use.c.digest]
    if asked.fault == "too_many_letters":
        # The code of an earlier letter goes on to work.
        await db.execute(row.on_conflict_do_nothing(index_elements=key))
    else:
        await db.execute(row.on_conflict_do_update(index_elements=key, set_=values))


def _asked_event(services: Services, asked: Asked, origin: Origin) -> Event:
    person = asked.person
    data: dict[str, object] = {"found": person is not None}
    if person is None:
        data["typed_digest"] = services.emitter.index("typed", asked.name).hex()
    return Event(
        type=RECOVERY_ASKED,
        actor="anonymous",
        subject=show_id(PERSON, person.id) if person else None,
        person=person.id if person else None,
        origin=origin,
        data=data,
        personal={"user_agent": origin.user_agent},
    )


def _refused_event(person: Person | None, reason: str, origin: Origin) -> Event:
    return Event(
        type=RECOVERY_REFUSED,
        actor="anonymous",
        outcome="denied",
        subject=show_id(PERSON, person.id) if person else None,
        person=person.id if person else None,
        origin=origin,
        data={"reason": reason},
        personal={"user_agent": origin.user_agent},
    )
