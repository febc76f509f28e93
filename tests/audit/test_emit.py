"""Emitting: in the change's own transaction or not at all, under each person's own key (S44)."""

import msgspec
import pytest
from sqlalchemy import delete, select, text, update

from audit.catalogue import LOGIN_SUCCEEDED, PERSON_CREATED, TOKEN_ISSUED
from audit.emit import Born
from audit.ledger.merkle import leaf_hash
from audit.reading import EventReader
from audit.record import INSERT_EVENT, NOBODY, Event, Origin, sealed_aad
from audit.removal.erasure import erase_person
from audit.tables import events, subject_keys
from base.ids import PERSON, show_id
from base.sealing import unseal_under
from base.statements import Unit
from base.within import store
from identity.tables import people
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_transaction_that_fails_leaves_neither_change_nor_event(world: World) -> None:
    """S44"""
    person = await world.person()
    before = await world.events()
    services, now = world.services, world.clock()

    async def fail_after_both() -> None:
        async with services.database.transaction() as db:
            await db.execute(update(people).values(state="disabled"))
            await services.emitter.emit(db, Event(type=LOGIN_SUCCEEDED, actor="usr", person=person.id), now=now)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_both()
    assert await world.events() == before


async def test_people_have_keys_of_their_own_and_machines_share_one(world: World) -> None:
    ada, bob = await world.person("ada"), await world.person("bob")
    async with world.services.database.reading() as db:
        kept = {bytes(row.subject_id): bytes(row.sealed) for row in await db.execute(select(subject_keys))}
    assert set(kept) == {ada.id, bob.id, NOBODY}
    assert len({world.services.sealer.unseal(sealed, aad=b"subject key " + who) for who, sealed in kept.items()}) == 3


async def test_without_their_key_a_persons_fields_are_gone_and_the_body_stays(world: World) -> None:
    """S47"""
    person = await world.person()
    services, now = world.services, world.clock()
    event = Event(type=LOGIN_SUCCEEDED, actor="usr", person=person.id, origin=Origin("203.0.113.9", "Firefox"))
    row = await services.emitter.row(event, now=now)
    await services.database.write(Unit(rows=(row,)))
    async with services.database.transaction() as db:
        stored = (await db.execute(select(events).where(events.c.name == "login.succeeded"))).one()
        await db.execute(delete(subject_keys).where(subject_keys.c.subject_id == person.id))
    assert "203.0.113.9" not in stored.body
    assert b"203.0.113.9" not in bytes(stored.sealed)
    async with services.database.reading() as db:
        assert (await db.execute(select(subject_keys).where(subject_keys.c.subject_id == person.id))).first() is None


async def test_events_are_found_by_keyed_values_of_person_address_and_network(world: World) -> None:
    person = await world.person()
    emitter = world.services.emitter
    for address in ("203.0.113.9", "203.0.113.10", "198.51.100.1"):
        event = Event(type=LOGIN_SUCCEEDED, actor="usr", person=person.id, origin=Origin(address))
        await world.services.database.write(Unit(rows=(await emitter.row(event, now=world.clock()),)))
    async with world.services.database.reading() as db:
        for column, value, count in (
            (events.c.person_index, emitter.index("person", person.id.hex()), 3),
            (events.c.address_index, emitter.index("address", "203.0.113.9"), 1),
            (events.c.network_index, emitter.index("network", "203.0.113.0/24"), 2),
        ):
            found = await db.execute(select(events.c.id).where(column == value, events.c.name == "login.succeeded"))
            assert len(found.all()) == count


async def test_where_the_audit_log_cannot_be_written_nothing_is_issued(world: World) -> None:
    """S44"""
    client = await world.client(name="svc", grants=("client_credentials",), redirect_uris=())
    async with world.services.database.transaction() as db:
        await db.execute(text("ALTER TABLE events RENAME TO events_away"))
    response = await world.token(client, grant_type="client_credentials")
    assert response.status_code in (500, 503)
    assert "access_token" not in response.text


async def test_the_event_of_a_machine_tells_its_address_to_who_holds_the_key(world: World) -> None:
    client = await world.client(name="svc", grants=("client_credentials",), redirect_uris=())
    await world.token(client, grant_type="client_credentials")
    async with world.services.database.reading() as db:
        row = (await db.execute(select(events).where(events.c.name == TOKEN_ISSUED.name))).one()
        kept = (await db.execute(select(subject_keys.c.sealed).where(subject_keys.c.subject_id == NOBODY))).scalar_one()
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = AESGCM(world.services.sealer.unseal(kept, aad=b"subject key " + NOBODY))
    aad = sealed_aad(bytes(row.id), leaf_hash(row.body.encode()))
    opened = msgspec.json.decode(unseal_under(key, bytes(row.sealed), aad))
    assert opened["address"] == "198.51.100.7"


async def test_an_event_about_an_erased_person_is_written_as_about_nobody(world: World) -> None:
    """S47: then what is sealed still opens, and nobody can pass a loss off as an erasure."""
    ada, services, now = await world.person(password=None), world.services, world.clock()
    usr = show_id(PERSON, ada.id)
    async with services.database.transaction() as db:
        await erase_person(db, services.audit, ada.id, now=now, actor="cli")
    origin = Origin("203.0.113.9", "Firefox", "req-7", "shop")
    sign_in = Event(type=LOGIN_SUCCEEDED, actor=usr, subject=usr, person=ada.id, origin=origin)
    # Whom it is about stays, said or not.
    created = Event(type=PERSON_CREATED, actor=usr, person=ada.id, personal={"username": "ada"})
    # The three ways of storing events.
    async with services.database.transaction() as db:
        await services.emitter.emit_all(db, [sign_in, created], now=now)
        await store(db, INSERT_EVENT, await services.emitter.rows_of([Born(bytes(15) + b"7", now, sign_in)]))
    await services.database.write(Unit(rows=(await services.emitter.row(sign_in, now=now),)))
    async with services.database.reading() as db:
        rows = (await db.execute(select(events).where(events.c.actor == usr))).mappings().all()
        opened = await EventReader(services.sealer).open_all(db, rows)
    assert len(rows) == 4
    for row, event in zip(rows, opened, strict=True):
        assert (event.sealed_for, event.personal, event.subject) == (NOBODY, {}, usr)
        assert msgspec.json.decode(event.body)["hidden"] == {}
        assert (row["person_index"], row["address_index"], row["network_index"]) == (None, None, None)
    assert {(event.request_id, event.source) for event in opened if event.name == "login.succeeded"} == {
        ("req-7", "shop")
    }


async def test_people_who_live_keep_their_fields_beside_an_erased_one(world: World) -> None:
    ada, bob = await world.person("ada", password=None), await world.person("bob", password=None)
    services, now = world.services, world.clock()
    async with services.database.transaction() as db:
        await erase_person(db, services.audit, ada.id, now=now, actor="cli")
    told = [
        Event(type=LOGIN_SUCCEEDED, actor="usr", person=who, origin=Origin("203.0.113.9"))
        for who in (ada.id, bob.id, None)
    ]
    async with services.database.transaction() as db:
        await services.emitter.emit_all(db, told, now=now)
    async with services.database.reading() as db:
        query = select(events).where(events.c.name == "login.succeeded").order_by(events.c.id)
        opened = await EventReader(services.sealer).open_all(db, (await db.execute(query)).mappings().all())
    found = {(event.sealed_for, (event.personal or {}).get("address")) for event in opened}
    assert found == {(NOBODY, None), (bob.id, "203.0.113.9"), (NOBODY, "203.0.113.9")}
