"""Everything the server knows of a person, by standard claim names (OpenID Connect Core §5.1)."""

from sqlalchemy import select

from base.clock import to_seconds
from base.database import Database
from identity.tables import emails, people


async def load_known_claims(database: Database, person_id: bytes) -> dict[str, object]:
    """The claims of an existing person; what is not known is missing."""
    async with database.reading() as db:
        person = (await db.execute(select(people).where(people.c.id == person_id))).one()
        query = select(emails).where(emails.c.person_id == person_id, emails.c.is_primary)
        email = (await db.execute(query)).first()
    known: dict[str, object] = {
        "preferred_username": person.username,
        **person.profile,
        "sub": person.sub,
        "updated_at": to_seconds(person.updated_at),
    }
    if email is not None:
        known["email"] = email.address
        known["email_verified"] = email.verified_at is not None
    return known
