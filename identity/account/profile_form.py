"""The profile as a form: which claims a person edits, what is wrong with them, and what changes by it."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import PERSON_CHANGED
from audit.record import Event, Origin
from base.dates import known_zones
from base.forms import Form
from base.ids import PERSON, show_id
from identity.errors import Refused
from identity.profiles import check_profile
from identity.services import Services
from identity.setup_form import Fault
from identity.tables import people

TEXTS = ("name", "given_name", "family_name", "nickname", "birthdate", "phone_number", "website")
FIELDS = (*TEXTS, "locale", "zoneinfo")
_CHOOSE = Fault("Choose one of the list.")


def parse_profile_form(form: Form) -> dict[str, str]:
    """What was typed, empty where nothing was."""
    return {name: form.get(name, "").strip() for name in FIELDS}


def find_faults(
    asked: Mapping[str, str], kept: Mapping[str, object], languages: tuple[str, ...]
) -> dict[str, list[Fault]]:
    """Every fault by field. What is `kept` already is no fault where the person did not touch it."""
    faults: dict[str, list[Fault]] = {}
    for name, value in asked.items():
        if value == kept.get(name, ""):
            continue
        try:
            check_profile({name: value})
        except Refused as refused:
            faults[name] = [Fault(refused.message)]
    choices = {"locale": languages, "zoneinfo": known_zones()}
    for name, choice in choices.items():
        if asked[name] and asked[name] != kept.get(name) and asked[name] not in choice:
            faults[name] = [_CHOOSE]
    return faults


async def change_profile(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    asked: Mapping[str, str],
    *,
    now: datetime,
    actor: str,
    origin: Origin,
) -> tuple[str, ...]:
    """Stores what was asked for, and returns the names of the fields that changed by it.

    Raises Refused for a value that cannot be kept.
    """
    query = select(people.c.profile).where(people.c.id == person_id).with_for_update(key_share=True)
    kept: dict[str, object] = (await db.execute(query)).scalar_one()
    changed = tuple(name for name in FIELDS if name in asked and asked[name] != kept.get(name, ""))
    if not changed:
        return ()
    profile = kept | check_profile({name: asked[name] for name in changed})
    for name in changed:
        if not asked[name]:
            profile.pop(name, None)
    if "phone_number" in changed:
        # Nobody knows whether the new one is theirs.
        profile.pop("phone_number_verified", None)
    stored = update(people).where(people.c.id == person_id)
    await db.execute(stored.values(profile=profile, updated_at=now, version=people.c.version + 1))
    subject = show_id(PERSON, person_id)
    event = Event(
        type=PERSON_CHANGED, actor=actor, subject=subject, person=person_id, origin=origin,
        data={"fields": list(changed)},
    )  # fmt: skip
    await services.emitter.emit(db, event, now=now)
    return changed
