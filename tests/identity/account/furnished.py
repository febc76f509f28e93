"""An account in use: factors, codes, remembered browsers, sessions, applications and a past, as real people have."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert, update

from audit.catalogue import LOGIN_FAILED, LOGIN_SUCCEEDED
from audit.record import Event, Origin
from base.ids import PERSON, new_id, show_id
from identity.browser_labels import label_of
from identity.factors.registry import NewFactor, add_factor
from identity.person_values import Person
from identity.tables import backup_codes, consents, credentials, devices, emails
from tests.world import API, World

AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5"
    " Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
)


async def furnish(world: World, person: Person, *, codes_left: int = 3) -> None:
    """Gives the person everything that the pages can show."""
    await _give_factors(world, person, codes_left)
    await _give_past(world, person)
    await _give_apps(world, person)
    async with world.services.database.transaction() as db:
        for address in ("ada.byron@new.example.com", "countess@a-very-long-domain-name-for-a-small-screen.example.com"):
            row = {"id": new_id(world.clock()), "person_id": person.id, "address": address, "address_key": address}
            await db.execute(insert(emails).values(**row, is_primary=False, created_at=world.clock()))


async def _give_factors(world: World, person: Person, codes_left: int) -> None:
    now = world.clock()
    labels = {"totp": "Phone", "passkey": "Laptop in the study", "passkey_bound": "Blue key on the ring"}
    async with world.services.database.transaction() as db:
        for kind, label in labels.items():
            is_passkey = kind != "totp"
            new = NewFactor(
                id=new_id(now),
                kind=kind,
                label=label,
                external_id=kind.encode() + person.id if is_passkey else None,
                backup_eligible=kind == "passkey" if is_passkey else None,
                backup_state=kind == "passkey" if is_passkey else None,
            )
            await add_factor(db, world.services, person.id, new, now=now, origin=Origin())
        set_id = new_id(now)
        row = {"id": set_id, "person_id": person.id, "kind": "backup_codes", "attributes": {"confirmed": True}}
        await db.execute(insert(credentials).values(**row, created_at=now, version=1))
        for number in range(10):
            used = None if number < codes_left else now
            digest = set_id + bytes(15) + bytes([number])
            await db.execute(insert(backup_codes).values(digest=digest, credential_id=set_id, used_at=used))


async def _give_past(world: World, person: Person) -> None:
    actor = show_id(PERSON, person.id)
    for number, agent in enumerate(AGENTS):
        async with world.browser(address=f"203.0.113.{number + 5}") as browser:
            await world.sign_in(browser, person)
        origin = Origin(f"203.0.113.{number + 5}", agent)
        told = [
            Event(
                type=LOGIN_SUCCEEDED, actor=actor, subject=actor, person=person.id, origin=origin,
                data={"methods": ["pwd", "totp"], "new_device": True},
            ),
            Event(
                type=LOGIN_FAILED, actor="anonymous", outcome="failure", subject=actor, person=person.id,
                origin=origin, data={"reason": "wrong_password"},
            ),
        ]  # fmt: skip
        async with world.services.database.transaction() as db:
            await world.services.emitter.emit_all(db, told, now=world.clock() - timedelta(days=2 - number))
    async with world.services.database.transaction() as db:
        later = world.clock() + timedelta(days=20)
        await db.execute(update(devices).values(label=label_of(AGENTS[0]), trusted_until=later))


async def _give_apps(world: World, person: Person) -> None:
    for name in ("Orders", "Holidays and absences"):
        client = await world.client(name=name, first_party=False)
        async with world.services.database.transaction() as db:
            for audience, scope in (("", "openid"), ("", "email"), (API, "orders:read")):
                row = {"person_id": person.id, "client_id": client.client.client_id, "audience": audience}
                await db.execute(insert(consents).values(**row, scope=scope, created_at=world.clock()))
