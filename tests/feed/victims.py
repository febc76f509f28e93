"""Tokens of a deployment, each with what will make it worthless."""

import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import new_id
from identity import revocation
from identity.accounts import set_person_state
from identity.grant_store import find_grant
from identity.oauth.person_tokens import mint_for_grant
from identity.tables import grants
from identity.tokens import AccessToken, mint_access_token
from tests.world import API, CreatedClient, World

ACTOR = "cli"
REVOCATIONS = int(os.environ.get("OSTIARY_TEST_REVOCATIONS", "100"))
SHARES = {"token": 0.4, "grant": 0.2, "session": 0.14, "person": 0.1, "suspended": 0.06, "client": 0.1}

Revoke = Callable[[AsyncConnection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Victim:
    """A token, and what will make it worthless."""

    kind: str
    token: str
    revoke: Revoke = field(repr=False)


def tell(words: str) -> None:
    """Shows figures to whoever runs an experiment (`-s`)."""
    sys.stdout.write(f"\n{words}\n")
    sys.stdout.flush()


def in_shares(amount: int) -> dict[str, int]:
    """So many of all kinds together, in turns that mix them as `SHARES` says; at least one of each."""
    amounts = {kind: max(1, int(share * amount)) for kind, share in SHARES.items()}
    amounts["token"] += amount - sum(amounts.values())
    return amounts


@dataclass
class Victims:
    """Makes them, and revokes them."""

    world: World
    client: CreatedClient
    _numbers: "count[int]" = field(default_factory=count)

    async def make(self, amounts: dict[str, int]) -> list[Victim]:
        """So many tokens of each kind, all good, the kinds mixed."""
        makers = {
            "token": self._of_itself,
            "grant": self._of_grant,
            "session": self._of_session,
            "person": self._of_person,
            "suspended": self._of_suspended,
            "client": self._of_client,
        }
        made = [(place / amount, kind) for kind, amount in amounts.items() for place in range(amount)]
        return [await makers[kind]() for _, kind in sorted(made)]

    async def revoke(self, victim: Victim) -> int:
        """Revokes and returns the moment of the acknowledgement, in nanoseconds of the machine's monotonic clock."""
        async with self.world.services.database.transaction() as db:
            await victim.revoke(db)
        return time.monotonic_ns()

    async def revoke_all(self, victims: Iterable[Victim]) -> list[int]:
        """One after the other; the moment of each acknowledgement."""
        return [await self.revoke(victim) for victim in victims]

    async def _of_itself(self) -> Victim:
        client_id = self.client.client.client_id
        minted = self._mint_for(client_id)
        expires_at = self.world.clock() + self.world.services.settings.access_token_ttl

        async def revoke(db: AsyncConnection) -> None:
            await revocation.revoke_token(
                db,
                self.world.services,
                minted[1],
                expires_at=expires_at,
                client_id=client_id,
                now=self.world.clock(),
            )

        return Victim("token", minted[0], revoke)

    async def _of_client(self) -> Victim:
        client_id = (await self.world.client(name=f"victim {next(self._numbers)}")).client.client_id
        revoke = partial(revocation.revoke_client, client_id=client_id)
        return Victim("client", self._mint_for(client_id)[0], self._now(revoke))

    async def _of_grant(self) -> Victim:
        _, _, grant_id, token = await self._signed_in()
        return Victim("grant", token, self._now(partial(revocation.end_grant, grant_id=grant_id)))

    async def _of_session(self) -> Victim:
        _, session_id, _, token = await self._signed_in()
        return Victim("session", token, self._now(partial(revocation.end_session, session_id=session_id)))

    async def _of_person(self) -> Victim:
        person_id, _, _, token = await self._signed_in()
        return Victim("person", token, self._now(partial(revocation.revoke_person, person_id=person_id)))

    async def _of_suspended(self) -> Victim:
        person_id, _, _, token = await self._signed_in()

        async def suspend(db: AsyncConnection) -> None:
            now = self.world.clock()
            await set_person_state(db, self.world.services, person_id, "suspended", now=now, actor=ACTOR)

        return Victim("suspended", token, suspend)

    def _now(self, revoke: Callable[..., Awaitable[None]]) -> Revoke:
        async def carry_out(db: AsyncConnection) -> None:
            await revoke(db, self.world.services, why="test", now=self.world.clock(), actor=ACTOR)

        return carry_out

    def _mint_for(self, client_id: str) -> tuple[str, str]:
        services = self.world.services
        told = AccessToken(services.settings.issuer, client_id, API, client_id, "orders:read")
        signer, ttl = services.keys.signer("ES256"), services.settings.access_token_ttl
        minted = mint_access_token(signer, told, issued_at=self.world.clock(), ttl=ttl)
        return minted.text, minted.jti

    async def _signed_in(self) -> tuple[bytes, bytes, bytes, str]:
        """A person, their session, a grant in it, and the grant's access token."""
        services, now = self.world.services, self.world.clock()
        person = await self.world.person(f"victim{next(self._numbers)}", password=None)
        async with self.world.browser() as browser:
            session_id = await self.world.sign_in(browser, person)
        values = {
            "id": new_id(now),
            "person_id": person.id,
            "client_id": self.client.client.client_id,
            "session_id": session_id,
            "offline": False,
            "scope": "orders:read",
            "audience": API,
            "claims": {"amr": ["pwd"]},
            "auth_time": now,
            "created_at": now,
        }
        async with services.database.transaction() as db:
            await db.execute(grants.insert().values(values))
        grant = await find_grant(services.database, cast(bytes, values["id"]), now=now)
        assert grant is not None
        _, body = await mint_for_grant(
            services, self.client.client, grant, scope="orders:read", nonce=None, now=self.world.clock()
        )
        return person.id, session_id, grant.id, str(body["access_token"])
