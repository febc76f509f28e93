"""`ostiary user invite|reset`: one-time links that a letter carries, or that the administrator hands over.

What makes them brings the pages and letters with it, which the other commands need not wait for.
"""

from datetime import datetime

import click

from base.ids import PERSON, show_id
from identity.services import Services
from server.commands.frame import ACTOR, Frame, framed
from server.commands.user_facts import load_person


@click.command("invite")
@click.option("--email", help="Their mail address; a letter carries the link there, unless --link is given.")
@click.option("--name", help="Their name; they may change it.")
@click.option("--admin", is_flag=True, help="Make them an administrator.")
@click.option("--link", is_flag=True, help="Send no letter: print the link, to be handed over.")
@framed
def invite(frame: Frame, email: str | None, name: str | None, admin: bool, link: bool) -> None:
    """Invite somebody, who makes the account and its password themselves."""
    if email is None and not link:
        raise click.UsageError("--email says whom to invite; with --link it may be left out")

    async def work(services: Services, now: datetime) -> str:
        from identity.recovery.invitations import invite as make_invitation

        async with services.database.transaction() as db:
            return await make_invitation(
                db,
                services,
                email=email,
                name=name,
                is_admin=admin,
                now=now,
                actor=ACTOR,
                via="link" if link else "mail",
            )

    url = frame.with_services(work)
    if link:
        frame.answer({"email": email, "link": url}, url)
    else:
        frame.answer({"email": email, "link": None}, f"A letter to {email} carries the link.")


@click.command("reset")
@click.argument("who")
@click.option("--password", is_flag=True, help="They choose a new password.")
@click.option("--factors", is_flag=True, help="Their second factors and backup codes are removed.")
@framed
def reset(frame: Frame, who: str, password: bool, factors: bool) -> None:
    """Begin a reset; they complete it by a link, and until then nothing changes."""

    async def work(services: Services, now: datetime) -> tuple[str, str | None]:
        from identity.recovery import resets

        async with services.database.transaction() as db:
            person = await load_person(db, who)
            url = await resets.start_reset(
                db, services, person.id, password=password, factors=factors, now=now, actor=ACTOR
            )
            mailed = await resets.is_mailed(db, services, person.id)
        # Whoever holds the link becomes this person: it is told where no letter carries it alone.
        return show_id(PERSON, person.id), None if mailed else url

    shown, url = frame.with_services(work)
    frame.answer({"id": shown, "link": url}, url or f"A letter to {shown} carries the link.")
