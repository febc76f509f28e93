"""The ways in that were added since something happened: whoever got in then may have kept a door open for themselves.

A letter tells of one thing; what its reader disowns is everything that was made from then on, on whatever device.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import MFA_REMOVED
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity.factors.backup_codes import KIND as CODES
from identity.factors.backup_codes import delete_codes
from identity.factors.registry import Factor, list_factors, remove_factor
from identity.links import Link
from identity.mail.letter_values import Notice
from identity.services import Services
from identity.tables import credentials

# The processes of a deployment need not agree to the second.
SKEW = timedelta(seconds=5)
# Whoever used one code may hold the whole sheet.
_ABOUT_CODES = frozenset({Notice.BACKUP_CODE_USED, Notice.FEW_BACKUP_CODES})


@dataclass(frozen=True, slots=True)
class Added:
    """What goes: apps and passkeys, and whether the backup codes do."""

    factors: tuple[Factor, ...] = ()
    has_codes: bool = False


async def find_added(db: AsyncConnection, person_id: bytes, link: Link) -> Added:
    """What somebody added since the event of this not-me link; the codes too where no factor is left beside them."""
    kept = await list_factors(db, person_id)
    named = bytes.fromhex(str(link.payload.get("credential", "")))
    factors = tuple(factor for factor in kept if factor.id == named or _is_since(factor.created_at, link))
    query = select(credentials.c.created_at).where(credentials.c.person_id == person_id, credentials.c.kind == CODES)
    made_at = (await db.execute(query)).scalar_one_or_none()
    if made_at is None:
        return Added(factors)
    goes = _is_since(made_at, link) or link.payload["about"] in _ABOUT_CODES or len(factors) == len(kept)
    return Added(factors, goes)


def _is_since(at: datetime, link: Link) -> bool:
    return link.created_at is None or at >= link.created_at - SKEW


async def remove_added(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    added: Added,
    *,
    why: str,
    now: datetime,
    origin: Origin,
) -> None:
    """Removes it, with an event for each, and a letter for each factor. The caller holds the person's row."""
    if added.has_codes:
        await delete_codes(db, person_id)
        actor, data = show_id(PERSON, person_id), {"method": "backup_code", "why": why}
        event = Event(type=MFA_REMOVED, actor=actor, subject=actor, person=person_id, origin=origin, data=data)
        await services.emitter.emit(db, event, now=now)
    for factor in added.factors:
        await remove_factor(db, services, person_id, factor.id, why=why, now=now, origin=origin)
