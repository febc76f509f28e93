"""Mail as values: addresses that cannot be misread, and messages that cannot be broken out of (S46)."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.mail import Mail, Sender, SmtpAddress, build_message, is_mail_address, one_line, parse_sender, parse_smtp_url

AT = datetime(2026, 7, 3, 16, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("smtp://mail.example.com", SmtpAddress("mail.example.com", 587, "starttls")),
        ("smtp://u:p@mail.example.com:2525/", SmtpAddress("mail.example.com", 2525, "starttls", "u", "p")),
        ("smtps://u%40example.com:p%2F%3A%23@mail.example.com",
         SmtpAddress("mail.example.com", 465, "tls", "u@example.com", "p/:#")),
        ("smtp://localhost:25", SmtpAddress("localhost", 25, "none")),
        ("smtp://u:p@127.0.0.1:25", SmtpAddress("127.0.0.1", 25, "none", "u", "p")),
        ("smtp://[::1]:25", SmtpAddress("::1", 25, "none")),
        ("smtps://localhost", SmtpAddress("localhost", 465, "tls")),
        ("smtp://postfix:25?tls=off", SmtpAddress("postfix", 25, "none")),
        ("smtp://[2001:db8::25]", SmtpAddress("2001:db8::25", 587, "starttls")),
    ],
)  # fmt: skip
def test_a_mail_server_has_one_reading(url: str, address: SmtpAddress) -> None:
    assert parse_smtp_url(url) == address


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mail.example.com:25", "expected smtp://user:password@host:587"),
        ("http://mail.example.com", "expected smtp://user:password@host:587"),
        ("smtp://", "expected smtp://user:password@host:587"),
        ("smtp://canary:canary@", "expected smtp://user:password@host:587"),
        ("smtp://mail.example.com:canary", "expected smtp://user:password@host:587"),
        ("smtp://mail.example.com:0", "expected smtp://user:password@host:587"),
        ("smtp://canary:can/ary@mail.example.com", "expected smtp://user:password@host:587"),
        ("smtp://canary@mail.example.com", "user and password go together"),
        ("smtp://u:can%0D%0Aary@mail.example.com", "user and password go together"),
        ("smtp://u:canary@mail.example.com?tls=off", "expected no password where tls=off"),
        ("smtps://u:canary@mail.example.com?tls=off", "expected nothing behind the port"),
        ("smtp://u:canary@mail.example.com?tls=canary", "expected nothing behind the port"),
        ("smtp://[::1", "expected smtp://user:password@host:587"),
        ("smtp://ma il.example.com", "expected smtp://user:password@host:587"),
    ],
)
def test_a_mail_server_that_cannot_be_used_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        parse_smtp_url(url)
    assert "canary" not in str(refused.value)


def test_a_mail_server_shows_no_password() -> None:
    address = parse_smtp_url("smtps://ostiary:canary@mail.example.com")
    assert "canary" not in f"{address} {address!r}"
    assert str(address) == "mail.example.com:465"


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("no-reply@example.com", Sender("", "no-reply@example.com")),
        ("Example <no-reply@example.com>", Sender("Example", "no-reply@example.com")),
        ('"Example, Ltd" <no-reply@example.com>', Sender("Example, Ltd", "no-reply@example.com")),
        ("Örnek <no-reply@example.com>", Sender("Örnek", "no-reply@example.com")),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(text: str, sender: Sender) -> None:
    assert parse_sender(text) == sender


@pytest.mark.parametrize(
    "text", ["", "Example", "a@b@c", "<a@example.com", "a@example.com>", "x <a b@c.d>", "a@example.com\r\nBcc: x@y.z"]
)
def test_a_sender_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an address such as"):
        parse_sender(text)


@pytest.mark.parametrize("text", ["a@b", "a.b+c@example.com", "o'brien@example.com", "x@xn--bcher-kva.example"])
def test_an_address_that_can_be_written_to(text: str) -> None:
    assert is_mail_address(text)


@pytest.mark.parametrize(
    "text",
    ["", "@", "a@", "@b", "a b@c.d", "a@b c", "a@b\n", "a@b>", "ä@b.c", "a@bücher.de", '"a b"@c.d', "a@" + "b" * 260],
)
def test_an_address_that_no_server_would_take(text: str) -> None:
    assert not is_mail_address(text)


def written(**parts: str) -> tuple[bytes, EmailMessage]:
    mail = {"subject": "Hello", "text": "Text\n", "html": "<p>Text</p>", "to": "ada@example.com", "language": "tr"}
    told = {**mail, **parts}
    raw = build_message(
        Mail(
            sender=Sender("Örnek, Ltd", "no-reply@example.com"),
            to=told["to"],
            subject=told["subject"],
            text=told["text"],
            html=told["html"],
            language=told["language"],
            at=AT,
            message_id="0123@id.example.com",
        )
    )
    return raw, message_from_bytes(raw, policy=default)


def test_a_message_says_who_what_when_and_that_a_machine_wrote_it() -> None:
    raw, message = written(subject="Hesabınız – İğne", text="Merhaba Ayşe,\n.\n..\nson\n", html="<p>Ayşe</p>")
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert message["from"].addresses[0].display_name == "Örnek, Ltd"
    assert message["from"].addresses[0].addr_spec == "no-reply@example.com"
    assert message["to"] == "ada@example.com"
    assert message["subject"] == "Hesabınız – İğne"
    assert message["date"].datetime == AT
    assert message["message-id"] == "<0123@id.example.com>"
    assert message["auto-submitted"] == "auto-generated"
    assert message["content-language"] == "tr"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    text, html = (cast(EmailMessage, part) for part in message.iter_parts())
    assert text.get_content().splitlines() == ["Merhaba Ayşe,", ".", "..", "son"]
    assert html.get_content().strip() == "<p>Ayşe</p>"


@pytest.mark.parametrize("to", ["a@b.c\r\nBcc: eve@example.com", "a@b.c,eve@example.com", "<a@b.c>", "Ada <a@b.c>", ""])
def test_a_recipient_is_one_address_and_no_more(to: str) -> None:
    with pytest.raises(ValueError, match=r"the recipient's address cannot be written to"):
        written(to=to)


@given(subject=st.text(), text=st.text())
def test_no_words_break_out_of_their_place(subject: str, text: str) -> None:
    """S46"""
    subject, text = (each.encode(errors="replace").decode() for each in (subject, text))
    _, message = written(subject=subject + "\r\nBcc: eve@example.com", text=text)
    assert message["bcc"] is None
    assert set(message.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
        "MIME-Version", "Content-Type", "Content-Language",
    }  # fmt: skip
    assert len(list(message.iter_parts())) == 2


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line == one_line(line) == line.strip()


def test_one_line_keeps_the_words_apart_and_drops_what_hides() -> None:
    assert one_line(" a\r\nb\u2028c\x1b[31md\u202ee\u200bf\x7f ") == "a b c [31md e f"
