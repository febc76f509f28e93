"""Whole fleets: two server processes, three services with the SDK, PostgreSQL and Redis; what is revoked is refused.

`OSTIARY_TEST_REVOCATIONS=10000` makes of the quick forms the whole experiment, here and in test_fleet_in_trouble.py;
`-s` shows its figures.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from identity import keys, revocation
from server.composition import key_times
from tests.feed.fleet import Fleet, open_fleet
from tests.feed.histories import figures
from tests.feed.victims import REVOCATIONS, Victim, in_shares, tell

pytestmark = pytest.mark.anyio

AT_ONCE = 50
# Connected: a second. The half more is for a machine that is busy with other tests.
CONNECTED_MS = 1500


@pytest.fixture
async def fleet(postgres_url: Callable[[], str], redis_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with open_fleet(tmp_path, database_url=postgres_url(), redis_url=redis_url) as opened:
        yield opened


async def soon(fleet: Fleet, token: str, *expected: str, within_s: float, sensitivity: str = "ordinary") -> None:
    """Returns when every service says one of those of the token."""
    ends_at = time.monotonic() + within_s
    while True:
        said = [(await service.try_all([token], sensitivity=sensitivity))[0] for service in fleet.services]
        if set(said) <= set(expected):
            return
        assert time.monotonic() < ends_at, said
        await asyncio.sleep(0.05)


async def victim_of(fleet: Fleet, kind: str) -> Victim:
    (victim,) = await fleet.victims.make({kind: 1})
    return victim


async def test_what_is_revoked_is_refused_everywhere_within_a_second(fleet: Fleet) -> None:
    """I2, S18: every kind, each timed from its acknowledgement to its refusal at each of three services."""
    took: list[float | None] = []
    while len(took) < REVOCATIONS * len(fleet.services):
        took += await fleet.measure(await fleet.victims.make(in_shares(AT_ONCE)), within_s=10)
    known = [each for each in took if each is not None]
    assert len(known) == len(took), f"{len(took) - len(known)} of {len(took)} were never refused"
    tell(figures("connected, to the refusal", known))
    assert max(known) < CONNECTED_MS, figures("to the refusal", known)


async def test_everyone_is_out_at_once_and_new_tokens_are_good(fleet: Fleet) -> None:
    """I2: not-before is exact to the second, and what is minted afterwards is above it."""
    old = await fleet.victims.make({"token": 1, "grant": 1})

    async def everyone() -> None:
        async with fleet.world.services.database.transaction() as db:
            now = fleet.world.clock()
            await revocation.revoke_everyone(db, fleet.world.services, why="test", now=now, actor="cli")

    await everyone()
    for each in old:
        await soon(fleet, each.token, "revoked", within_s=3)
    await fleet.world.services.catalogue.refresh()
    fresh = await fleet.world.token(
        fleet.client, grant_type="client_credentials", scope="orders:read", resource="https://api.example.com"
    )
    await soon(fleet, fresh.json()["access_token"], "accepted", within_s=3)


async def test_a_withdrawn_key_is_refused_within_a_second_and_the_next_one_is_known(fleet: Fleet) -> None:
    """S39"""
    old = await victim_of(fleet, "token")
    await soon(fleet, old.token, "accepted", within_s=3)
    services = fleet.world.services
    async with services.database.transaction() as db:
        kid, now = services.keys.signer("ES256").kid, fleet.world.clock()
        times = key_times(services.settings)
        await keys.revoke_key(db, services.sealer, services.emitter, kid, times=times, now=now, actor="cli")
    # The feed says it first; a service that has asked for the keys since then finds that one no more.
    await soon(fleet, old.token, "revoked", "unknown_key", within_s=CONNECTED_MS / 1000)
    await services.keys.refresh(fleet.world.clock())
    new = await victim_of(fleet, "token")
    await soon(fleet, new.token, "accepted", within_s=5)


@pytest.mark.parametrize("name", ["killed", "frozen"])
async def test_a_server_that_dies_or_freezes_keeps_nothing_back(fleet: Fleet, name: str) -> None:
    """I2: the process that numbered the feed is gone in the middle of it; the other one goes on."""
    await soon(fleet, (await victim_of(fleet, "grant")).token, "accepted", within_s=3)
    gone = fleet.servers[0]
    gone.signal(signal.SIGKILL if name == "killed" else signal.SIGSTOP)
    fleet.wire.ports = fleet.wire.ports[1:]
    victims = await fleet.victims.make({"token": 5, "grant": 5, "session": 5})
    try:
        for victim in victims:
            await fleet.victims.revoke(victim)
        for victim in victims:
            # Those that hung on the frozen one must first notice that it says nothing.
            await soon(fleet, victim.token, "revoked", within_s=8)
    finally:
        if name == "frozen":
            gone.signal(signal.SIGCONT)


async def test_the_log_tells_when_a_revocation_was_in_force(fleet: Fleet) -> None:
    await fleet.measure(await fleet.victims.make({"grant": 3}), within_s=10)

    async def told() -> Sequence[dict[str, object]]:
        return await fleet.world.events("token.revocation_in_force")

    await until(told)
    data = (await told())[0]["data"]
    assert isinstance(data, dict)
    assert data["followers"] == 3
    assert 0 <= data["ms"] < 5000


async def until(holds: Callable[[], Awaitable[object]], within_s: float = 15) -> None:
    """Returns when it holds."""
    ends_at = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.1)
