"""A person's devices as they see them: what each is, where and when it was seen, and what it stands in for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import DEVICE, show_id
from identity.account.browsers import Browser, parse_label
from identity.country_names import country_name
from identity.device_looks import Looks, open_looks
from identity.services import Services
from identity.tables import devices
from risk.place import Place

MOST = 100


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A device. `name` and `place` are empty where there is none; `until`: it stands in for a second factor so long."""

    id: str
    name: str
    browser: Browser
    place: str
    first_at: datetime
    seen_at: datetime
    until: datetime | None
    is_this: bool


async def list_devices(
    db: AsyncConnection, services: Services, person_id: bytes, *, this: bytes | None, language: str, now: datetime
) -> list[ListedDevice]:
    """This device first, then those seen last; `MOST` at most."""
    query = (
        select(devices)
        .where(devices.c.person_id == person_id, devices.c.revoked_at.is_(None))
        .order_by((devices.c.id == this).desc(), devices.c.last_seen_at.desc(), devices.c.id)
        .limit(MOST)
    )
    found = []
    for row in (await db.execute(query)).all():
        looks = open_looks(services.sealer, bytes(row.id), row.looks)
        is_trusted = row.trusted_until is not None and row.trusted_until > now
        device = ListedDevice(
            id=show_id(DEVICE, row.id),
            name=row.name or "",
            browser=_browser(looks, row.label),
            place=_shown(looks.place, language) if looks else "",
            first_at=row.created_at,
            seen_at=row.last_seen_at,
            until=row.trusted_until if is_trusted else None,
            is_this=row.id == this,
        )
        found.append(device)
    return found


def _browser(looks: Looks | None, label: str) -> Browser:
    """What it was when it was last seen; browsers are updated, and systems with them."""
    if looks is None or looks.browser is None:
        return parse_label(label)
    return parse_label(f"{looks.browser.family} on {looks.browser.system}")


def _shown(place: Place, language: str) -> str:
    country = country_name(place.country, language=language) if place.country else None
    return ", ".join(filter(None, (place.city, country)))
