"""A person at their own pages, in a browser without scripts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from audit.record import Origin
from base.ids import new_id
from identity.factors.registry import NewFactor, add_factor
from identity.person_values import Person
from tests.identity.forms import SAME_ORIGIN
from tests.world import World

COOKIE = "__Host-ostiary_session"
ORIGIN = Origin(address="198.51.100.7", user_agent="tests")


@dataclass
class Own:
    """A browser in which a person is signed in."""

    world: World
    person: Person
    browser: httpx2.AsyncClient
    session_id: bytes

    async def get(self, path: str = "") -> httpx2.Response:
        """A page under `/account`."""
        return await self.browser.get(f"/account{path}")

    async def token(self, path: str = "") -> str:
        """The form token of a page."""
        page = await self.get(path)
        assert page.status_code == 200, page.text
        # The first one is of the form that signs out.
        tokens: list[str] = re.findall(r'name="form_token" value="([^"]+)"', page.text)
        return tokens[-1]

    async def send(self, path: str = "", *, to: str | None = None, **fields: str) -> httpx2.Response:
        """The answer to a form of the page at `path`, sent there or `to` somewhere else."""
        fields = {"form_token": await self.token(path), **fields}
        return await self.browser.post(f"/account{path if to is None else to}", data=fields, headers=SAME_ORIGIN)

    async def is_in(self) -> bool:
        """Whether the session still opens the person's pages."""
        return (await self.get("/sessions")).status_code == 200


@asynccontextmanager
async def at_own_pages(
    world: World, person: Person | None = None, *, methods: tuple[str, ...] = ("pwd",)
) -> AsyncIterator[Own]:
    """The person (ada, where none is given) in a browser of their own."""
    person = person or await world.person()
    async with world.browser() as browser:
        yield Own(world, person, browser, await world.sign_in(browser, person, methods=methods))


async def give_factor(world: World, person: Person, *, label: str = "Phone", kind: str = "totp") -> bytes:
    """Gives the person a second factor; returns its id."""
    now = world.clock()
    new = NewFactor(id=new_id(now), kind=kind, label=label, sealed=b"sealed-canary", external_id=None)
    async with world.services.database.transaction() as db:
        await add_factor(db, world.services, person.id, new, now=now, origin=ORIGIN)
    return new.id


def said(response: httpx2.Response) -> str:
    """Where a form led to."""
    assert response.status_code == 303, response.text
    location: str = response.headers["location"]
    return location
