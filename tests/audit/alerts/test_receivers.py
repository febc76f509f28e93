"""What each receiver is sent, and what a message says: signatures, Slack's and PagerDuty's forms, and letters."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from ipaddress import ip_network

import msgspec
import pytest
from babel.messages.pofile import read_po

from audit.alerts import slack
from audit.alerts.mail import MailReceiver, MailServer, write
from audit.alerts.messages import Message, compose
from audit.alerts.pagerduty import PagerDuty
from audit.alerts.receivers import DeliveryFailed
from audit.alerts.rules import HIGH_EVENT, TEST
from audit.alerts.signing import parse_secret, signed_headers
from audit.alerts.slack import Slack
from audit.alerts.values import AlertSettings, Limits, Purpose, StoredAlert
from audit.alerts.words import LOCALE, texts
from base.clock import utc_now
from base.mail import Sender, SmtpAddress
from base.outbound import Outbound
from tests.audit.alerts.test_rules import event
from tests.http_receiver import HttpReceiver
from tests.smtp_server import SmtpServer

NOW = utc_now()
EVIL = "<script>alert(1)</script> <!channel> *bold* https://evil.example\r\nBcc: x@example.com \u202e\u2028"


def settings(language: str = "en") -> AlertSettings:
    return AlertSettings(
        limits=Limits(20, 10, 10), quiet=timedelta(minutes=15), escalate_after=timedelta(minutes=5),
        issuer="https://id.example.com", service_name="Example", language=language,
    )  # fmt: skip


def message(
    purpose: Purpose = Purpose.OPENED,
    *,
    language: str = "en",
    name: str = "ada",
    count: int = 1,
    rule: str = HIGH_EVENT.name,
    address: str = "198.51.100.7",
    label: str = "",
) -> Message:
    """A message about a lockout, or another rule's."""
    facts: dict[str, object] = {
        "event": "lockout.started", "actor": "anonymous", "subject": "usr_1", "client": "cli_orders",
        "source": "auth-service", "is_many": False, "first_seq": 41, "last_seq": 41 + count - 1,
    }  # fmt: skip
    alert = StoredAlert(
        id=b"a" * 16, rule=rule, topic="", severity="HIGH", opened_at=NOW, last_at=NOW + timedelta(minutes=count - 1),
        count=count, first_event=b"e" * 16, last_event=b"e" * 16, facts=facts if rule != TEST.name else {},
        acknowledged_at=None, acknowledged_by="cli" if purpose is Purpose.ACKNOWLEDGED else None, escalated_at=None,
    )  # fmt: skip
    newest = event(
        41, "lockout.started", personal={"address": address, "label": label}, data={"scope": "person", "until": 1}
    )
    names = {"usr_1": name, "cli_orders": "Orders"}
    newest = replace(newest, client_id="cli_orders")
    about = newest if rule != TEST.name else None
    return compose(
        alert, about, delivery="d" * 32, purpose=purpose, names=names, settings=settings(language), now=NOW
    )  # fmt: skip


# ---- signatures


def test_a_signature_is_that_of_the_standard() -> None:
    """The example of the standard's own documentation, whose result was published with it."""
    key = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, tz=NOW.tzinfo)
    headers = signed_headers([key], message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=at, body=b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_secrets_change_each_signs() -> None:
    """S40: a receiver that knows either of them believes the message."""
    keys = [b"new" * 10, b"old" * 10]
    headers = signed_headers(keys, message_id="m", at=NOW, body=b"{}")
    signed = f"m.{int(NOW.timestamp())}.".encode() + b"{}"
    made = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    assert headers["webhook-signature"] == f"v1,{made[0]} v1,{made[1]}"
    assert "webhook-signature" not in signed_headers([], message_id="m", at=NOW, body=b"")


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=",
        "whsec_short",
        "whsec_c2hvcnQ=",
        "whsec_" + "A" * 92,
    ],
)
def test_a_secret_that_is_none_is_told_without_repeating_it(secret: str) -> None:
    """S40: at least 24 bytes."""
    with pytest.raises(ValueError, match="openssl rand -base64 32") as fault:
        parse_secret(secret)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(fault.value)


# ---- Slack and PagerDuty


@pytest.mark.anyio
async def test_slack_gets_a_message_in_which_a_strangers_words_are_no_markup() -> None:
    """S49"""
    async with HttpReceiver().running() as receiver:
        await Slack(Outbound(allow=(ip_network("127.0.0.0/8"),)), receiver.url).send(message(name=EVIL))
    [post] = receiver.posts
    text = post.body.decode()
    assert "<script>" not in text
    assert "<!channel>" not in text
    assert "&lt;!channel&gt;" in text
    assert text.count('"verbatim":true') == text.count('"type":"mrkdwn"') > 2
    shown = str(post.document["text"])
    assert shown.startswith("[HIGH] Example: Too many failed attempts")
    blocks = msgspec.json.encode(post.document["blocks"]).decode()
    assert f"ostiary alert ack alr_{(b'a' * 16).hex()}" in blocks
    assert "198.51.100.7" in blocks


def test_slacks_blocks_stay_within_its_limits() -> None:
    document = slack.document_of(message(name="x" * 10_000, address="y" * 10_000))
    blocks = document["blocks"]
    assert isinstance(blocks, list)
    assert len(blocks) <= 50
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks if "text" in block)


@pytest.mark.anyio
async def test_pagerduty_gets_one_incident_an_alert_that_is_acknowledged_and_resolved() -> None:
    async with HttpReceiver(status=202).running() as receiver:
        duty = PagerDuty(Outbound(allow=(ip_network("127.0.0.0/8"),)), receiver.url, "k" * 32)
        for purpose in (Purpose.OPENED, Purpose.ESCALATED, Purpose.ACKNOWLEDGED, Purpose.OVER, Purpose.TEST):
            await duty.send(message(purpose))
    documents = [post.document for post in receiver.posts]
    assert [each["event_action"] for each in documents] == [
        "trigger", "trigger", "acknowledge", "resolve", "trigger", "resolve",
    ]  # fmt: skip
    assert {(each["dedup_key"], each["routing_key"]) for each in documents} == {(f"alr_{(b'a' * 16).hex()}", "k" * 32)}
    payload = documents[0]["payload"]
    assert isinstance(payload, dict)
    assert (payload["severity"], payload["source"], payload["class"]) == (
        "critical", "https://id.example.com", "high_event",
    )  # fmt: skip
    assert payload["summary"] == "Too many failed attempts: an account is locked for a while (ada)"
    assert datetime.fromisoformat(str(payload["timestamp"])) == NOW
    assert "payload" not in documents[2]


# ---- letters


class Words(HTMLParser):
    """What a reader of a letter sees, and which tags it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self._hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self._hidden = tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._hidden:
            self.words.append(data.strip())


def test_a_letter_says_everything_in_both_forms() -> None:
    told = message(count=3)
    letter, seen = write(told), Words(write(told).html)
    assert letter.subject == "[Example HIGH] Too many failed attempts: an account is locked for a while (ada)"
    wanted = [
        "ada (usr_1)", "198.51.100.7", "Orders", "3 times so far", "numbers 41 to 43",
        "Somebody types wrong passwords or codes for this account.",
        f"ostiary alert show {told.alert}", f"ostiary alert ack {told.alert}",
    ]  # fmt: skip
    for words in wanted:
        assert words in " ".join(letter.text.split())
        assert words in " ".join(seen.words)
    assert "https://id.example.com" in letter.text
    assert "High" in seen.words
    # Nothing in it is fetched from anywhere, and nothing runs.
    assert seen.tags <= set("html head meta title style body div b span h1 h2 p table tr th td br".split())
    assert not {name for name, _ in seen.attributes} & {"src", "href", "style", "onclick"}


def test_a_strangers_words_stay_words_in_a_letter() -> None:
    """S46, S49"""
    letter = write(message(name=EVIL, label=EVIL))
    assert "<script>" not in letter.html
    assert "\n" not in letter.subject
    assert "\r" not in letter.subject + letter.text
    assert "\u202e" not in letter.subject + letter.text + letter.html
    assert not any(line.startswith("Bcc") for line in letter.text.splitlines())
    assert max(map(len, letter.subject.split(" ("))) < 200


@pytest.mark.parametrize(
    ("purpose", "beginning", "calls"),
    [
        (Purpose.ESCALATED, "[Example HIGH] Nobody has answered: Too many", True),
        (Purpose.ACKNOWLEDGED, "[Example HIGH] Somebody looks after it: Too many", False),
        (Purpose.OVER, "[Example HIGH] It is over: Too many", False),
    ],
)
def test_a_letter_says_why_it_is_sent(purpose: Purpose, beginning: str, calls: bool) -> None:
    letter = write(message(purpose))
    assert letter.subject.startswith(beginning)
    assert ("What to do now" in letter.text) is calls
    assert ("alert ack" in letter.text) is calls
    assert ("Looked after by: the operator, by command" in letter.text) is (purpose is Purpose.ACKNOWLEDGED)


def test_a_test_is_seen_to_be_one() -> None:
    letter = write(message(Purpose.TEST, rule=TEST.name))
    assert letter.subject == "[Example TEST] This is a test"
    assert "Nothing happened" in letter.text


def test_a_letter_speaks_turkish() -> None:
    letter = write(message(Purpose.ESCALATED, language="tr", count=2))
    assert letter.subject.startswith("[Example HIGH] Kimse yanıt vermedi: ")
    assert "Şimdi ne yapmalı" in letter.text
    assert "şimdiye kadar 2 kez" in letter.text
    for english in ("Account", "Nobody", "How often", "What to do", "times so far"):
        assert english not in letter.text


def test_every_text_is_translated_to_turkish_and_none_is_left_over() -> None:
    with (LOCALE / "tr.po").open("rb") as source:
        catalogue = read_po(source, locale="tr")
    told = {str(each.id): str(each.string) for each in catalogue if each.id}
    assert [list(each.check(catalogue)) for each in catalogue if list(each.check(catalogue))] == []
    assert set(texts()) == set(told)
    assert all(told.values())


@pytest.mark.anyio
async def test_mail_goes_to_its_address_with_both_bodies_and_an_id_that_stays() -> None:
    async with SmtpServer().running() as server:
        address = SmtpAddress("127.0.0.1", server.port, "none")
        receiver = MailReceiver(MailServer(address, Sender("Example", "no-reply@example.com")), "soc@example.com")
        told = message()
        await receiver.send(told)
        await receiver.send(told)
        server.replies["RCPT"] = "550 no such user soc@example.com"
        with pytest.raises(DeliveryFailed) as failed:
            await receiver.send(told)
    assert str(failed.value) == "recipient refused (550)"
    first, second = (arrived.message for arrived in server.arrived)
    assert (first["To"], first["From"]) == ("soc@example.com", "Example <no-reply@example.com>")
    assert first["Subject"].strip().startswith("[Example HIGH] Too many failed attempts")
    assert first["Message-ID"] == second["Message-ID"] == f"<{'d' * 32}@id.example.com>"
    assert first["Auto-Submitted"] == "auto-generated"
    plain, html = first.get_body(("plain",)), first.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "ada (usr_1)" in plain.get_content()
    assert "ada (usr_1)" in html.get_content()
    assert "soc" not in receiver.name
    assert len(receiver.name) <= 32


@pytest.mark.anyio
async def test_a_mail_server_that_is_away_is_told_without_the_letter() -> None:
    receiver = MailReceiver(
        MailServer(SmtpAddress("127.0.0.1", 9, "none"), Sender("Example", "no-reply@example.com")), "soc@example.com"
    )
    with pytest.raises(DeliveryFailed, match="the mail server cannot be used: no connection"):
        await receiver.send(message())
