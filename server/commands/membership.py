"""What `ostiary role|group|organisation create|list|delete|add|remove` have in common."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import PERSON, show_id
from identity import memberships
from identity.memberships import Kind, Membership
from identity.services import Services
from server.commands.frame import ACTOR, Frame, framed, table
from server.commands.user_facts import load_person

_PLURALS = {"role": "roles", "group": "groups", "organisation": "organisations"}

# Work on one name, in a transaction.
_Change = Callable[[AsyncConnection, Services, bytes, datetime], Awaitable[bool]]


def make_commands(kind: Kind, about: str) -> click.Group:
    """The group of commands of one noun; `about` is its sentence."""
    group = click.Group(kind, help=about)
    for each in (_create(kind), _list(kind), _delete(kind), _add(kind), _remove(kind)):
        group.add_command(each)
    return group


def _create(kind: Kind) -> click.Command:
    @framed
    def create(frame: Frame, name: str, description: str = "") -> None:
        async def work(services: Services, now: datetime) -> Membership:
            async with services.database.transaction() as db:
                return await memberships.create_membership(
                    db, services, kind, name, description=description, now=now, actor=ACTOR
                )

        made = frame.with_services(work)
        frame.answer(_shown(made), f"the {kind} {made.name} is made")

    what = "NAME, or ORGANISATION/NAME for a group of an organisation." if kind == "group" else "NAME of your choice."
    create = click.argument("name")(create)
    if kind == "role":
        create = click.option("--description", default="", help="What it is for.")(create)
    return click.command("create", help=f"Make one: {what}")(create)


def _list(kind: Kind) -> click.Command:
    @click.command("list", help="Every one of them, with how many people are in it.")
    @framed
    def list_all(frame: Frame) -> None:
        async def work(services: Services, now: datetime) -> list[Membership]:
            async with services.database.reading() as db:
                return await memberships.list_memberships(db, kind)

        found = frame.with_services(work)
        rows = [(each.name, str(each.members), each.description) for each in found]
        document = {_PLURALS[kind]: [_shown(each) for each in found]}
        frame.answer(document, table(rows, empty=f"There is no {kind}."))

    return list_all


def _delete(kind: Kind) -> click.Command:
    more = "; its groups go with it" if kind == "organisation" else ""

    @click.command("delete", help=f"Remove it, and take everybody out of it{more}.")
    @click.argument("name")
    @click.option("--yes", is_flag=True, help="Yes, for good: there is no way back.")
    @framed
    def delete(frame: Frame, name: str, yes: bool) -> None:
        if not yes:
            raise click.UsageError("this cannot be undone: say --yes as well")

        async def work(services: Services, now: datetime) -> int:
            async with services.database.transaction() as db:
                return await memberships.delete_membership(db, services, kind, name, now=now, actor=ACTOR)

        members = frame.with_services(work)
        frame.answer({"deleted": name, "members": members}, f"the {kind} {name} is deleted; {members} were in it")

    return delete


def _add(kind: Kind) -> click.Command:
    @click.command("add", help="Put a person into it; WHO is an id (usr_…), a username or a mail address.")
    @click.argument("name")
    @click.argument("who")
    @framed
    def add(frame: Frame, name: str, who: str) -> None:
        async def change(db: AsyncConnection, services: Services, person_id: bytes, now: datetime) -> bool:
            return await memberships.add_member(db, services, kind, name, person_id, now=now, actor=ACTOR)

        person, changed = _change(frame, who, change)
        words = "is in" if changed else "was already in"
        frame.answer({"id": person, kind: name, "changed": changed}, f"{person} {words} the {kind} {name}")

    return add


def _remove(kind: Kind) -> click.Command:
    @click.command("remove", help="Take a person out of it.")
    @click.argument("name")
    @click.argument("who")
    @framed
    def remove(frame: Frame, name: str, who: str) -> None:
        async def change(db: AsyncConnection, services: Services, person_id: bytes, now: datetime) -> bool:
            return await memberships.remove_member(db, services, kind, name, person_id, now=now, actor=ACTOR)

        person, changed = _change(frame, who, change)
        words = "is no longer in" if changed else "was not in"
        frame.answer({"id": person, kind: name, "changed": changed}, f"{person} {words} the {kind} {name}")

    return remove


def _change(frame: Frame, who: str, change: _Change) -> tuple[str, bool]:
    """The person's id as it is shown, and whether anything changed."""

    async def work(services: Services, now: datetime) -> tuple[bytes, bool]:
        async with services.database.transaction() as db:
            person = await load_person(db, who)
            return person.id, await change(db, services, person.id, now)

    person_id, changed = frame.with_services(work)
    return show_id(PERSON, person_id), changed


def _shown(each: Membership) -> dict[str, object]:
    shown: dict[str, object] = {"name": each.name, "members": each.members, "created_at": each.created_at.isoformat()}
    return {**shown, "description": each.description} if each.kind == "role" else shown
