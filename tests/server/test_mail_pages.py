"""The demo's letters: read on this machine alone, and inert."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract
from sqlalchemy import select
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

import server.demo
from audit.record import Origin
from base.tables import outbox
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from server.demo.mail_pages import mail_routes
from server.mail_sending import MailSending
from tests.identity.forms import words_of
from tests.identity.mail.letters_read import letters
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

ISSUER = "http://localhost:3201"
HOSTILE = "<img src=x onerror=alert(1)>\"'</pre>"


@pytest.fixture
async def local(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A deployment for this machine alone, whose letters are kept."""
    async with open_world(database_url, tmp_path, issuer=ISSUER) as world:
        settings = replace(world.services.settings, has_mail=True)
        yield replace(world, services=replace(world.services, settings=settings))


def reader(world: World, *, keeps_letters: bool = True, address: str | None = "127.0.0.1") -> httpx2.AsyncClient:
    """A browser at this address, as the edge tells it."""
    app = Router(mail_routes(world.services, keeps_letters=keeps_letters))

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "ostiary.address": address}, receive, send)

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(told), base_url=ISSUER)


async def tell(world: World) -> None:
    person = await world.person()
    async with world.services.database.transaction() as db:
        about = {"method": "totp", "label": HOSTILE}
        await notify(
            db, world.services, person.id, Notice.FACTOR_ADDED, now=world.clock(), origin=Origin(), about=about
        )


async def test_a_letter_that_stayed_here_is_listed_and_shown_with_its_links(local: World) -> None:
    await tell(local)
    await MailSending(local.services, None).send_due()
    [letter] = await letters(local)
    async with reader(local) as browser:
        listed = await browser.get("/demo/mail")
        assert "A way to sign in was added to your account to ada@example.com" in words_of(listed)
        shown = await browser.get(f"/demo/mail/let_{letter.id.hex()}")
    for page in (listed, shown):
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "<img" not in page.text, "foreign words are text"
    assert HOSTILE in words_of(shown)
    assert f'<a href="{letter.link("not_me")}">' in shown.text
    assert letter.text.split() == [word for word in letter.text.split() if word in shown.text or "<" in word]
    async with local.services.database.reading() as db:
        [row] = (await db.execute(select(outbox))).all()
    assert row.sent_at is not None
    assert row.sealed is not None


async def test_the_newest_fifty_are_listed(local: World) -> None:
    person = await local.person()
    async with local.services.database.transaction() as db:
        for number in range(52):
            about = {"method": "totp", "label": f"Phone {number}"}
            at = local.clock() + timedelta(seconds=number)
            await notify(db, local.services, person.id, Notice.FACTOR_ADDED, now=at, origin=Origin(), about=about)
    async with reader(local) as browser:
        page = await browser.get("/demo/mail")
    assert page.text.count("/demo/mail/let_") == 50
    assert "These are the newest 50." in words_of(page)


@pytest.mark.parametrize("address", ["/demo/mail/let_" + "0" * 32, "/demo/mail/let_x", "/demo/mail/" + "0" * 32])
async def test_there_is_nothing_behind_an_address_of_no_letter(local: World, address: str) -> None:
    async with reader(local) as browser:
        page = await browser.get(address)
    assert page.status_code == 404
    assert "There is nothing at this address." in words_of(page)


async def test_nobody_elsewhere_reads_letters(local: World, world: World) -> None:
    """S27: their links open accounts. Not under another name, not on a public issuer, not beside a mail server."""
    await tell(local)
    async with reader(local) as browser:
        for host in ("evil.example", "localhost", "localhost:80", ""):
            assert (await browser.get("/demo/mail", headers={"host": host})).status_code == 404, host
    async with reader(local, keeps_letters=False) as browser:
        assert (await browser.get("/demo/mail")).status_code == 404
    async with reader(world) as browser:
        for host in ("localhost:3201", "id.example.com"):
            assert (await browser.get("/demo/mail", headers={"host": host})).status_code == 404, host


@pytest.mark.parametrize(
    ("address", "status"),
    [("::1", 200), ("::ffff:127.0.0.1", 200), ("127.8.9.1", 200), ("192.0.2.1", 404), ("10.0.0.2", 404), (None, 404)],
)
async def test_another_machine_reads_no_letters_whatever_it_asks_for(
    local: World, address: str | None, status: int
) -> None:
    """S27: where the deployment listens to others, anybody may name this machine as the host."""
    await tell(local)
    [letter] = await letters(local)
    async with reader(local, address=address) as browser:
        for path in ("/demo/mail", f"/demo/mail/let_{letter.id.hex()}"):
            assert (await browser.get(path)).status_code == status, path


async def test_a_letter_that_a_mail_server_took_is_not_listed(local: World) -> None:
    await tell(local)
    async with local.services.database.transaction() as db:
        await db.execute(outbox.update().values(sealed=None, sent_at=local.clock()))
    async with reader(local) as browser:
        assert "There are none yet." in words_of(await browser.get("/demo/mail"))


def test_everything_that_the_demo_says_is_translated_to_turkish() -> None:
    room = Path(str(server.demo.__file__)).parent
    with (room / "locale" / "tr.po").open("rb") as source:
        told = {str(message.id): message for message in read_po(source)}
    said = {"The demo could not go on"}
    for path in sorted((room / "templates").iterdir()):
        with path.open("rb") as source:
            options = {"trimmed": "true", "newstyle_gettext": "true"}
            for _, _, message, _ in babel_extract(source, ("_", "gettext", "ngettext"), (), options):
                said.add(str(message[0] if isinstance(message, tuple) else message))
    assert said == set(told) - {""}
    assert [key for key, message in told.items() if not message.string] == []
    assert [key for key, message in told.items() if list(message.check())] == []
