"""A reset that an administrator starts and the person completes; nobody else sees a password (S29)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import RECOVERY_DONE, RECOVERY_RESET_MADE
from audit.record import Event, Origin
from base.clock import to_seconds
from base.ids import PERSON, show_id
from identity import links, passwords
from identity.accounts import load_person
from identity.assessing.recovering import note_recovery
from identity.errors import Refused
from identity.factors.backup_codes import delete_codes
from identity.factors.registry import list_factors, remove_factor
from identity.links import Link
from identity.mail.letter_values import Fact, LetterKind, Notice
from identity.mail.notices import notify, send_letter
from identity.recovery.asking import mailbox_of
from identity.recovery.link_page import lock_active
from identity.recovery.new_passwords import end_everything, replace_password
from identity.recovery.password_links import is_stale, make_password_link
from identity.recovery.recovered import note_recovered
from identity.services import Services

KIND = "reset"


@dataclass(frozen=True, slots=True)
class Completed:
    """A reset is done; `recovered` is for the browser to keep, None where the link was not mailed."""

    recovered: str | None


async def start_reset(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    *,
    password: bool,
    factors: bool,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> str:
    """The address at which the person completes the reset; nothing of the account changes before.

    Where mail leaves and the person reads some (`is_mailed`), the letter carries it, and nobody else should be shown
    it: whoever has it chooses the password. Raises Refused where there is nothing to reset, or nobody to do it.
    """
    person = await load_person(db, person_id)
    if not password and not factors:
        raise Refused("reset", "choose what is reset: the password, the second factors, or both")
    if person.state != "active":
        raise Refused("who", f"the account is {person.state}; enable it first")
    can_prove = person.username or mailbox_of(person)
    if not password and (not can_prove or await passwords.find_hash(db, person_id) is None):
        raise Refused("factors", "without a password nobody could prove to be this person; reset the password, too")
    ttl, asked, address = services.settings.verify_ttl, {"password": password, "factors": factors}, mailbox_of(person)
    payload = {**asked, "mailed": services.settings.has_mail and address is not None}
    if password:
        text = await make_password_link(db, KIND, person_id, ttl=ttl, now=now, payload=payload)
    else:
        text = await links.make_link(db, KIND, ttl=ttl, now=now, person_id=person_id, payload=payload)
    data, subject = {**asked, "expires_at": to_seconds(now + ttl)}, show_id(PERSON, person_id)
    event = Event(type=RECOVERY_RESET_MADE, actor=actor, subject=subject, person=person_id, origin=origin, data=data)
    await services.emitter.emit(db, event, now=now)
    url = f"{services.settings.issuer}/reset/{text}"
    if address is not None:
        facts: dict[str, Fact] = {"link": url, "expires_at": now + ttl}
        await send_letter(
            db, services, LetterKind.RESET, to=address, person_id=person_id, facts=facts, now=now
        )  # fmt: skip
    return url


async def is_mailed(db: AsyncConnection, services: Services, person_id: bytes) -> bool:
    """Whether a letter carries the link of a reset, so that nobody needs to hand it over."""
    return services.settings.has_mail and mailbox_of(await load_person(db, person_id)) is not None


async def complete_reset(
    db: AsyncConnection,
    services: Services,
    link: Link,
    person_id: bytes,
    *,
    password_hash: str | None,
    proven_hash: str | None,
    now: datetime,
    origin: Origin,
) -> Completed | None:
    """Does what the link is for, once; None where it was spent, or the account or its password changed meanwhile.

    `password_hash` is that of the chosen password; where the link resets factors alone, `proven_hash` is the stored one
    that the person has proven.
    """
    if not await lock_active(db, person_id) or await is_stale(db, link):
        return None
    if password_hash is None and (proven_hash is None or await passwords.find_hash(db, person_id) != proven_hash):
        return None
    if await links.spend_link(db, KIND, link.digest, now=now) is None:
        return None
    if link.payload["factors"]:
        await _remove_factors(db, services, person_id, now=now, origin=origin)
    if password_hash is not None:
        await replace_password(db, services, person_id, password_hash, why="reset", now=now, origin=origin)
    else:
        await note_recovery(db, person_id, now=now)
        await end_everything(db, services, person_id, why="reset", now=now, origin=origin)
    actor = show_id(PERSON, person_id)
    done = Event(type=RECOVERY_DONE, actor=actor, subject=actor, person=person_id, origin=origin, data={"by": "reset"})
    await services.emitter.emit(db, done, now=now)
    await notify(db, services, person_id, Notice.RESET_DONE, now=now, origin=origin)
    # Somebody else may have handed over the link of a reset that no letter carried.
    is_mailed = password_hash is not None and link.payload.get("mailed") is True
    return Completed(await note_recovered(db, person_id, now=now) if is_mailed else None)


async def _remove_factors(
    db: AsyncConnection, services: Services, person_id: bytes, *, now: datetime, origin: Origin
) -> None:
    for factor in await list_factors(db, person_id):
        await remove_factor(db, services, person_id, factor.id, why="reset", now=now, origin=origin)
    await delete_codes(db, person_id)
