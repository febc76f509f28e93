"""The log as a stream of lines: all of it, in order, and told in the log itself."""

from __future__ import annotations

import msgspec
import pytest

from tests.server.api.service import Service, open_service

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
