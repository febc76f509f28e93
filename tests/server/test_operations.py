"""The operations address, metrics, and what runs beside the server."""

import asyncio
import logging
from datetime import timedelta

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, insert, select, text, update

from base.errors import StorageUnavailable
from identity.catalogue import touch
from identity.keys import add_key
from identity.tables import attempts, grants, lockouts, revoked_tokens, sessions, signing_keys, single_use
from server import background
from server.background import Background
from server.beside import Work
from server.housekeeping import remove_expired
from server.metrics import DEFINITIONS
from server.ops import Operations, resident_bytes
from tests.world import World

pytestmark = pytest.mark.anyio


async def ask(operations: Operations, path: str) -> httpx2.Response:
    """One request to the operations address."""
    transport = httpx2.ASGITransport(operations)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:3291") as caller:
        return await caller.get(path)


@pytest.fixture
def operations(world: World) -> Operations:
    """The operations of a deployment that has started."""
    made = Operations(world.services, world.app.metrics)
    made.started = True
    return made


async def test_a_started_server_is_alive_started_and_ready(operations: Operations) -> None:
    for path in ("/health/live", "/health/startup", "/health/ready"):
        response = await ask(operations, path)
        assert (response.status_code, response.json()["status"]) == (200, "ok"), path
    unknown = await ask(operations, "/health")
    assert (unknown.status_code, unknown.json()["addresses"][0]) == (404, "/health/live")


async def test_before_its_start_and_while_it_stops_it_is_alive_but_not_ready(world: World) -> None:
    """F13"""
    operations = Operations(world.services, world.app.metrics)
    assert (await ask(operations, "/health/live")).status_code == 200
    assert (await ask(operations, "/health/startup")).status_code == 503
    assert (await ask(operations, "/health/ready")).json()["faults"] == {"process": "still starting"}
    operations.started = operations.stopping = True
    assert (await ask(operations, "/health/ready")).json()["faults"] == {"process": "shutting down"}


async def test_a_database_of_another_version_is_not_ready(world: World, operations: Operations) -> None:
    async with world.services.database.transaction() as db:
        await db.execute(text("UPDATE alembic_version SET version_num = 'old'"))
    response = await ask(operations, "/health/ready")
    assert response.status_code == 503
    assert "is at revision old" in response.json()["faults"]["database"]


async def test_without_a_signing_key_it_is_not_ready(world: World, operations: Operations) -> None:
    async with world.services.database.transaction() as db:
        await db.execute(update(signing_keys).where(signing_keys.c.alg == "RS256").values(state="retired"))
        await touch(db, "keys")
    await world.services.keys.poll(world.clock())
    response = await ask(operations, "/health/ready")
    assert (response.status_code, response.json()["faults"]) == (503, {"keys": "no RS256 key signs"})


async def test_the_metrics_are_the_documented_ones_and_prometheus_reads_them(
    world: World, operations: Operations
) -> None:
    async with world.browser() as browser:
        await browser.get("/signin")
        await browser.get("/nothing/here")
    written = (await ask(operations, "/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(written)}
    told = {name.removesuffix("_total") for name in DEFINITIONS}
    assert set(families) == told
    samples = families["ostiary_requests"].samples
    counted = {(sample.labels["route"], sample.labels["status"]): sample.value for sample in samples}
    assert counted == {("/signin", "200"): 1.0, ("unmatched", "404"): 1.0}
    assert {sample.value for sample in families["ostiary_resident_bytes"].samples} != {0.0}
    for name, definition in DEFINITIONS.items():
        assert families[name.removesuffix("_total")].type == definition.kind
        assert definition.sentence.endswith(".")


def test_resident_memory_is_told_in_bytes() -> None:
    assert 20e6 < resident_bytes() < 4e9


async def test_what_another_process_changed_is_noticed_within_a_second(world: World) -> None:
    """S18, S39"""
    services = world.services
    running = Background(services)
    running.start()
    try:
        before = services.keys.jwks
        async with services.database.transaction() as db:
            await add_key(db, services.sealer, services.emitter, "ES256", state="next", now=world.clock(), actor="cli")
        async with asyncio.timeout(1):
            while services.keys.jwks == before:
                await asyncio.sleep(0.02)
    finally:
        await running.stop()


async def test_a_round_that_fails_is_told_once_and_does_not_end_the_rounds(caplog: pytest.LogCaptureFixture) -> None:
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise StorageUnavailable("away")
        if rounds == 4:
            raise ZeroDivisionError

    with caplog.at_level(logging.WARNING, "ostiary.background"):
        task = asyncio.create_task(background._again_and_again(Work("the work", 0.001, work)))
        async with asyncio.timeout(5):
            while rounds < 6:
                await asyncio.sleep(0.001)
        task.cancel()
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


async def count(world: World) -> dict[str, int]:
    """How many rows the tables hold that housekeeping looks at."""
    async with world.services.database.reading() as db:
        return {
            table.name: (await db.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (attempts, single_use, revoked_tokens, sessions, grants)
        }


async def test_housekeeping_leaves_everything_that_a_check_still_looks_at(world: World) -> None:
    person, client = await world.person(), await world.client()
    tokens = await world.tokens(client, person, scope="openid orders:read")
    await world.token(client, path="/oauth/revoke", token=tokens["access_token"])
    before = await count(world)
    assert before["single_use"] == before["sessions"] == before["grants"] == before["revoked_tokens"] == 1
    assert await remove_expired(world.services.database, now=world.clock()) == 0
    assert await count(world) == before


async def test_housekeeping_removes_what_has_long_expired_and_grants_go_before_their_sessions(world: World) -> None:
    """S10: a grant never outlives the session that it hangs on"""
    person, client = await world.person(), await world.client()
    tokens = await world.tokens(client, person, scope="openid orders:read")
    await world.token(client, path="/oauth/revoke", token=tokens["access_token"])
    await world.tokens(client, person, scope="openid offline_access orders:read")
    world.clock.move(days=3)
    await remove_expired(world.services.database, now=world.clock())
    after = await count(world)
    assert (after["attempts"], after["single_use"], after["revoked_tokens"]) == (0, 0, 0)
    assert (after["sessions"], after["grants"]) == (2, 2)
    world.clock.move(days=40)
    await remove_expired(world.services.database, now=world.clock())
    # An offline grant lives on, and the session stays by whose look it is assessed.
    assert {name: number for name, number in (await count(world)).items() if number} == {"sessions": 1, "grants": 1}
    async with world.services.database.reading() as db:
        (left,) = (await db.execute(select(grants))).all()
    assert left.offline
    assert left.session_id is not None
    world.clock.move(days=90)
    await remove_expired(world.services.database, now=world.clock())
    assert set((await count(world)).values()) == {0}


async def test_failure_counters_stay_a_day_and_closed_doors_stay_closed(world: World) -> None:
    """S23"""
    now = world.clock()
    rows = {b"old": (25, None), b"closed": (25, -1), b"opened": (25, 1), b"new": (23, None)}
    async with world.services.database.transaction() as db:
        for key, (hours, opened) in rows.items():
            until = None if opened is None else now - timedelta(hours=opened)
            first_at = now - timedelta(hours=hours)
            await db.execute(insert(lockouts).values(key=key, failures=1, first_at=first_at, until=until))
    await remove_expired(world.services.database, now=now)
    async with world.services.database.reading() as db:
        assert set((await db.execute(select(lockouts.c.key))).scalars()) == {b"closed", b"new"}


async def test_live_sessions_are_counted_with_the_housekeeping(world: World) -> None:
    person = await world.person()
    running = Background(world.services)
    async with world.browser() as browser:
        await world.sign_in(browser, person)
    await running._keep_house()
    assert running.live_sessions == 1
    world.clock.shift += timedelta(hours=1)
    await running._keep_house()
    assert running.live_sessions == 0
