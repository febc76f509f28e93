"""A score is public; where somebody was and why they were scored so is for whoever may read what is personal."""

from __future__ import annotations

import pytest

from tests.audit.assessed import PLACE, REASONS, assessed
from tests.server.api.service import EVENTS, Service

pytestmark = pytest.mark.anyio
EXPORT = "/api/v1/audit/export"


async def answers(service: Service) -> list[str]:
    """An assessed sign-in as it is searched for, shown and exported."""
    person = await service.world.person()
    async with service.world.services.database.transaction() as db:
        await service.world.services.emitter.emit(db, assessed(person.id), now=service.world.clock())
    page = await service.get(EVENTS, risk_min=72, risk_max=72)
    (found,) = page.json()["events"]
    assert (found["risk_score"], found["risk_level"], found["risk_calibration"]) == (72, "high", "shipped-1")
    shown = await service.get(f"{EVENTS}/{found['id']}")
    exported = await service.get(EXPORT)
    (line,) = [line for line in exported.text.splitlines() if '"name":"login.succeeded"' in line]
    return [page.text, shown.text, line]


async def test_without_the_scope_for_personal_fields_place_and_reasons_are_left_out(service: Service) -> None:
    """S47"""
    for told in await answers(service):
        assert not any(word in told for word in ("Ankara", "64500", "device.new", "Lynx", "203.0.113.9"))
        # Their digests stand in a body, which everybody may check.
        assert '"place":' not in told.replace('\\"', "'")
        assert '"risk_reasons":' not in told.replace('\\"', "'")


async def test_with_it_they_are_there(auditor: Service) -> None:
    for told in await answers(auditor):
        assert all(word in told for word in ("Ankara", "64500", "device.new", "203.0.113.9"))
    (event,) = (await auditor.get(EVENTS, risk_min=1)).json()["events"]
    assert (event["place"], event["risk_reasons"]) == (PLACE, list(REASONS))
