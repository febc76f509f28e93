"""Backup codes: how they look, that each works once, and that only hashes are kept (S26)."""

from __future__ import annotations

import asyncio
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from audit.record import Origin
from base.tables import outbox
from identity.factors import backup_codes
from identity.factors.backup_codes import ALPHABET, find_set, new_code, parse_code
from identity.factors.registry import count_codes_left
from identity.factors.shown_codes import find_shown, keep_shown, wipe_shown
from identity.tables import backup_codes as code_rows
from identity.tables import credentials, single_use
from tests.identity.factors.steps import give_codes
from tests.world import World


def test_a_code_has_64_random_bits_at_least_and_no_letter_that_is_misread() -> None:
    """S26"""
    code = new_code()
    assert re.fullmatch(r"([0-9A-Z]{4}-){3}[0-9A-Z]{4}", code)
    assert len(ALPHABET) == 32
    assert not set("ILOU") & set(ALPHABET)
    assert math.log2(len(ALPHABET)) * len(parse_code(code)) >= 64
    assert len({new_code() for _ in range(500)}) == 500


@given(st.integers(0, 2**80 - 1), st.data())
def test_a_code_is_the_same_however_it_is_typed(number: int, data: st.DataObject) -> None:
    """S16: case, spaces, hyphens, full-width forms, and letters that look like a digit."""
    code = "".join(ALPHABET[(number >> (5 * place)) & 31] for place in range(16))
    looks = {"0": "0oO", "1": "1iIlL"}
    typed = ""
    for char in code:
        forms = looks.get(char, char + char.lower()) + chr(ord(char) + 0xFEE0)
        typed += data.draw(st.sampled_from(forms)) + data.draw(st.sampled_from(["", "", "-", " ", "\u00a0", "–"]))
    assert parse_code(typed) == code


@pytest.mark.parametrize(
    "typed", ["", "ABCD", "7K3M-0QXZ-4T9B-HN2", "7K3M-0QXZ-4T9B-HN2CC", "7K3M_0QXZ_4T9B_HN2C", "é" * 16]
)
def test_other_texts_are_no_code(typed: str) -> None:
    assert parse_code(typed) == ""


async def spend(world: World, person_id: bytes, typed: str) -> int | None:
    async with world.services.database.transaction() as db:
        return await backup_codes.spend_code(db, world.services, person_id, typed, now=world.clock(), origin=Origin())


async def letters(world: World, kind: str) -> int:
    async with world.services.database.reading() as db:
        query = select(func.count()).select_from(outbox).where(outbox.c.kind == kind)
        return (await db.execute(query)).scalar_one()


@pytest.mark.anyio
async def test_ten_codes_work_once_each_and_each_use_is_told(world: World) -> None:
    """S26: an event and a letter for each, one more letter when three are left, and the set goes with the last."""
    person = await world.person()
    codes = await give_codes(world, person)
    assert len(set(codes)) == 10
    for number, code in enumerate(codes, 1):
        assert await spend(world, person.id, code.lower().replace("-", " ")) == 10 - number
        assert await spend(world, person.id, code) is None
        assert await letters(world, "few_backup_codes") == (1 if number >= 7 else 0)
        # So that no limit on letters of one kind is met.
        world.clock.move(minutes=20)
    assert [event["data"] for event in await world.events("backup_code.used")] == [
        {"left": left} for left in range(9, -1, -1)
    ]
    assert await letters(world, "backup_code_used") == 10
    async with world.services.database.reading() as db:
        assert await find_set(db, person.id) is None
        left = select(func.count()).select_from(credentials).where(credentials.c.kind == "backup_codes")
        assert (await db.execute(left)).scalar_one() == 0


@pytest.mark.anyio
async def test_a_code_is_used_once_under_fifty_parallel_attempts(world: World) -> None:
    """S26, I1"""
    person = await world.person()
    codes = await give_codes(world, person)
    found = await asyncio.gather(*(spend(world, person.id, codes[0]) for _ in range(50)))
    assert [left for left in found if left is not None] == [9]
    assert len(await world.events("backup_code.used")) == 1


@pytest.mark.anyio
async def test_different_codes_at_once_are_all_counted(world: World) -> None:
    person = await world.person()
    codes = await give_codes(world, person)
    found = await asyncio.gather(*(spend(world, person.id, code) for code in codes))
    assert sorted(left for left in found if left is not None) == list(range(10))
    async with world.services.database.reading() as db:
        assert await find_set(db, person.id) is None


@pytest.mark.anyio
async def test_a_new_set_kills_the_old_one(world: World) -> None:
    """S26"""
    person = await world.person()
    old = await give_codes(world, person)
    new = await give_codes(world, person)
    assert not set(old) & set(new)
    assert await spend(world, person.id, old[0]) is None
    assert await spend(world, person.id, new[0]) == 9
    async with world.services.database.reading() as db:
        assert await count_codes_left(db, person.id) == 9


@pytest.mark.anyio
async def test_a_code_of_somebody_else_is_worth_nothing(world: World) -> None:
    ada, grace = await world.person(), await world.person("grace")
    hers = await give_codes(world, grace)
    await give_codes(world, ada)
    assert await spend(world, ada.id, hers[0]) is None
    assert await spend(world, grace.id, hers[0]) == 9


@pytest.mark.anyio
async def test_typing_a_code_back_proves_it_was_saved_and_spends_nothing(world: World) -> None:
    """S26"""
    person = await world.person()
    codes = await give_codes(world, person)
    services = world.services

    async def confirm(typed: str) -> bool:
        async with services.database.transaction() as db:
            return await backup_codes.confirm_code(db, services, person.id, typed, now=world.clock(), origin=Origin())

    assert not await confirm("0000-0000-0000-0000")
    async with services.database.reading() as db:
        assert await find_set(db, person.id) == backup_codes.CodeSet(10, False)
    assert await confirm(codes[3].lower())
    async with services.database.reading() as db:
        assert await find_set(db, person.id) == backup_codes.CodeSet(10, True)
    assert len(await world.events("backup_code.confirmed")) == 1
    assert await spend(world, person.id, codes[3]) == 9
    assert not await confirm(codes[3]), "a spent code proves nothing"


@pytest.mark.anyio
async def test_the_database_holds_keyed_hashes_only(world: World) -> None:
    """S26: not even a plain SHA-256 of a code, which could be searched for."""
    import hashlib

    person = await world.person()
    codes = await give_codes(world, person)
    async with world.services.database.transaction() as db:
        await keep_shown(db, world.services, person.id, b"x" * 16, codes, now=world.clock())
        digests = {bytes(digest) for digest in (await db.execute(select(code_rows.c.digest))).scalars()}
        kept = repr((await db.execute(select(single_use))).all())
    assert len(digests) == 10
    for code in codes:
        plain = parse_code(code)
        assert code not in kept
        assert plain not in kept
        for known in (code, plain, code.lower(), f"{person.id.hex()}:{plain}"):
            assert hashlib.sha256(known.encode()).digest() not in digests


@pytest.mark.anyio
async def test_the_plain_set_is_kept_for_one_browser_for_ten_minutes(world: World) -> None:
    person, services = await world.person(), world.services
    codes = await give_codes(world, person)
    async with services.database.transaction() as db:
        await keep_shown(db, services, person.id, b"x" * 16, codes, now=world.clock())
        assert await find_shown(db, services, person.id, b"x" * 16, now=world.clock()) == codes
        assert await find_shown(db, services, person.id, b"y" * 16, now=world.clock()) == ()
    world.clock.move(minutes=10)
    async with services.database.transaction() as db:
        assert await find_shown(db, services, person.id, b"x" * 16, now=world.clock()) == ()
        await keep_shown(db, services, person.id, b"x" * 16, codes, now=world.clock())
        await wipe_shown(db, person.id)
        assert await find_shown(db, services, person.id, b"x" * 16, now=world.clock()) == ()
