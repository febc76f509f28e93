"""The log as a stream of lines: all of it, in order, and told in the log itself."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from identity.clients import set_client_disabled
from server.api import audit_export
from tests.server.api.service import Service, check_problem, open_service
from tests.server.api.slow_reader import SlowReader
from tests.world import World

pytestmark = pytest.mark.anyio
EXPORT = "/api/v1/audit/export"


async def test_every_event_is_a_line_oldest_first(service: Service) -> None:
    await service.send(*(service.event(data={"number": number}) for number in range(250)))
    answer = await service.get(EXPORT)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [msgspec.json.decode(line, type=dict[str, object]) for line in answer.content.splitlines()]
    numbers = [each["data"]["number"] for each in lines if each["name"] == "order.refunded"]  # type: ignore[index]
    assert numbers == list(range(250))
    assert len(lines) == int(answer.headers["x-total-count"])
    assert all("personal" not in each for each in lines)
    (told,) = await service.world.events("admin.audit_exported")
    assert (told["actor"], told["data"]) == (service.client_id, {"count": len(lines)})


async def test_personal_fields_need_their_own_scope(service: Service) -> None:
    person = await service.world.person()
    await service.send(service.event(sub=person.sub, address="203.0.113.9", message="line\u2028break\r\n"))
    async with open_service(service.world, "audit:read", "audit:read_personal", name="auditor") as auditor:
        answer = await auditor.get(EXPORT)
    lines = answer.content.split(b"\n")[:-1]
    (found,) = (line for line in lines if b"order.refunded" in line)
    assert msgspec.json.decode(found, type=dict[str, object])["personal"] == {"address": "203.0.113.9"}


async def test_whatever_is_in_it_a_line_stays_a_line(service: Service) -> None:
    """S46"""
    message = "a\u2028b\x9b31m\x7f\u202ec\x85d\U0001f600"
    await service.send(service.event(message=message))
    answer = await service.get(EXPORT)
    assert all(0x20 <= byte < 0x7F for byte in answer.content.replace(b"\n", b""))
    assert len(answer.text.splitlines()) == int(answer.headers["x-total-count"])
    (found,) = (line for line in answer.content.splitlines() if b"order.refunded" in line)
    assert msgspec.json.decode(found, type=dict[str, object])["data"]["message"] == message  # type: ignore[index]


async def test_two_exports_run_at_once_and_no_more_however_they_come(service: Service) -> None:
    """S38"""
    await service.send(*(service.event() for _ in range(150)))
    readers = [SlowReader(service, EXPORT) for _ in range(10)]
    statuses = [await reader.head() for reader in readers]
    assert sorted(statuses) == [200] * 2 + [429] * 8
    check_problem(await service.get(EXPORT), 429, "too many exports")
    first, second = (reader for reader in readers if reader.status == 200)
    await first.hang_up()
    await second.read_all()
    assert (first.is_whole, second.is_whole) == (False, True)
    assert (await service.get(EXPORT)).status_code == 200
    for reader in readers:
        await reader.read_all()


async def test_who_takes_nothing_for_long_makes_room(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """S38"""
    monkeypatch.setattr(audit_export, "_PATIENCE_S", 0.05)
    await service.send(*(service.event() for _ in range(250)))
    readers = [SlowReader(service, EXPORT) for _ in range(2)]
    assert [await reader.head() for reader in readers] == [200, 200]
    await asyncio.gather(*(reader.ended() for reader in readers))
    assert not any(reader.is_whole for reader in readers)
    assert (await service.get(EXPORT)).status_code == 200


async def revoke(service: Service) -> None:
    await service.world.token(service.client, path="/oauth/revoke", token=service.token)


async def disable(service: Service) -> None:
    services = service.world.services
    async with services.database.transaction() as db:
        await set_client_disabled(
            db, services, service.client_id, disabled=True, now=service.world.clock(), actor="cli"
        )  # fmt: skip
    await services.catalogue.refresh()


@pytest.mark.parametrize("end", [revoke, disable])
async def test_an_export_breaks_off_once_its_reader_may_not_read_any_more(service: Service, end: object) -> None:
    """S18"""
    await service.send(*(service.event() for _ in range(450)))
    reader = SlowReader(service, EXPORT)
    assert await reader.head() == 200
    await reader.read_on(1)
    while not reader.body:
        await asyncio.sleep(0)
    await end(service)  # type: ignore[operator]
    await reader.read_all()
    assert not reader.is_whole
    # What was made before the end may still be under way; what comes later is not made.
    assert reader.body.count(b"\n") <= 300
    (told, *_) = await service.world.events("token.refused")
    assert told["data"] == {"error": "invalid_token", "reason": "not a living access token of the server's own API"}


async def test_a_token_that_only_expires_meanwhile_ends_no_export(service: Service) -> None:
    await service.send(*(service.event() for _ in range(450)))
    reader = SlowReader(service, EXPORT)
    assert await reader.head() == 200
    service.world.clock.move(days=1)
    await reader.read_all()
    assert reader.is_whole
    assert reader.body.count(b"\n") > 450


async def test_an_export_that_could_not_begin_keeps_no_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ValueError("it broke")

    async with open_service(world, "audit:read") as service:
        with monkeypatch.context() as patch:
            patch.setattr(audit_export, "begin_export", fail)
            assert {(await service.get(EXPORT)).status_code for _ in range(3)} == {500}
        assert (await service.get(EXPORT)).status_code == 200
