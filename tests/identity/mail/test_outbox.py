"""The outbox's rows: what is claimed, what waits, and what may go."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from base.tables import outbox
from identity.mail import outbox as letters_out
from identity.mail.letter_values import Fact, LetterKind, Notice
from identity.mail.notices import send_letter
from tests.identity.mail.letters_read import letters
from tests.world import ISSUER, World

pytestmark = pytest.mark.anyio


@pytest.fixture
def mail_world(world: World) -> World:
    settings = replace(world.services.settings, has_mail=True)
    return replace(world, services=replace(world.services, settings=settings))


async def promise(world: World) -> bytes:
    """A letter that expires in an hour; its id."""
    now = world.clock()
    async with world.services.database.transaction() as db:
        facts: dict[str, Fact] = {"link": f"{ISSUER}/verify/olk_x", "expires_at": now + timedelta(hours=1)}
        await send_letter(db, world.services, LetterKind.VERIFY, to="ada@example.com", facts=facts, now=now)
        newest = select(outbox.c.id).order_by(outbox.c.created_at.desc()).limit(1)
        return bytes((await db.execute(newest)).scalar_one())


async def over(world: World) -> int:
    """How many rows housekeeping would remove now."""
    async with world.services.database.transaction() as db:
        return (await db.execute(delete(outbox).where(letters_out.is_over(world.clock())))).rowcount


async def test_a_late_failure_does_not_touch_what_somebody_else_sends_now(mail_world: World) -> None:
    await promise(mail_world)
    services, clock = mail_world.services, mail_world.clock
    async with services.database.transaction() as db:
        slow = await letters_out.claim(db, now=clock())
    clock.move(minutes=3)
    async with services.database.transaction() as db:
        other = await letters_out.claim(db, now=clock())
    assert slow is not None
    assert other is not None
    assert (slow.id, slow.tries, other.tries) == (other.id, 1, 2)
    async with services.database.transaction() as db:
        await letters_out.mark_failed(db, services, slow, "recipient refused (550)", now=clock())
        await letters_out.put_off(db, slow, now=clock())
        assert await letters_out.claim(db, now=clock()) is None
    assert await mail_world.events("admin.mail_failed") == []
    async with services.database.transaction() as db:
        await letters_out.mark_sent(db, [other.id], now=clock())
    assert await letters(mail_world) == []


async def test_a_letter_of_a_newer_version_is_left_to_that_version(mail_world: World) -> None:
    """F12"""
    await promise(mail_world)
    database = mail_world.services.database
    async with database.transaction() as db:
        await db.execute(update(outbox).values(kind="of_tomorrow"))
        assert await letters_out.find_due(db, now=mail_world.clock()) is None
        assert await letters_out.claim(db, now=mail_world.clock()) is None
        assert await letters_out.list_kept(db, mail_world.services.sealer, limit=9) == []


async def test_a_failure_about_somebody_who_is_gone_is_told_without_them(mail_world: World) -> None:
    row_id = await promise(mail_world)
    services, clock = mail_world.services, mail_world.clock
    async with services.database.transaction() as db:
        await db.execute(update(outbox).values(person_id=b"\7" * 16))
        claimed = await letters_out.claim(db, now=clock())
        assert claimed is not None
        assert claimed.id == row_id
        await letters_out.mark_failed(db, services, claimed, "recipient refused (550)", now=clock())
    [event] = await mail_world.events("admin.mail_failed")
    assert event["subject"] == "usr_" + "07" * 16


async def test_rows_go_a_day_after_their_letter(mail_world: World) -> None:
    await promise(mail_world)
    mail_world.clock.move(hours=24)
    assert await over(mail_world) == 0, "expired an hour after it was promised"
    mail_world.clock.move(hours=2)
    assert await over(mail_world) == 1
    sent = await promise(mail_world)
    async with mail_world.services.database.transaction() as db:
        await db.execute(update(outbox).values(expires_at=mail_world.clock() + timedelta(days=9)))
        await letters_out.mark_sent(db, [sent], now=mail_world.clock())
    mail_world.clock.move(hours=23)
    assert await over(mail_world) == 0
    mail_world.clock.move(hours=2)
    assert await over(mail_world) == 1


def test_a_row_knows_every_kind_by_a_name_that_fits() -> None:
    assert max(len(kind) for kind in (*LetterKind, *Notice)) <= 32
    assert not {kind.value for kind in LetterKind} & {kind.value for kind in Notice}
