"""What a person should act upon, read for the overview."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOGIN_SUCCEEDED
from audit.search.of_person import FoundEvent, list_person_events
from identity.factors.registry import count_codes_left
from identity.services import Services
from identity.tables import credentials, people
from identity.values import LiveSession, Standing
from policy.assurance import PASSKEYS

FEW = 3
STRONG = PASSKEYS | {"totp"}


@dataclass(frozen=True, slots=True)
class BackupCodes:
    """A person's set of backup codes: how many still work, and whether the person proved that they saved them."""

    left: int
    are_confirmed: bool
    made_at: datetime


@dataclass(frozen=True, slots=True)
class AccountState:
    """`codes` is None where there is no set; `last_signin` is the one before this session's."""

    has_second_factor: bool
    codes: BackupCodes | None
    delete_at: datetime | None
    last_signin: FoundEvent | None


def has_second_factor(standing: Standing) -> bool:
    """Whether a stolen password alone would not be enough."""
    return bool(standing.factors & STRONG)


async def find_codes(db: AsyncConnection, person_id: bytes) -> BackupCodes | None:
    """The person's set of backup codes, or None."""
    query = select(credentials.c.attributes, credentials.c.created_at).where(
        credentials.c.person_id == person_id, credentials.c.kind == "backup_codes"
    )
    row = (await db.execute(query)).first()
    if row is None:
        return None
    left = await count_codes_left(db, person_id)
    return BackupCodes(left, bool(row.attributes.get("confirmed")), row.created_at)


async def load_state(db: AsyncConnection, services: Services, session: LiveSession, standing: Standing) -> AccountState:
    """What the overview tells."""
    person_id = session.person_id
    delete_at = (await db.execute(select(people.c.delete_at).where(people.c.id == person_id))).scalar_one()
    recent = await list_person_events(
        db, services.emitter, services.sealer, person_id, limit=2, only=(LOGIN_SUCCEEDED.name,)
    )
    before = (event for event in recent if event.at < session.auth_time)
    codes = await find_codes(db, person_id)
    return AccountState(has_second_factor(standing), codes, delete_at, next(before, None))
