"""Letters on their way: sent once, by one of several processes, when the mail server comes back (F14)."""

import asyncio
import logging
import ssl
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from sqlalchemy import select, update

from audit.record import Origin
from base.errors import StorageUnavailable
from base.mail import Sender, SmtpAddress
from base.tables import outbox
from identity.mail import outbox as letters_out
from identity.mail.letter_values import Fact, Letter, LetterKind, Notice
from identity.mail.notices import notify, send_letter
from server.mail_sending import MailSending, MailServer, find_server, make_sending
from server.settings import Settings, load_settings
from tests.identity.mail.letters_read import letters
from tests.smtp_server import SmtpServer
from tests.world import ISSUER, MovableClock, World, open_world

pytestmark = pytest.mark.anyio

SENDER = Sender("Ostiary", "no-reply@example.com")


@pytest.fixture
def mail_world(world: World) -> World:
    """A deployment whose letters leave."""
    return with_mail(world)


def with_mail(world: World) -> World:
    settings = replace(world.services.settings, has_mail=True)
    return replace(world, services=replace(world.services, settings=settings))


def to(server: SmtpServer, **parts: object) -> MailServer:
    """The server as a deployment knows it."""
    address = SmtpAddress("127.0.0.1", server.port, "none")
    return MailServer(replace(address, **parts), SENDER)  # type: ignore[arg-type]


async def ask(world: World, *addresses: str) -> None:
    """Promises a letter to each address."""
    now = world.clock()
    facts: dict[str, Fact] = {"link": f"{ISSUER}/verify/olk_text", "expires_at": now + timedelta(hours=3)}
    async with world.services.database.transaction() as db:
        for address in addresses:
            await send_letter(db, world.services, LetterKind.VERIFY, to=address, facts=facts, now=now)


async def rows(world: World) -> list[tuple[bool, int, bool, bool]]:
    """What the outbox knows: whether there are words, the number of tries, whether sent, whether given up."""
    async with world.services.database.reading() as db:
        found = await db.execute(select(outbox).order_by(outbox.c.id))
        return [
            (row.sealed is not None, row.tries, row.sent_at is not None, row.failed_at is not None) for row in found
        ]


async def failures(world: World) -> list[object]:
    """What the events say of letters that were given up."""
    return [event["data"] for event in await world.events("admin.mail_failed")]


async def test_a_letter_arrives_as_it_was_promised_and_its_words_are_forgotten(mail_world: World) -> None:
    await ask(mail_world, "ada@example.com")
    [promised] = await letters(mail_world)
    async with SmtpServer().running() as server:
        sending = MailSending(mail_world.services, to(server))
        await sending.send_due()
        await sending.send_due()
        [arrived] = server.arrived
        assert server.connections == 1, "no connection without a letter"
    message = arrived.message
    assert (arrived.sender, arrived.to) == ("no-reply@example.com", "ada@example.com")
    assert (message["from"], message["to"]) == ("Ostiary <no-reply@example.com>", "ada@example.com")
    assert message["subject"] == promised.subject == "Is this your mail address?"
    assert message["auto-submitted"] == "auto-generated"
    assert message["message-id"] == f"<{promised.id.hex()}@id.example.com>"
    assert message["content-language"] == "en"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == promised.text.splitlines()
    assert html.get_content().splitlines() == promised.html.splitlines()
    assert await rows(mail_world) == [(False, 1, True, False)]
    assert await failures(mail_world) == []


@pytest.mark.parametrize("count", [1, 12])
async def test_two_processes_that_race_send_each_letter_once(database_url: str, tmp_path: Path, count: int) -> None:
    """F14"""
    clock = MovableClock()
    async with (
        open_world(database_url, tmp_path, clock=clock) as first,
        open_world(database_url, tmp_path, clock=clock) as second,
        SmtpServer(delay_s=0.01).running() as server,
    ):
        worlds = [with_mail(first), with_mail(second)]
        addresses = [f"person{number}@example.com" for number in range(count)]
        await ask(worlds[0], *addresses)
        senders = [MailSending(world.services, to(server)) for world in worlds * 3]
        await asyncio.gather(*(sending.send_due() for sending in senders))
        assert sorted(letter.to for letter in server.arrived) == sorted(addresses)
        assert await rows(worlds[0]) == [(False, 1, True, False)] * count


async def test_a_claimed_letter_is_nobody_elses_until_the_lease_ends(mail_world: World) -> None:
    """A process that dies with a letter in its hands loses nothing."""
    await ask(mail_world, "ada@example.com")
    database, clock = mail_world.services.database, mail_world.clock
    async with database.transaction() as db:
        assert await letters_out.claim(db, now=clock()) is not None
    async with database.transaction() as db:
        assert await letters_out.claim(db, now=clock()) is None
    async with SmtpServer().running() as server:
        after_restart = MailSending(mail_world.services, to(server))
        await after_restart.send_due()
        assert server.arrived == []
        clock.move(seconds=121)
        await after_restart.send_due()
        assert len(server.arrived) == 1
    assert await rows(mail_world) == [(False, 2, True, False)]


async def test_a_letter_that_was_taken_before_the_crash_keeps_its_message_id(mail_world: World) -> None:
    """Whether it arrived nobody can know; the reader's mail server sees one letter."""
    await ask(mail_world, "ada@example.com")
    async with SmtpServer(dies_after_data=True).running() as server:
        await MailSending(mail_world.services, to(server)).send_due()
        server.dies_after_data = False
        mail_world.clock.move(seconds=11)
        await MailSending(mail_world.services, to(server)).send_due()
        first, second = (letter.message for letter in server.arrived)
    assert first["message-id"] == second["message-id"]
    assert first["date"] == second["date"]
    assert await rows(mail_world) == [(False, 2, True, False)]


async def test_a_letter_that_was_taken_while_the_database_was_away_is_not_sent_again(
    mail_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(mail_world, "ada@example.com")

    async def away(*_: object, **__: object) -> None:
        raise StorageUnavailable("away")

    async with SmtpServer().running() as server:
        sending = MailSending(mail_world.services, to(server))
        with monkeypatch.context() as patched:
            patched.setattr(letters_out, "mark_sent", away)
            with pytest.raises(StorageUnavailable):
                await sending.send_due()
        mail_world.clock.move(seconds=121)
        await sending.send_due()
        assert len(server.arrived) == 1
    assert await rows(mail_world) == [(False, 1, True, False)]


async def test_letters_wait_for_a_server_that_is_away_and_leave_once_when_it_is_back(
    mail_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """F14: no try is used up, and the log has two lines for a whole night."""
    caplog.set_level(logging.INFO, "ostiary.mail")
    async with SmtpServer().running() as server:
        port = server.port
    sending = MailSending(mail_world.services, to(server))
    await ask(mail_world, "ada@example.com", "grace@example.com")
    for _ in range(50):
        await sending.send_due()
        mail_world.clock.move(seconds=61)
    assert await rows(mail_world) == [(True, 0, False, False)] * 2
    async with server.running(port):
        await sending.send_due()
        assert sorted(letter.to for letter in server.arrived) == ["ada@example.com", "grace@example.com"]
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"letters wait, and are tried again: the mail server 127.0.0.1:{port} cannot be used:"
        " no connection (ConnectionRefusedError)",
        "the mail server takes letters again",
    ]


async def test_a_server_that_is_away_is_asked_less_and_less_often(mail_world: World) -> None:
    async with SmtpServer(replies={"CONNECT": "421 not now"}).running() as server:
        sending = MailSending(mail_world.services, to(server))
        await ask(mail_world, "ada@example.com")
        for _ in range(600):
            await sending.send_due()
            mail_world.clock.move(seconds=1)
        assert 10 <= server.connections <= 16, server.connections


async def test_a_letter_that_is_not_taken_now_is_tried_again_after_longer_and_longer_waits(mail_world: World) -> None:
    clock = mail_world.clock
    async with SmtpServer(refused={"ada@example.com": "451 later"}).running() as server:
        sending = MailSending(mail_world.services, to(server))
        await ask(mail_world, "ada@example.com", "grace@example.com")
        await sending.send_due()
        assert [letter.to for letter in server.arrived] == ["grace@example.com"], "others go on"
        for tries, wait in enumerate((10, 60, 300, 1800), start=1):
            clock.move(seconds=wait - 1)
            await sending.send_due()
            assert (await tries_of(mail_world, sent=False)) == tries, "too early"
            clock.move(seconds=1)
            await sending.send_due()
            assert (await tries_of(mail_world, sent=False)) == tries + 1
        server.refused.clear()
        clock.move(seconds=7200)
        await sending.send_due()
        assert [letter.to for letter in server.arrived] == ["grace@example.com", "ada@example.com"]
    assert await failures(mail_world) == []


async def tries_of(world: World, *, sent: bool) -> int:
    [tries] = [row[1] for row in await rows(world) if row[2] is sent]
    return tries


async def test_a_letter_whose_link_has_expired_is_given_up_with_an_event(mail_world: World) -> None:
    person = await mail_world.person()
    async with SmtpServer(replies={"MAIL": "451 later"}).running() as server:
        sending = MailSending(mail_world.services, to(server))
        await ask(mail_world, "nobody@example.com")
        await tell(mail_world, person.id)
        await sending.send_due()
        for _ in range(4):
            mail_world.clock.move(hours=1)
            await sending.send_due()
        assert server.arrived == []
    assert sorted((row[0], row[3]) for row in await rows(mail_world)) == [(False, True), (True, False)]
    [told] = await failures(mail_world)
    assert told == {"kind": "verify", "tries": 3, "reason": "expired"}


async def tell(world: World, person_id: bytes) -> None:
    async with world.services.database.transaction() as db:
        await notify(db, world.services, person_id, Notice.NEW_DEVICE, now=world.clock(), origin=Origin())


async def test_a_recipient_that_is_refused_for_good_is_given_up_at_once(mail_world: World) -> None:
    """The event names kind, tries and the server's code, and neither the address nor the link."""
    person = await mail_world.person()
    async with SmtpServer(refused={"ada@example.com": "550 5.1.1 <ada@example.com> unknown"}).running() as server:
        sending = MailSending(mail_world.services, to(server))
        await tell(mail_world, person.id)
        await sending.send_due()
        mail_world.clock.move(hours=1)
        await sending.send_due()
        assert len([command for command in server.commands if command.startswith("RCPT")]) == 1
    assert await rows(mail_world) == [(False, 1, False, True)]
    [event] = await mail_world.events("admin.mail_failed")
    assert event["data"] == {"kind": "new_device", "tries": 1, "reason": "recipient refused (550)"}
    assert (event["severity"], event["outcome"], event["actor"]) == ("MEDIUM", "failure", "system")
    assert event["subject"] == f"usr_{person.id.hex()}"
    assert "example.com" not in str(event)


async def test_a_sender_that_is_refused_is_the_operators_matter_and_costs_no_letter(
    mail_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with SmtpServer(replies={"MAIL": "553 no-reply@example.com is not yours"}).running() as server:
        sending = MailSending(mail_world.services, to(server))
        await ask(mail_world, "ada@example.com")
        await sending.send_due()
        server.replies.clear()
        mail_world.clock.move(seconds=10)
        await sending.send_due()
        assert len(server.arrived) == 1
    assert "sender refused (553)" in caplog.text
    assert "no-reply@" not in caplog.text


async def test_a_letter_under_a_lost_master_key_is_given_up(mail_world: World) -> None:
    await ask(mail_world, "ada@example.com")
    async with mail_world.services.database.transaction() as db:
        await db.execute(update(outbox).values(sealed=b"\1other key and nonsense"))
    async with SmtpServer().running() as server:
        await MailSending(mail_world.services, to(server)).send_due()
        assert server.arrived == []
    [told] = await failures(mail_world)
    assert told == {"kind": "verify", "tries": 1, "reason": "sealed under another master key"}


async def test_a_letter_without_words_is_given_up_and_holds_up_no_other(
    mail_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """F14, F12: such as one in a language that this version does not have."""
    now, services = mail_world.clock(), mail_world.services
    letter = Letter(LetterKind.ALREADY_REGISTERED, "ada@example.com", "xx", {"link": f"{ISSUER}/signin"})
    async with services.database.transaction() as db:
        day = now + timedelta(days=1)
        await letters_out.promise(db, services, letter, person_id=None, expires_at=day, now=now)
    await ask(mail_world, "grace@example.com")
    async with SmtpServer().running() as server:
        await MailSending(services, to(server)).send_due()
        assert [arrived.to for arrived in server.arrived] == ["grace@example.com"]
    [told] = await failures(mail_world)
    assert told == {"kind": "already_registered", "tries": 1, "reason": "cannot be put into words"}
    assert "ada@example.com" not in caplog.text


async def test_a_slow_server_holds_up_nobody_but_itself(mail_world: World) -> None:
    """F14: to promise takes no longer, and a process that stops does not lose the letter that is on its way."""
    async with SmtpServer(delay_s=0.3).running() as server:
        await ask(mail_world, "ada@example.com", "grace@example.com")
        sending = asyncio.create_task(MailSending(mail_world.services, to(server)).send_due())
        while not server.commands:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        await ask(mail_world, "later@example.com")
        assert time.monotonic() - began < 0.3
        while not any(command.startswith("RCPT") for command in server.commands):
            await asyncio.sleep(0.01)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert len(server.arrived) == 1
    assert sorted(row[2] for row in await rows(mail_world)) == [False, False, True]


async def test_a_password_goes_through_encryption_only(mail_world: World) -> None:
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    for server, encryption in ((SmtpServer(starttls=theirs), "starttls"), (SmtpServer(tls=theirs), "tls")):
        server.password = "open sesame"
        await ask(mail_world, "ada@example.com")
        async with server.running():
            known = to(server, encryption=encryption, username="ostiary", password="open sesame")
            await MailSending(mail_world.services, known).send_due()
            assert server.arrived == [], "the certificate is of an authority that nobody told us to believe"
            assert not any(command.startswith("AUTH") for command in server.commands)
            await MailSending(mail_world.services, replace(known, tls=ours)).send_due()
            [arrived] = server.arrived
            assert (arrived.encrypted, arrived.user) == (True, "ostiary")


async def test_without_the_encryption_that_is_demanded_nothing_is_said(
    mail_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await ask(mail_world, "ada@example.com")
    async with SmtpServer(password="open sesame").running() as server:
        known = to(server, encryption="starttls", username="ostiary", password="open sesame")
        await MailSending(mail_world.services, known).send_due()
        assert {command.split()[0] for command in server.commands} <= {"EHLO", "QUIT"}
    assert await rows(mail_world) == [(True, 0, False, False)]
    assert "does not offer what is needed (SMTP STARTTLS extension not supported by server.)" in caplog.text


async def test_a_wrong_password_is_told_without_the_password(
    mail_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await ask(mail_world, "ada@example.com")
    async with SmtpServer(password="open sesame").running() as server:
        known = to(server, username="ostiary", password="canary-of-a-password")
        await MailSending(mail_world.services, known).send_due()
    assert "it refused the user or password (535)" in caplog.text
    assert "canary" not in caplog.text + repr(known)


async def test_the_settings_say_where_letters_go_and_who_they_come_from(world: World) -> None:
    def settings(**parts: str) -> Settings:
        return load_settings(environ={f"OSTIARY_{name.upper()}": value for name, value in parts.items()}).settings

    url = "smtps://ostiary:canary@mail.example.com"
    known = find_server(settings(smtp_url=url, mail__sender="id@example.com", service_name="Example"))
    assert known is not None
    assert (str(known.address), known.sender) == ("mail.example.com:465", Sender("Example", "id@example.com"))
    assert "canary" not in repr(known)
    assert make_sending(settings(demo="off"), world.services) is None, "then no letter is ever promised"
    assert make_sending(settings(demo="on"), world.services) is not None
