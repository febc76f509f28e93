"""The catalogue: fourteen families, unique names, a sentence each, and an emitter for every entry."""

import re
from pathlib import Path

from audit import catalogue
from audit.catalogue import FAMILIES, Severity, all_types
from audit.record import PLACE, REASONS
from audit.siem.ocsf_classes import find_class

ROOT = Path(__file__).parents[2]
# These read events and emit none.
READERS = ("audit/catalogue.py", "audit/alerts/rules.py", "audit/alerts/advice.py", "audit/reports/sections")
CODE = [
    path
    for room in ("identity", "server", "audit", "risk", "policy")
    for path in (ROOT / room).rglob("*.py")
    if not str(path.relative_to(ROOT)).startswith(READERS)
]


def test_there_are_fourteen_families_and_every_name_is_in_one() -> None:
    assert len(FAMILIES) == 14
    for name, kind in all_types().items():
        assert kind.family in FAMILIES, name
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", name)


def test_no_family_is_empty_and_there_are_forty_types() -> None:
    assert {kind.family for kind in all_types().values()} == FAMILIES
    assert len(all_types()) >= 40


def test_every_event_type_has_a_class_of_ocsf() -> None:
    assert [name for name in all_types() if find_class(name) is None] == []


def test_names_are_given_once_and_sentences_are_sentences() -> None:
    types = [value for value in vars(catalogue).values() if isinstance(value, catalogue.EventType)]
    assert len(types) == len(all_types())
    for kind in types:
        assert kind.severity in Severity
        assert re.fullmatch(r"[A-Z].+\.", kind.sentence), kind.name
        assert not kind.public & kind.personal, kind.name
        # Where place and reasons of an assessed event lie.
        assert not {PLACE, REASONS} & kind.personal, kind.name


def test_every_event_type_has_an_emitter() -> None:
    """S44"""
    sources = "\n".join(path.read_text() for path in CODE)
    names = [name for name, value in vars(catalogue).items() if isinstance(value, catalogue.EventType)]
    without = [name for name in names if not re.search(rf"\b{name}\b(?!\s*,?\s*$)", sources)]
    assert without == []
    imported_only = [name for name in names if len(re.findall(rf"\b{name}\b", sources)) < 2]
    assert imported_only == []
