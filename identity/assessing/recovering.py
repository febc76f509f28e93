"""What a recovery says of an account's history: when its person got it back, and that what was learned is nobody's."""

from datetime import datetime

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import to_micros
from risk.tables import risk_profiles

_RECOVERED = text(
    "INSERT INTO risk_profiles (person_id, recovered_at, updated_at, version) VALUES (:person, :now, :now, 1)"
    " ON CONFLICT (person_id) DO UPDATE SET recovered_at = excluded.recovered_at, updated_at = excluded.updated_at,"
    " version = risk_profiles.version + 1"
)


async def note_recovery(db: AsyncConnection, person_id: bytes, *, now: datetime) -> None:
    """The person got their account back: a report that it was taken over is answered, and for a week it is watched."""
    await db.execute(_RECOVERED, {"person": person_id, "now": to_micros(now)})


async def forget_history(db: AsyncConnection, person_id: bytes, *, now: datetime) -> None:
    """Forgets what is usual for the person: somebody else has signed in, and nobody can tell which of it was theirs."""
    profile = risk_profiles.c
    forgotten = update(risk_profiles).where(profile.person_id == person_id)
    await db.execute(forgotten.values(sealed=None, updated_at=now, version=profile.version + 1))
