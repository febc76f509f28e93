"""Events of other services: taken whole or not at all, stored once, always as the sender's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import func, select

from audit.intake.schema import MAX_EVENTS
from audit.intake.taking import event_id_of
from audit.tables import events, intake_batches
from base.ids import EVENT, PERSON, SESSION, show_id
from identity.account.words import FOREIGN
from server.housekeeping import remove_expired
from tests.identity.account.own_pages import at_own_pages
from tests.identity.forms import words_of
from tests.server.api.service import EVENTS, Service, check_problem, open_service
from tests.world import World

pytestmark = pytest.mark.anyio


async def stored(world: World) -> int:
    async with world.services.database.reading() as db:
        query = select(func.count()).select_from(events).where(events.c.source.like("cli_%"))
        count: int = (await db.execute(query)).scalar_one()
        return count


async def test_an_event_is_stored_with_everything_that_was_told(service: Service) -> None:
    world, person = service.world, await service.world.person()
    session = "ses_" + "0a" * 16
    sent = service.event(
        sub=person.sub, actor="order-service", client_id="shop", session=session, address="2001:DB8::1",
        outcome="denied", severity="HIGH", message="Refunded\r\n\x1b[31m 5 €\u2028", data={"order": "A-1", "n": 5},
        personal={"recipient": "Ada Byron"},
    )  # fmt: skip
    answer = await service.send(sent)
    assert (answer.status_code, answer.json()) == (200, {"received": 1, "stored": 1, "repeated": 0})
    async with open_service(world, "audit:read", "audit:read_personal", name="auditor") as auditor:
        (found,) = await auditor.found(name="order.refunded")
    assert found["id"] == show_id(EVENT, event_id_of(service.client_id, str(sent["id"])))
    assert found["at"] == sent["at"]
    assert found["subject"] == show_id(PERSON, person.id)
    assert found["source"] == f"{service.client_id} orders"
    assert found["session"] == session
    assert found["data"] == {"order": "A-1", "n": 5, "message": sent["message"], "sender_id": sent["id"]}
    assert found["personal"] == {"address": "2001:db8::1", "recipient": "Ada Byron"}
    expected = {"actor": "order-service", "client_id": "shop", "outcome": "denied", "severity": "HIGH"}
    assert {name: found[name] for name in expected} == expected


async def test_control_characters_stay_data(service: Service) -> None:
    """S46"""
    message = "a\r\nb\x00\x1b[2J\u2028c"
    await service.send(service.event(message=message, data={"note": message}))
    (body,) = await service.world.events("order.refunded")
    assert body["data"] == {"message": message, "note": message, "sender_id": body["data"]["sender_id"]}  # type: ignore[index]
    async with service.world.services.database.reading() as db:
        (text,) = (await db.execute(select(events.c.body).where(events.c.name == "order.refunded"))).scalars()
    assert not {"\r", "\n", "\x00", "\x1b"} & set(text)


async def test_one_wrong_event_keeps_the_whole_batch_out_and_every_one_is_named(service: Service) -> None:
    batch = [service.event() for _ in range(6)]
    batch[1]["severity"] = "URGENT"
    batch[3] = {"id": "x"}
    batch[4]["at"] = (service.world.clock() - timedelta(days=31)).isoformat()
    batch[5]["source"] = "auth-service"
    problem = check_problem(await service.send(*batch), 422, "nothing of the batch was stored")
    assert isinstance(problem["errors"], list)
    assert [(each["index"], each["field"]) for each in problem["errors"]] == [
        (1, "severity"), (3, "id"), (4, "at"), (5, "source"),
    ]  # fmt: skip
    assert problem["errors"][0]["expected"] == "LOW, MEDIUM or HIGH"
    assert await stored(service.world) == 0
    (told,) = await service.world.events("admin.intake_refused")
    assert (told["outcome"], told["client"]) == ("failure", service.client_id)
    assert told["data"] == {"reason": "wrong events", "refused": 4}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"events": []}', b'{"events": 5}', b"\xff", b"[" * 100_000])
async def test_what_is_no_batch_is_refused(service: Service, body: bytes) -> None:
    answer = await service.http.post(EVENTS, content=body, headers={"content-type": "application/json"})
    check_problem(answer, 400, "expected")
    (told,) = await service.world.events("admin.intake_refused")
    assert told["data"] == {"reason": "no batch"}


async def test_a_batch_of_too_many_is_refused(service: Service) -> None:
    answer = await service.send(*[service.event()] * (MAX_EVENTS + 1))
    check_problem(answer, 400, f"1 to {MAX_EVENTS} events in a batch, got {MAX_EVENTS + 1}")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
async def test_only_json_is_read(service: Service, kind: str) -> None:
    answer = await service.http.post(EVENTS, content=b"{}", headers={"content-type": kind})
    check_problem(answer, 415, "application/json")


async def test_a_compressed_body_is_refused(service: Service) -> None:
    """S38"""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    check_problem(await service.http.post(EVENTS, content=b"{}", headers=headers), 415, "Content-Encoding")


async def test_a_repeated_event_is_stored_once(service: Service) -> None:
    first, second = service.event(), service.event()
    await service.send(first)
    again = await service.send(first, second, second)
    assert again.json() == {"received": 3, "stored": 1, "repeated": 2}
    assert await stored(service.world) == 2


async def test_nobody_shadows_another_services_event(service: Service) -> None:
    event = service.event()
    async with open_service(service.world, "audit:write", name="other") as other:
        assert (await other.send(event | {"message": "not true"})).json()["stored"] == 1
    assert (await service.send(event | {"message": "true"})).json()["stored"] == 1
    bodies = await service.world.events("order.refunded")
    found = {str(each["source"]).partition(" ")[2]: dict(each["data"])["message"] for each in bodies}  # type: ignore[call-overload]
    assert found == {"other": "not true", "orders": "true"}


async def test_the_servers_own_names_can_not_be_taken(service: Service) -> None:
    for name in (
        "login.failed", "admin.person_erased", "lockout.started", "admin.privileges_granted", "policy.rule_dropped",
        "lockout.lifted", "recovery.forced",
    ):  # fmt: skip
        problem = check_problem(await service.send(service.event(name=name)), 422, "nothing")
        assert problem["errors"][0]["field"] == "name"  # type: ignore[index]


@pytest.mark.parametrize("actor", ["system", "cli", "anonymous"])
async def test_nobody_acts_as_the_server_or_its_command_line(service: Service, actor: str) -> None:
    problem = check_problem(await service.send(service.event(actor=actor)), 422, "nothing")
    expected = "1 to 128 visible ASCII characters, and not anonymous, cli or system"
    assert problem["errors"] == [{"index": 0, "field": "actor", "expected": expected}]
    assert await stored(service.world) == 0


async def test_an_unknown_sub_is_kept_as_text_without_a_person(service: Service) -> None:
    await service.send(service.event(sub="somebody-elses-sub"))
    (found,) = await service.found(name="order.refunded")
    assert found["subject"] == "somebody-elses-sub"
    async with service.world.services.database.reading() as db:
        query = select(events.c.person_index).where(events.c.name == "order.refunded")
        assert (await db.execute(query)).scalar_one() is None


async def test_a_public_id_names_a_person_as_their_sub_does(auditor: Service) -> None:
    """S47: so erasing them reaches it"""
    person = await auditor.world.person()
    shown = show_id(PERSON, person.id)
    await auditor.send(auditor.event(sub=shown, personal={"recipient": "Ada Byron"}))
    (found,) = await auditor.found(person=person.sub, name="order.refunded")
    assert (found["subject"], found["personal"]) == (shown, {"recipient": "Ada Byron"})
    async with auditor.world.services.database.reading() as db:
        query = select(events.c.sealed_for).where(events.c.name == "order.refunded")
        assert bytes((await db.execute(query)).scalar_one()) == person.id


@pytest.mark.parametrize("sub", ["usr_" + "0" * 32, "usr_ada", "usr_"])
async def test_a_public_id_of_nobody_is_refused(service: Service, sub: str) -> None:
    problem = check_problem(await service.send(service.event(), service.event(sub=sub)), 422, "nothing of the batch")
    assert problem["errors"] == [
        {"index": 1, "field": "sub", "expected": "1 to 128 visible ASCII characters, and no usr_ id that nobody has"}
    ]
    assert await stored(service.world) == 0
    (told,) = await service.world.events("admin.intake_refused")
    assert told["data"] == {"reason": "wrong events", "refused": 1}


async def test_nothing_personal_is_kept_of_somebody_whom_nobody_knows(auditor: Service) -> None:
    """S47: they may have been erased, and no key would ever be destroyed for them"""
    told = auditor.event(sub="somebody-elses-sub", address="203.0.113.7", personal={"recipient": "Ada Byron"})
    await auditor.send(told, auditor.event(name="order.lost", address="203.0.113.7"))
    (found,) = await auditor.found(name="order.refunded")
    assert (found["subject"], found["personal"]) == ("somebody-elses-sub", {})
    assert [each["name"] for each in await auditor.found(address="203.0.113.7")] == ["order.lost"]


async def test_half_a_character_costs_its_own_event_and_not_the_batch(service: Service) -> None:
    batch = msgspec.json.encode({"events": [service.event(), service.event(message="half"), service.event()]})
    answer = await service.http.post(
        EVENTS, content=batch.replace(b'"half"', b'"\\ud800"'), headers={"content-type": "application/json"}
    )
    problem = check_problem(answer, 422, "1 events are wrong")
    assert problem["errors"] == [
        {"index": 1, "field": "message", "expected": "text of whole characters: a lone surrogate is half of one"}
    ]


async def test_a_sender_whose_bodies_trickle_blocks_nobody_else(service: Service) -> None:
    """S38"""
    ends, waiting = asyncio.Event(), asyncio.Semaphore(0)

    async def trickling() -> AsyncIterator[bytes]:
        yield b"{"
        # It is asked for more: the server holds a place for it.
        waiting.release()
        await ends.wait()

    headers = {"content-type": "application/json"}
    posts = [asyncio.create_task(service.http.post(EVENTS, content=trickling(), headers=headers)) for _ in range(24)]
    try:
        async with asyncio.timeout(20):
            for _ in posts:
                await waiting.acquire()
        check_problem(await service.send(service.event()), 429, "too many batches at once")
        async with open_service(service.world, "audit:write", name="other") as other:
            assert (await other.send(other.event())).status_code == 200
    finally:
        ends.set()
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {400}
    assert (await service.send(service.event())).status_code == 200


async def test_the_same_key_and_bytes_get_the_same_answer(service: Service) -> None:
    batch = [service.event(), service.event()]
    first, second = await service.send(*batch, key="k-1"), await service.send(*batch, key="k-1")
    assert first.json() == second.json() == {"received": 2, "stored": 2, "repeated": 0}
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert await stored(service.world) == 2


async def test_the_same_key_with_another_batch_is_refused(service: Service) -> None:
    await service.send(service.event(), key="k-1")
    problem = check_problem(await service.send(service.event(), key="k-1"), 422, "used with another batch")
    assert problem["errors"][0]["field"] == "Idempotency-Key"  # type: ignore[index]
    assert await stored(service.world) == 1
    (told,) = await service.world.events("admin.intake_refused")
    assert told["data"] == {"reason": "idempotency key of another batch"}
    async with open_service(service.world, "audit:write", name="other") as other:
        assert (await other.send(other.event(), key="k-1")).status_code == 200


@pytest.mark.parametrize("key", ["a b", "x" * 129, "ä".encode().decode("latin-1")])
async def test_a_key_that_is_none_is_refused(service: Service, key: str) -> None:
    headers = {b"idempotency-key": key.encode("latin-1"), b"content-type": b"application/json"}
    check_problem(await service.http.post(EVENTS, content=b"{}", headers=headers), 400, "Idempotency-Key")


async def test_a_batch_posted_twenty_times_at_once_is_stored_once(service: Service) -> None:
    """I1"""
    batch = [service.event() for _ in range(40)]
    answers = await asyncio.gather(*(service.send(*batch, key="race") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.text for answer in answers} == {'{"received":40,"stored":40,"repeated":0}'}
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await stored(service.world) == 40


async def test_events_posted_at_once_without_keys_are_stored_once(service: Service) -> None:
    batch = [service.event() for _ in range(20)]
    answers = await asyncio.gather(*(service.send(*batch[number:], *batch[:number]) for number in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["stored"] for answer in answers) == 20
    assert await stored(service.world) == 20


async def test_who_comes_too_many_at_once_is_asked_to_wait(service: Service) -> None:
    answers = await asyncio.gather(*(service.send(service.event(), key=str(number)) for number in range(60)))
    assert {answer.status_code for answer in answers} <= {200, 429}
    waiting = [answer for answer in answers if answer.status_code == 429]
    assert all(answer.headers["retry-after"] == "1" for answer in waiting)
    assert await stored(service.world) == 60 - len(waiting)


async def test_keys_are_forgotten_after_two_days(service: Service) -> None:
    await service.send(service.event(), key="k-1")
    database = service.world.services.database
    await remove_expired(database, now=service.world.clock() + timedelta(days=1))
    async with database.reading() as db:
        assert (await db.execute(select(func.count()).select_from(intake_batches))).scalar_one() == 1
    await remove_expired(database, now=service.world.clock() + timedelta(days=2, seconds=1))
    async with database.reading() as db:
        assert (await db.execute(select(func.count()).select_from(intake_batches))).scalar_one() == 0


async def test_a_person_sees_what_services_told_of_them(service: Service) -> None:
    """S49: one timeline, and the words of others are only words."""
    world, person = service.world, await service.world.person()
    await service.send(
        service.event(sub=person.sub, actor="usr_" + "0" * 32, message="<b>Refund</b> of 5 €"),
        service.event(sub=person.sub, name="parcel.sent", session=show_id(SESSION, uuid4().bytes)),
    )
    async with at_own_pages(world, person) as own:
        page = await own.get("/activity")
        whole = await own.get("/data")
    assert page.status_code == whole.status_code == 200
    words = words_of(page)
    assert words.count(FOREIGN) == 2
    assert "orders · <b>Refund</b> of 5 €" in words
    assert "orders · parcel.sent" in words
    assert "<b>Refund" not in page.text
    assert "By an administrator" not in words
