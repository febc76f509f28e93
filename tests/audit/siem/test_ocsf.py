"""OCSF: every document is what the published schema of the stated version demands."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from audit.catalogue import all_types
from audit.siem.ocsf import ocsf_line, to_ocsf
from audit.siem.ocsf_classes import ACTIVITIES, OCSF_VERSION, OTHER, OcsfClass, class_of
from tests.audit.siem.made_events import HOSTILE, PERSON, assessed_event, bare_event, full_event, made_event


@lru_cache(maxsize=1)
def _schemas() -> OcsfJsonSchemaEmbedded:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(OCSF_VERSION))


@lru_cache(maxsize=16)
def _validator(class_uid: int) -> Draft202012Validator:
    name = _schemas().lookup_class_name_from_uid(class_uid)
    return Draft202012Validator(_schemas().get_class_schema(name))


def faults_of(document: dict[str, object]) -> list[str]:
    """What the schema of the document's class finds wrong with it."""
    validator = _validator(int(str(document["class_uid"])))
    return [f"{each.json_path}: {each.message}" for each in validator.iter_errors(document)]


@pytest.mark.parametrize("kind", ACTIVITIES, ids=lambda kind: kind.name)
def test_classes_and_activities_are_those_of_the_schema(kind: OcsfClass) -> None:
    published = next(each for each in get_ocsf_schema(OCSF_VERSION)["classes"].values() if each["uid"] == kind.uid)
    activities = published["attributes"]["activity_id"]["enum"]
    assert published["caption"] == kind.name
    assert {number: activities[str(number)]["caption"] for number in ACTIVITIES[kind]} == dict(ACTIVITIES[kind])


@pytest.mark.parametrize("name", sorted(all_types()))
def test_a_full_and_a_bare_event_are_valid(name: str) -> None:
    kind = all_types()[name]
    assessed = (assessed_event(kind), assessed_event(kind, HOSTILE), replace(assessed_event(kind), personal=None))
    for event in (full_event(kind), bare_event(kind), full_event(kind, HOSTILE), *assessed):
        assert faults_of(json.loads(ocsf_line(event))) == []
    assert faults_of(to_ocsf(full_event(kind), truncated=True)) == []


def test_the_validator_would_find_a_fault() -> None:
    document = to_ocsf(made_event())
    del document["user"]
    assert faults_of(document) == ["$: 'user' is a required property"]
    assert faults_of(to_ocsf(made_event()) | {"colour": "red"}) != []


def test_a_failed_signin_is_told_as_a_failed_logon() -> None:
    document = to_ocsf(made_event())
    assert (document["class_uid"], document["activity_id"], document["type_uid"]) == (3002, 1, 300201)
    assert (document["status"], document["status_detail"]) == ("Failure", "wrong_password")
    assert (document["severity"], document["time"]) == ("Medium", 1795377600123)
    assert document["src_endpoint"] == {"ip": "203.0.113.9"}
    assert document["user"] == {"uid": PERSON, "type_id": 1, "type": "User"}


def test_a_state_decides_between_enabling_disabling_and_deleting() -> None:
    told = {
        after: to_ocsf(made_event("admin.person_state_changed", data={"before": "x", "after": after}))["activity_name"]
        for after in ("active", "suspended", "disabled", "deleted", "odd")
    }
    assert told == {
        "active": "Enable",
        "suspended": "Disable",
        "disabled": "Disable",
        "deleted": "Delete",
        "odd": "admin.person_state_changed",
    }


def test_an_event_of_another_service_that_nobody_knows_is_told_by_its_own_name() -> None:
    event = made_event("orders.shipped", source="order-processing")
    document = to_ocsf(event)
    assert class_of("orders.shipped")[1] == OTHER
    assert (document["activity_name"], document["message"]) == ("orders.shipped", "orders.shipped")
    assert faults_of(document) == []


@pytest.mark.parametrize("address", ["not an address", "999.1.1.1", "fe80::1%eth0", ""])
def test_an_address_that_is_none_does_not_stand_where_one_belongs(address: str) -> None:
    document = to_ocsf(made_event(personal={"address": address}))
    assert faults_of(document) == []
    if address != "fe80::1%eth0":
        assert document["src_endpoint"] == {"svc_name": "auth-service"}
        assert document["unmapped"]["personal"] == {"address": address}  # type: ignore[index]
