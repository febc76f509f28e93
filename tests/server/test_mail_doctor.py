"""What `ostiary doctor` finds at the mail server."""

import ssl

import pytest
import trustme

from base.mail import Encryption, Sender, SmtpAddress
from server.doctor_mail import check_mail
from tests.smtp_server import SmtpServer
from tests.world import ISSUER

pytestmark = pytest.mark.anyio

SENDER = Sender("Ostiary", "no-reply@example.com")


async def examined(
    server: SmtpServer,
    encryption: Encryption = "none",
    *,
    trusts: ssl.SSLContext | None = None,
    password: str | None = None,
) -> tuple[bool, str]:
    """Whether the server is found well, and the words, with `it` for its address."""
    async with server.running():
        address = SmtpAddress("127.0.0.1", server.port, encryption, "user" if password else None, password)
        ok, words = await check_mail(address, SENDER, issuer=ISSUER, tls=trusts)
        assert server.arrived == []
        return ok, words.replace(str(address), "it")


async def test_a_server_that_takes_letters_is_found_well_and_sent_none() -> None:
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    found = await examined(SmtpServer(starttls=theirs), "starttls", trusts=ours)
    assert found == (True, "it takes letters from no-reply@example.com, encrypted")
    ok, words = await examined(SmtpServer(starttls=theirs), "starttls")
    assert not ok
    assert "its certificate is not to be trusted (" in words


async def test_a_server_in_the_clear_is_named_so() -> None:
    ok, words = await examined(SmtpServer())
    assert ok
    assert "NOT encrypted" in words


@pytest.mark.parametrize(
    ("server", "encryption", "words"),
    [
        (
            SmtpServer(replies={"CONNECT": "554 go away"}),
            "none",
            "refused the connection (554); check OSTIARY_SMTP_URL",
        ),
        (SmtpServer(replies={"CONNECT": "hello"}), "none", "check OSTIARY_SMTP_URL"),
        (SmtpServer(), "starttls", "does not offer what is needed"),
        (SmtpServer(), "tls", "no encryption could be agreed on"),
        (SmtpServer(password="another"), "none", "refused the user or password (535)"),
        (SmtpServer(replies={"MAIL": "553 no"}), "none", "sender refused (553); check OSTIARY_MAIL__SENDER"),
    ],
)
async def test_what_is_wrong_is_said_with_what_to_check(server: SmtpServer, encryption: Encryption, words: str) -> None:
    ok, found = await examined(server, encryption, password="canary" if server.password else None)
    assert not ok
    assert words in found
    assert "canary" not in found


async def test_a_server_that_is_not_there_is_told_at_once() -> None:
    async with SmtpServer().running() as server:
        address = SmtpAddress("127.0.0.1", server.port, "none")
    assert await check_mail(address, SENDER, issuer=ISSUER) == (
        False,
        f"{address} cannot be used: no connection (ConnectionRefusedError); check OSTIARY_SMTP_URL",
    )
