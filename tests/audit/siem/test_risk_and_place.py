"""Score and place in each form: where a SIEM looks for them, and only in the kinds that its fields take."""

import json
from dataclasses import replace

import pytest

from audit.catalogue import LOGIN_SUCCEEDED, RISK_CRITICAL
from audit.siem.cef import cef_line
from audit.siem.ecs import to_ecs
from audit.siem.forms import FORMS, Form, format_event
from audit.siem.ocsf import to_ocsf
from audit.siem.whereabouts import Whereabouts, parse_place
from tests.audit.siem.made_events import AGENT, PERSON, assessed_event, made_event
from tests.audit.siem.test_forms import read_cef
from tests.audit.siem.test_ocsf import faults_of

SIGNED_IN = assessed_event(LOGIN_SUCCEEDED, "Ankara")
REASONS = [{"signal": "Ankara", "log_odds": 1.5, "points": 72, "detail": {"browser": "Ankara"}}]


def test_ocsf_tells_them_of_user_and_endpoint() -> None:
    document = to_ocsf(SIGNED_IN)
    assert document["user"] == {
        "uid": PERSON, "type_id": 1, "type": "User", "risk_score": 72, "risk_level_id": 3, "risk_level": "High",
    }  # fmt: skip
    assert document["src_endpoint"] == {
        "ip": "203.0.113.9",
        "location": {"city": "Ankara", "region": "Ankara", "country": "TR", "lat": 39.92, "long": 32.85},
        "autonomous_system": {"number": 64500, "name": "Ankara"},
    }
    unmapped = document["unmapped"]
    assert isinstance(unmapped, dict)
    assert unmapped["risk_reasons"] == REASONS
    assert (unmapped["risk_score"], unmapped["risk_log_odds"], unmapped["risk_calibration"]) == (72, 2.25, "shipped-1")
    assert unmapped["place"] == SIGNED_IN.place


def test_ocsf_tells_the_score_of_a_finding() -> None:
    document = to_ocsf(replace(assessed_event(RISK_CRITICAL), risk_score=97, risk_level="critical"))
    assert (document["risk_score"], document["risk_level_id"], document["risk_level"]) == (97, 4, "Critical")
    assert (document["class_uid"], document["is_alert"]) == (2004, True)
    assert faults_of(document) == []


def test_ecs_tells_them_in_event_and_source() -> None:
    document = to_ecs(SIGNED_IN)
    event, source, own = document["event"], document["source"], document["ostiary"]
    assert isinstance(event, dict)
    assert isinstance(own, dict)
    assert (event["risk_score"], event["risk_score_norm"]) == (72, 72)
    assert source == {
        "ip": "203.0.113.9",
        "address": "203.0.113.9",
        "geo": {
            "city_name": "Ankara", "region_name": "Ankara", "country_iso_code": "TR",
            "location": {"lat": 39.92, "lon": 32.85},
        },
        "as": {"number": 64500, "organization": {"name": "Ankara"}},
    }  # fmt: skip
    assert json.loads(own["risk_reasons"]) == REASONS
    assert (own["risk_level"], own["risk_log_odds"], own["risk_calibration"]) == ("high", 2.25, "shipped-1")


def test_cef_tells_them_in_custom_fields() -> None:
    values = read_cef(cef_line(SIGNED_IN).decode())
    assert (values["cn2Label"], values["cn2"], values["flexString1Label"]) == ("Risk", "72", "Place")
    assert json.loads(values["flexString1"]) == SIGNED_IN.place
    assert json.loads(values["cs5"])["risk_reasons"] == REASONS


@pytest.mark.parametrize("form", FORMS)
def test_an_event_without_them_says_nothing_of_them(form: Form) -> None:
    """An absent score is never a 0."""
    line = format_event(made_event(), form).lower()
    assert not any(word in line for word in (b"risk", b"place", b"geo", b"location"))


@pytest.mark.parametrize("form", FORMS)
def test_of_an_erased_person_the_score_alone_is_left(form: Form) -> None:
    """S47: so it is read from the log, whose place and reasons lie in the sealed part."""
    line = format_event(replace(SIGNED_IN, data={}, personal=None, place=None, risk_reasons=None), form)
    assert b"72" in line
    assert not any(word in line for word in (b"Ankara", b"64500", AGENT.encode()))


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        (None, {}),
        ("Ankara", {}),
        ({"country": "Turkey", "asn": 2**40, "city": 7}, {}),
        ({"country": "TR", "asn": True, "latitude": 91, "longitude": 0}, {"country": "TR"}),
        ({"latitude": 1}, {}),
        ({"latitude": float("nan"), "longitude": 1.0}, {}),
        ({"latitude": -90, "longitude": 180}, {"latitude": -90.0, "longitude": 180.0}),
        ({"asn": 64500, "network_kind": "mobile"}, {"asn": 64500}),
    ],
)
def test_what_is_of_another_kind_than_its_field_is_left_out(place: object, parts: dict[str, object]) -> None:
    assert parse_place(place) == Whereabouts(**parts)  # type: ignore[arg-type]
    assert faults_of(to_ocsf(replace(SIGNED_IN, place=place))) == []
