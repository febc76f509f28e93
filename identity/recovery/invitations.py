"""Invitations: whoever holds the link makes an account of their own, once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import INVITED
from audit.record import Event, Origin
from base.clock import to_seconds
from identity import links
from identity.errors import Refused
from identity.links import Link
from identity.mail.letter_values import Fact, LetterKind
from identity.mail.notices import send_letter
from identity.names import EmailAddress, InvalidName, normalise_email
from identity.recovery.newest import make_newest_link
from identity.services import Services
from identity.setup_form import MAX_NAME, NAME_TOO_LONG
from identity.tables import emails

KIND = "invite"
Via = Literal["mail", "link", "registration"]


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a link invites to. `via`: only where a letter carried it has its holder proven to read the address."""

    email: str | None
    name: str | None
    is_admin: bool
    via: Via

    @property
    def proves_address(self) -> bool:
        """Whether the account's address is verified by the link."""
        return self.email is not None and self.via != "link"


async def invite(
    db: AsyncConnection,
    services: Services,
    *,
    email: str | None,
    name: str | None = None,
    is_admin: bool = False,
    now: datetime,
    actor: str,
    via: Literal["mail", "link"],
    language: str | None = None,
    origin: Origin = Origin(),
) -> str:
    """The address at which somebody makes their account; an older one for the same mail address opens nothing any more.

    `via="mail"`: a letter carries it, which proves the address, so show it to nobody else. `via="link"`: whoever asked
    hands it over, and the address has yet to be verified. Raises Refused for an address or name that cannot be taken,
    one that an account has, and a letter that cannot leave.
    """
    if name and (len(name) > MAX_NAME or not name.isprintable()):
        raise Refused("name", NAME_TOO_LONG.words.format(number=NAME_TOO_LONG.number))
    address = _parse(email) if email else None
    if via == "mail" and address is None:
        raise Refused("email", "is needed to send the invitation by mail")
    if via == "mail" and not services.settings.has_mail:
        raise Refused("mail", "no mail leaves this deployment; hand over the link yourself")
    if address is not None and await is_taken(db, address):
        raise Refused("email", "belongs to an account already")
    invitation = Invitation(address.display if address else None, name or None, is_admin, via)
    url, ttl = await make_invitation(db, services, invitation, now=now), services.settings.invite_ttl
    data = {"is_admin": is_admin, "expires_at": to_seconds(now + ttl), "via": via}
    await services.emitter.emit(db, Event(type=INVITED, actor=actor, origin=origin, data=data), now=now)
    if via == "mail" and address is not None:
        facts: dict[str, Fact] = {"link": url, "expires_at": now + ttl}
        await send_letter(db, services, LetterKind.INVITE, to=address.display, language=language, facts=facts, now=now)
    return url


def _parse(email: str) -> EmailAddress:
    try:
        return normalise_email(email)
    except InvalidName as invalid:
        raise Refused("email", invalid.fault.text) from None


async def is_taken(db: AsyncConnection, address: EmailAddress) -> bool:
    """Whether an account has verified this address."""
    taken = select(emails.c.id).where(emails.c.address_key == address.key, emails.c.verified_at.is_not(None))
    return (await db.execute(taken)).first() is not None


async def make_invitation(db: AsyncConnection, services: Services, invitation: Invitation, *, now: datetime) -> str:
    """The invitation's address, in place of an older one to the same mail address.

    One that somebody asked for by registering stands beside an administrator's: anybody may register any address.
    """
    payload: dict[str, object] = msgspec.to_builtins(invitation)
    ttl = services.settings.invite_ttl
    if invitation.email is None:
        text = await links.make_link(db, KIND, ttl=ttl, now=now, payload=payload, beside_others=True)
    else:
        key = normalise_email(invitation.email).key
        about = f"registration {key}" if invitation.via == "registration" else key
        text = await make_newest_link(db, services, KIND, about, ttl=ttl, now=now, payload=payload)
    return f"{services.settings.issuer}/invite/{text}"


def read_invitation(link: Link) -> Invitation:
    """What a link invites to."""
    return msgspec.convert(link.payload, Invitation)
