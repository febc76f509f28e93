"""Everything the server knows of a person, by standard claim names (OpenID Connect Core §5.1)."""

from collections.abc import Iterable

from sqlalchemy import select

from base.clock import to_seconds
from base.database import Database
from identity.client_values import MEMBERSHIP_SCOPES
from identity.standing import find_standing
from identity.tables import emails, people

# Tokens travel in headers: names that are longer together stay out of them, and are told at userinfo.
MAX_NAMES_CHARS = 1_500


async def load_known_claims(
    database: Database, person_id: bytes, *, wanted: Iterable[str] = MEMBERSHIP_SCOPES
) -> dict[str, object]:
    """The claims of an existing person; what is not known is missing.

    `wanted`: scopes and claims; what the person belongs to is read only where it is among them.
    """
    async with database.reading() as db:
        person = (await db.execute(select(people).where(people.c.id == person_id))).one()
        query = select(emails).where(emails.c.person_id == person_id, emails.c.is_primary)
        email = (await db.execute(query)).first()
    known: dict[str, object] = {
        "preferred_username": person.username,
        **person.profile,
        "sub": person.sub,
        "updated_at": to_seconds(person.updated_at),
        **await load_memberships(database, person_id, wanted),
    }
    if email is not None:
        known["email"] = email.address
        known["email_verified"] = email.verified_at is not None
    return known


async def load_memberships(database: Database, person_id: bytes, wanted: Iterable[str]) -> dict[str, list[str]]:
    """The claims `roles` and `groups`, those of them that are wanted: names as they are now, a group's with its
    organisation (`acme/support`)."""
    asked = set(wanted) & set(MEMBERSHIP_SCOPES)
    standing = await find_standing(database, person_id, mail_code=False) if asked else None
    if standing is None:
        return {}
    kinds = {"roles": "Ostiary::Role", "groups": "Ostiary::Group"}
    return {claim: [ref.id for ref in standing.memberships if ref.type == kinds[claim]] for claim in sorted(asked)}


def fit_for_tokens(memberships: dict[str, list[str]]) -> dict[str, list[str]]:
    """The claims that are short enough for a token."""
    return {claim: names for claim, names in memberships.items() if sum(map(len, names)) <= MAX_NAMES_CHARS}
