"""The three forms: one line each whatever is in the event, escaped as each form demands, personal while not erased."""

from __future__ import annotations

import json
import re
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.catalogue import all_types
from audit.siem.cef import cef_line, escape_head, escape_value
from audit.siem.ecs import categories_of, to_ecs
from audit.siem.forms import FORMS, Form, format_event, format_within
from audit.siem.ocsf_classes import class_of
from tests.audit.siem.made_events import AGENT, HOSTILE, PERSON, assessed_event, full_event, made_event

# What may stand in which: elastic.co's "Categorization using ECS fields", the categories used here.
ECS_TYPES = {
    "authentication": {"start", "end", "info"},
    "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "api": {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
    "intrusion_detection": {"allowed", "denied", "info"},
}
UNSEEN = re.compile(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", sorted(all_types()))
def test_hostile_values_stay_inside_one_line(form: Form, name: str) -> None:
    """S46"""
    event = full_event(all_types()[name], HOSTILE)
    event = made_event(name, data=dict(event.data) | {"x": [HOSTILE]}, personal=event.personal, source=HOSTILE)
    assert not UNSEEN.search(format_event(event, form))
    assert not UNSEEN.search(format_event(assessed_event(all_types()[name], HOSTILE), form))


@pytest.mark.parametrize("form", FORMS)
@given(text=st.text())
def test_any_text_stays_inside_one_line(form: Form, text: str) -> None:
    """S46"""
    event = made_event(data={"reason": text}, personal={"user_agent": text, "label": text, "address": text})
    line = format_event(event, form)
    assert not UNSEEN.search(line)
    assert len(line.decode().splitlines()) == 1


@pytest.mark.parametrize("form", FORMS)
def test_personal_fields_are_told_until_their_person_is_erased(form: Form) -> None:
    """S47"""
    personal = {"address": "203.0.113.9", "user_agent": AGENT, "username": "ada.byron", "label": "Ada's phone"}
    told = format_event(made_event(personal=personal), form)
    erased = format_event(made_event(personal=None), form)
    for value in (b"203.0.113.9", b"Firefox", b"ada.byron", b"Ada's phone"):
        assert value in told
        assert value not in erased
    assert b"erased" in erased


@pytest.mark.parametrize("form", FORMS)
def test_an_event_that_is_too_long_is_cut_in_its_fields_and_says_so(form: Form) -> None:
    event = made_event(data={"before": {"uris": ["u" * 500] * 90}, "after": HOSTILE * 900})
    line = format_within(event, form, 3000)
    assert 500 < len(line) <= 3000
    assert b"runcated" in line
    if form != "cef":
        assert json.loads(line)["message"] == "A sign-in failed."


@pytest.mark.parametrize("form", FORMS)
def test_an_event_that_fits_is_left_whole(form: Form) -> None:
    event = made_event()
    assert format_within(event, form, 4000) == format_event(event, form)
    assert b"runcated" not in format_event(event, form)


def test_cef_escapes_head_and_values_differently() -> None:
    assert escape_head("a|b\\c=d\ne") == "a\\|b\\\\c=d e"
    assert escape_value("a|b\\c=d\r\ne") == "a|b\\\\c\\=d\\r\\ne"
    assert escape_value("x\x1b[31m\u2028é") == "x\\\\u001b[31m\\\\u2028é"


@given(text=st.text())
def test_a_value_of_cef_can_be_read_back_from_its_line(text: str) -> None:
    line = cef_line(made_event(data={"reason": text})).decode()
    unseen = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    shown = [each if each in "\r\n" or category(each) not in unseen else f"\\u{ord(each):04x}" for each in text[:1023]]
    assert read_cef(line).get("reason", "") == "".join(shown)


def read_cef(line: str) -> dict[str, str]:
    """The extension of a line, as a receiver reads it."""
    head = re.match(r"CEF:0(?:\|(?:[^|\\]|\\.)*){6}\|", line)
    assert head is not None
    parts = re.split(r"(?:^| )([A-Za-z0-9]+)=", line[head.end() :])[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    escapes = {"n": "\n", "r": "\r", "\\": "\\", "=": "="}
    return {name: re.sub(r"\\(.)", lambda each: escapes[each[1]], value) for name, value in found.items()}


def test_cef_names_who_what_and_where() -> None:
    line = cef_line(made_event(personal={"address": "2001:db8::7", "user_agent": AGENT})).decode()
    assert line.startswith("CEF:0|Ostiary|Ostiary|")
    assert "|login.failed|A sign-in failed.|6|" in line
    values = read_cef(line)
    assert (values["suid"], values["duid"], values["outcome"]) == ("anonymous", PERSON, "failure")
    assert (values["c6a2Label"], values["c6a2"]) == ("Source IPv6 Address", "2001:db8::7")
    assert (values["reason"], values["cn1"], values["rt"]) == ("wrong_password", "41", "1795377600123")
    assert values["requestClientApplication"] == AGENT


@pytest.mark.parametrize("name", sorted(all_types()))
def test_ecs_categories_and_types_are_those_that_ecs_allows(name: str) -> None:
    category, types = categories_of(*class_of(name))
    assert types == ["error"] if category is None else set(types) <= ECS_TYPES[category]


def test_ecs_names_the_actor_and_whom_the_act_was_about() -> None:
    document = to_ecs(made_event(actor="usr_admin"))
    assert document["user"] == {"id": "usr_admin", "target": {"id": PERSON}}
    assert to_ecs(made_event(actor=PERSON))["user"] == {"id": PERSON}
    tried = to_ecs(made_event(actor="anonymous"))
    assert (tried["user"], tried["related"]) == ({"id": PERSON}, {"user": [PERSON], "ip": ["203.0.113.9"]})
    assert to_ecs(made_event(actor="anonymous", subject=None))["user"] == {"id": "anonymous"}
    assert document["@timestamp"] == "2026-11-22T20:00:00.123456Z"
    assert document["source"] == {"ip": "203.0.113.9", "address": "203.0.113.9"}


def test_ecs_keeps_one_type_for_each_field_of_ours() -> None:
    first = to_ecs(made_event("client.changed", data={"before": {"name": "Orders"}, "after": {"n": 1}}))
    second = to_ecs(made_event("key.changed", data={"before": "next", "after": None}))
    for document in (first, second):
        data = document["ostiary"]["data"]  # type: ignore[index]
        assert {type(value) for value in data.values()} == {str}
