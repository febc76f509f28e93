"""A recovery that ended in this browser stands, for minutes and once, for a code from the person's mailbox.

Whoever chose a password behind a mailed link has just read the mailbox: a risky sign-in that follows here asks for
nothing that they have shown already. It is no second factor (S27): it meets what a score demands, and nothing else.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from base.cookies import read_cookie, set_cookie
from identity import links
from identity.recovery.link_page import go_to
from identity.recovery.password_links import is_stale, make_password_link
from identity.services import Services
from identity.values import Proof

# `identity.revocation` ends what is of this kind with a person's sessions.
KIND = "recovered"
METHOD = "recovery"
TTL = timedelta(minutes=15)


async def note_recovered(db: AsyncConnection, person_id: bytes, *, now: datetime) -> str:
    """What the browser must keep to be known as the one in which the recovery ended.

    To be called after everything older was ended: it ends with the next revocation, too, and with the new password.
    """
    return await make_password_link(db, KIND, person_id, ttl=TTL, now=now)


def go_recovered(services: Services, path: str, kept: str | None) -> Response:
    """On to a page of ours, with what the browser must keep."""
    response = go_to(path)
    if kept is not None:
        set_cookie(response, services.settings, "recovered", kept, ttl=TTL)
    return response


async def redeem_recovery(
    db: AsyncConnection, services: Services, request: Request, person_id: bytes, *, now: datetime
) -> Proof | None:
    """The proof that a recovery of this person, ended in this browser a moment ago, gives; it gives it once.

    Somebody else's stays for them. The caller holds the person's row, so nothing of it is revoked meanwhile.
    """
    kept = read_cookie(request, services.settings, "recovered")
    link = await links.find_link(db, KIND, kept, now=now) if kept else None
    if link is None or link.person_id != person_id or await is_stale(db, link):
        return None
    everyone = services.catalogue.everyone_not_before
    spent = await links.spend_link(db, KIND, link.digest, now=now)
    if spent is None or spent.created_at is None or (everyone is not None and spent.created_at < everyone):
        return None
    return Proof(METHOD, spent.created_at)
