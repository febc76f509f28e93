"""`ostiary user create|list|show|disable|enable|unlock`."""

from datetime import datetime

import click
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOCKOUT_ENDED
from audit.record import Event
from base.ids import PERSON, parse_id, show_id
from identity import accounts, lockout
from identity.errors import Refused
from identity.names import login_key
from identity.password_hashes import HashPoolBusy
from identity.password_rules import PasswordRefused, PasswordRules, check_password
from identity.person_values import NewPerson, Person
from identity.services import Services
from identity.tables import devices
from identity.values import PersonState
from server.commands.frame import ACTOR, Frame, framed, read_password, table


@click.group("user")
def command() -> None:
    """People. WHO is an id (usr_…), a username or a mail address."""


@command.command("create")
@click.option("--username", help="What they sign in with; a mail address will do, too.")
@click.option("--email", help="Their mail address, taken as verified.")
@click.option("--name", help="Their name.")
@click.option("--admin", is_flag=True, help="Make them an administrator.")
@click.option("--password-stdin", is_flag=True, help="Read their password from standard input, one line.")
@framed
def create(
    frame: Frame, *, username: str | None, email: str | None, name: str | None, admin: bool, password_stdin: bool
) -> None:
    """Make an account."""
    password = read_password() if password_stdin else None

    async def work(services: Services, now: datetime) -> bytes:
        hashed = None
        if password is not None:
            hashed = await _hash(services, password, [text for text in (username, email, name) if text])
        new = NewPerson(username=username, email=email, name=name, is_admin=admin, password_hash=hashed)
        async with services.database.transaction() as db:
            return await accounts.create_person(db, services, new, now=now, actor=ACTOR, via="cli")

    shown = show_id(PERSON, frame.with_services(work))
    if password is None:
        frame.say("This account has no password yet, so nobody can sign in to it with one.")
    frame.answer({"id": shown}, f"{shown} is made")


async def _hash(services: Services, password: str, context: list[str]) -> str:
    rules = PasswordRules(min_length=services.settings.password_min_length)
    known = [*context, services.settings.service_name]
    try:
        check_password(password, rules=rules, context=known, breached=services.breached)
        return await services.hashes.hash(password)
    except PasswordRefused as refused:
        raise Refused("password", str(refused)) from None
    except HashPoolBusy as busy:
        raise Refused("password", str(busy)) from None


@command.command("list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10000), help="How many at most.")
@click.option("--after", help="The id behind which to begin: the last one of the page before.")
@framed
def list_people(frame: Frame, limit: int, after: str | None) -> None:
    """Accounts, oldest first."""
    start = None if after is None else parse_id(PERSON, after)
    if after is not None and start is None:
        raise click.UsageError("--after takes an id such as usr_0192…")

    async def work(services: Services, now: datetime) -> list[Person]:
        async with services.database.reading() as db:
            return await accounts.list_people(db, limit, start)

    found = frame.with_services(work)
    rows = [
        (show_id(PERSON, person.id), person.login, person.state, "admin" if person.is_admin else "") for person in found
    ]
    document = {
        "users": [_shown(person) for person in found],
        "after": show_id(PERSON, found[-1].id) if len(found) == limit else None,
    }
    frame.answer(document, table(rows, empty="There are no accounts."))


@command.command("show")
@click.argument("who")
@framed
def show(frame: Frame, who: str) -> None:
    """One account."""

    async def work(services: Services, now: datetime) -> Person:
        async with services.database.reading() as db:
            return await _load(db, who)

    document = _shown(frame.with_services(work))
    frame.answer(document, table([(name, str(value)) for name, value in document.items()], empty=""))


@command.command("disable")
@click.argument("who")
@framed
def disable(frame: Frame, who: str) -> None:
    """Close an account; its sessions and tokens end at once."""
    _set_state(frame, who, "disabled")


@command.command("enable")
@click.argument("who")
@framed
def enable(frame: Frame, who: str) -> None:
    """Open an account again."""
    _set_state(frame, who, "active")


def _set_state(frame: Frame, who: str, state: PersonState) -> None:
    async def work(services: Services, now: datetime) -> str:
        async with services.database.transaction() as db:
            person = await _load(db, who)
            await accounts.set_person_state(db, services, person.id, state, now=now, actor=ACTOR)
        return show_id(PERSON, person.id)

    shown = frame.with_services(work)
    frame.answer({"id": shown, "state": state}, f"{shown} is {state}")


@command.command("unlock")
@click.argument("who")
@framed
def unlock(frame: Frame, who: str) -> None:
    """Open the door again that too many failures closed."""

    async def work(services: Services, now: datetime) -> str:
        async with services.database.transaction() as db:
            person = await _load(db, who)
            await _unlock(db, services, person.id, now=now)
        return show_id(PERSON, person.id)

    shown = frame.with_services(work)
    frame.answer({"id": shown, "unlocked": True}, f"{shown} is unlocked")


async def _unlock(db: AsyncConnection, services: Services, person_id: bytes, *, now: datetime) -> None:
    await lockout.release(db, lockout.person_key(services.emitter, person_id))
    for device_id in (await db.execute(select(devices.c.id).where(devices.c.person_id == person_id))).scalars():
        await lockout.release(db, lockout.device_key(services.emitter, device_id))
    event = Event(type=LOCKOUT_ENDED, actor=ACTOR, subject=show_id(PERSON, person_id), person=person_id)
    await services.emitter.emit(db, event, now=now)


async def _load(db: AsyncConnection, who: str) -> Person:
    person_id = parse_id(PERSON, who)
    if person_id is not None:
        found = await accounts.find_person(db, person_id)
    else:
        key = login_key(who)
        found = None if key is None else await accounts.find_person_by_login(db, key)
    if found is None:
        raise Refused("who", f"there is no account {who}")
    return found


def _shown(person: Person) -> dict[str, object]:
    return {
        "id": show_id(PERSON, person.id),
        "username": person.username,
        "state": person.state,
        "is_admin": person.is_admin,
        "emails": [
            {"address": email.address, "primary": email.is_primary, "verified": email.verified_at is not None}
            for email in person.emails
        ],
        "profile": dict(person.profile),
        "created_at": person.created_at.isoformat(),
    }
