"""What those who manage the service do in the sign-in machine."""

from __future__ import annotations

from sqlalchemy import update

from identity.accounts import set_person_state
from identity.errors import Refused
from identity.recovery.resets import start_reset
from identity.tables import people
from identity.unlocking import unlock_person
from identity.values import PersonState
from tests.flows.machine_observer import Observer
from tests.flows.machine_world import Scene
from tests.world import ISSUER


class Desk:
    """The administrator of a scene."""

    def __init__(self, scene: Scene, observer: Observer) -> None:
        self.scene, self.world, self.observer, self.facts = scene, scene.world, observer, observer.facts

    async def set_state(self, who: str, state: PersonState) -> None:
        """The account is suspended, disabled, or made active again."""
        human, world = self.facts.people[who], self.world
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, human.person.id, state, now=world.clock(), actor="cli")
        human.state = state
        if state != "active":
            self.facts.end_everything(human, state)

    async def reset(self, who: str, resets: frozenset[str]) -> None:
        """An administrator makes a link that resets password, factors, or both."""
        human, services = self.facts.people[who], self.world.services
        password, factors, now = "password" in resets, "factors" in resets, self.world.clock()
        try:
            async with services.database.transaction() as db:
                url = await start_reset(
                    db, services, human.person.id, password=password, factors=factors, now=now, actor="cli"
                )
        except Refused:
            return
        self.observer.links.add(human, url.removeprefix(ISSUER), "reset", "reset", resets)
        await self.observer.links.read_letters()

    async def end_grace(self, who: str) -> None:
        """Adding a second factor can no longer be put off."""
        human, now = self.facts.people[who], self.world.clock()
        async with self.world.services.database.transaction() as db:
            await db.execute(update(people).where(people.c.id == human.person.id).values(enrol_due_at=now))
        human.due = now

    async def unlock(self, who: str) -> None:
        """An administrator opens every door."""
        human, services = self.facts.people[who], self.world.services
        async with services.database.transaction() as db:
            await unlock_person(db, services, human.person.id, now=self.world.clock(), actor="cli")
        self.facts.open_doors(human)
