"""`ostiary user …`: people made, listed, shown, and moved between states."""

from datetime import datetime

import click

from base.ids import PERSON, parse_id, show_id
from identity import accounts
from identity.errors import Refused
from identity.password_hashes import HashPoolBusy
from identity.password_rules import PasswordRefused, PasswordRules, check_password
from identity.person_values import NewPerson, Person
from identity.services import Services
from identity.unlocking import unlock_person
from identity.values import PersonState
from server.commands import user_import, user_links
from server.commands.frame import ACTOR, Frame, framed, read_password, table
from server.commands.user_facts import Facts, load_facts, load_person, shown


@click.group("user")
def command() -> None:
    """People. WHO is an id (usr_…), a username or a mail address."""


command.add_command(user_import.command)
command.add_command(user_links.invite)
command.add_command(user_links.reset)


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

    made = show_id(PERSON, frame.with_services(work))
    if password is None:
        frame.say("This account has no password yet, so nobody can sign in to it with one.")
    frame.answer({"id": made}, f"{made} is made")


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

    async def work(services: Services, now: datetime) -> tuple[list[Person], dict[bytes, Facts]]:
        async with services.database.reading() as db:
            people = await accounts.list_people(db, limit, start)
            return people, await load_facts(db, services, people, now=now)

    found, facts = frame.with_services(work)
    rows = [_row(person, facts[person.id]) for person in found]
    document = {
        "users": [shown(person, facts[person.id]) for person in found],
        "after": show_id(PERSON, found[-1].id) if len(found) == limit else None,
    }
    frame.answer(document, table(rows, empty="There are no accounts."))


def _row(person: Person, facts: Facts) -> tuple[str, ...]:
    marks = ["admin"] if person.is_admin else []
    marks += ["locked"] if facts.locked_until else []
    marks += ["to be deleted"] if facts.delete_at else []
    return (
        show_id(PERSON, person.id), person.login, person.state, " ".join(facts.factors), f"{facts.sessions} sessions",
        ", ".join(marks),
    )  # fmt: skip


@command.command("show")
@click.argument("who")
@framed
def show(frame: Frame, who: str) -> None:
    """One account: its factors, sessions and dates, no secret."""

    async def work(services: Services, now: datetime) -> dict[str, object]:
        async with services.database.reading() as db:
            person = await load_person(db, who)
            facts = await load_facts(db, services, [person], now=now)
        return shown(person, facts[person.id])

    document = frame.with_services(work)
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


@command.command("suspend")
@click.argument("who")
@framed
def suspend(frame: Frame, who: str) -> None:
    """Close an account for a while; its sessions and tokens end at once."""
    _set_state(frame, who, "suspended")


@command.command("delete")
@click.argument("who")
@click.option("--yes", is_flag=True, help="Yes, for good: there is no way back.")
@framed
def delete(frame: Frame, who: str, yes: bool) -> None:
    """Delete an account at once and for good, with everything that tells who it was."""
    if not yes:
        raise click.UsageError("this cannot be undone: say --yes as well")
    _set_state(frame, who, "deleted")


def _set_state(frame: Frame, who: str, state: PersonState) -> None:
    async def work(services: Services, now: datetime) -> str:
        from identity.account.deletion import delete_person

        async with services.database.transaction() as db:
            person = await load_person(db, who)
            if state == "deleted":
                await delete_person(db, services, person.id, now=now, actor=ACTOR)
            else:
                await accounts.set_person_state(db, services, person.id, state, now=now, actor=ACTOR)
        return show_id(PERSON, person.id)

    shown_id = frame.with_services(work)
    frame.answer({"id": shown_id, "state": state}, f"{shown_id} is {state}")


@command.command("unlock")
@click.argument("who")
@framed
def unlock(frame: Frame, who: str) -> None:
    """Open the doors again that too many failures closed: for passwords, codes and recovery."""

    async def work(services: Services, now: datetime) -> str:
        async with services.database.transaction() as db:
            person = await load_person(db, who)
            await unlock_person(db, services, person.id, now=now, actor=ACTOR)
        return show_id(PERSON, person.id)

    shown_id = frame.with_services(work)
    frame.answer({"id": shown_id, "unlocked": True}, f"{shown_id} is unlocked")
