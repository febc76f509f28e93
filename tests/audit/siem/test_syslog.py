"""Syslog: the grammar of RFC 5424 §6, lengths, priorities, and the frames of RFC 5425."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.siem.syslog import MAX_MESSAGE_BYTES, frame, name, structured, syslog_message
from audit.siem.syslog_target import SyslogTarget, parse_syslog_url
from tests.audit.siem.made_events import HOSTILE, made_event

GRAMMAR = re.compile(
    rb"<(?P<priority>\d{1,3})>1 "
    rb"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128}) (?P<id>[!-~]{1,32}) "
    rb'(?P<data>(?:\[[!-~]+(?: [!-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\])+) '
    rb"(?P<text>.*)",
    re.DOTALL,
)


def test_a_message_has_the_grammar_of_syslog() -> None:
    message = syslog_message(made_event(), "ocsf", hostname="id.example.com")
    read = GRAMMAR.fullmatch(message)
    assert read is not None
    assert (read["at"], read["host"], read["app"]) == (b"2026-11-22T20:00:00.123456Z", b"id.example.com", b"ostiary")
    assert (read["process"], read["id"]) == (b"-", b"login.failed")
    assert read["data"].startswith(b'[meta sequenceId="42"][origin software="ostiary" swVersion="')
    assert json.loads(read["text"])["metadata"]["event_code"] == "login.failed"


@pytest.mark.parametrize(("severity", "priority"), [("LOW", 110), ("MEDIUM", 108), ("HIGH", 105), ("odd", 109)])
def test_the_priority_is_that_of_the_audit_facility_and_the_severity(severity: str, priority: int) -> None:
    message = syslog_message(made_event(severity=severity), "cef", hostname="id.example.com")
    assert message.startswith(f"<{priority}>1 ".encode())


def test_only_text_beyond_ascii_is_marked_as_utf_8() -> None:
    plain = syslog_message(made_event(), "cef", hostname="h")
    beyond = syslog_message(made_event(data={"reason": "yanlış parola"}), "cef", hostname="h")
    assert b"\xef\xbb\xbf" not in plain
    assert b" \xef\xbb\xbfCEF:0|" in beyond
    assert "reason=yanlış parola" in beyond.decode()
    # JSON is written in ASCII, so that it never needs the mark.
    assert syslog_message(made_event(data={"reason": "yanlış"}), "ocsf", hostname="h").isascii()


def test_quotes_backslashes_and_brackets_are_escaped_in_structured_data() -> None:
    assert structured("x@1", {"a": 'b"c\\d]e'}) == '[x@1 a="b\\"c\\\\d\\]e"]'


@given(text=st.text())
def test_a_name_in_the_head_is_never_empty_and_has_no_space(text: str) -> None:
    assert re.fullmatch(r"[!-~]{1,32}", name(text, 32))


@pytest.mark.parametrize("form", ["ocsf", "ecs", "cef"])
def test_a_message_never_grows_beyond_what_receivers_take(form: str) -> None:
    event = made_event(data={"before": HOSTILE * 5000, "after": ["x" * 300] * 300})
    message = syslog_message(event, form, hostname="id.example.com")  # type: ignore[arg-type]
    assert 1000 < len(message) <= MAX_MESSAGE_BYTES
    read = GRAMMAR.fullmatch(message)
    assert read is not None
    if form == "ocsf":
        assert json.loads(read["text"])["metadata"]["is_truncated"] is True


def test_numbers_of_events_begin_anew_beyond_31_bits() -> None:
    assert b'sequenceId="2147483647"' in syslog_message(made_event(seq=2**31 - 2), "cef", hostname="h")
    assert b'sequenceId="1"' in syslog_message(made_event(seq=2**31 - 1), "cef", hostname="h")


def test_a_frame_tells_the_length_in_octets() -> None:
    assert frame("é\n".encode()) == b"3 \xc3\xa9\n"


def test_a_receiver_is_named_by_a_tls_address() -> None:
    assert parse_syslog_url("tls://siem.example.com:6514") == SyslogTarget("siem.example.com", 6514)
    assert parse_syslog_url("tls://siem") == SyslogTarget("siem", 6514)
    assert parse_syslog_url("tls://[2001:db8::1]:7000") == SyslogTarget("2001:db8::1", 7000)
    assert str(parse_syslog_url("tls://[2001:db8::1]:7000")) == "[2001:db8::1]:7000"


@pytest.mark.parametrize(
    "text",
    ["", "siem:6514", "tcp://siem:6514", "udp://siem", "https://siem", "tls://", "tls://siem:0", "tls://siem:99999",
     "tls://siem:port", "tls://siem/path", "tls://siem?x=1", "tls://siem#x", "tls://user@siem", "tls://a b", "tls://[::1"],
)  # fmt: skip
def test_anything_else_names_no_receiver(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected tls://host:6514"):
        parse_syslog_url(text)
