"""Second factors that a test gives a person, as enrolling would."""

from __future__ import annotations

from audit.record import Origin
from base.ids import new_id
from identity.factors.backup_codes import make_codes
from identity.factors.registry import Factor, NewFactor, add_factor, list_factors
from identity.person_values import Person
from tests.world import World


async def give_app(world: World, person: Person, label: str = "My phone") -> bytes:
    """An authenticator app whose codes nobody needs; returns the credential's id."""
    now = world.clock()
    credential_id = new_id(now)
    secret = world.services.sealer.seal(bytes(20), aad=b"tests " + credential_id)
    new = NewFactor(id=credential_id, kind="totp", label=label, sealed=secret)
    async with world.services.database.transaction() as db:
        await add_factor(db, world.services, person.id, new, now=now, origin=Origin())
    return credential_id


async def give_codes(world: World, person: Person) -> tuple[str, ...]:
    """A set of backup codes."""
    async with world.services.database.transaction() as db:
        return await make_codes(db, world.services, person.id, now=world.clock(), origin=Origin())


async def factors_of(world: World, person: Person) -> list[Factor]:
    """The person's apps and passkeys."""
    async with world.services.database.reading() as db:
        return await list_factors(db, person.id)
