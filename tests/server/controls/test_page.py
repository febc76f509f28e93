"""The controls page: every control with its query and a failing example, in both languages, and honest."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path

import pytest

import server.controls
from audit.reports.model import Period, Report, encode_report
from server import report_kinds
from server.controls import catalogue
from server.controls.checks import Check
from server.controls.frameworks import FRAMEWORKS, Framework
from server.report_kinds import compose_controls, controls_sections
from tests.audit.removal.old_events import sign
from tests.audit.reports.test_words import translated
from tests.docs.tables import commands
from tests.server.controls.asked import settings_of
from tests.world import World

ROOM = Path(str(server.controls.__file__)).parent
CHECKS = [value for value in vars(catalogue).values() if isinstance(value, Check)]


async def page_of(world: World, framework: str, *, language: str = "en") -> Report:
    settings = settings_of(issuer="https://id.example.com")
    sections = await controls_sections(world.services, settings, framework)
    now = world.clock()
    period = Period(now - timedelta(days=90), now)
    return await compose_controls(
        world.services, sections, framework, period, language=language, made_by="cli", now=now
    )


@pytest.mark.anyio
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_each_control_names_its_queries_and_shows_a_failing_example(world: World, framework: str) -> None:
    await world.person("ada", admin=True)
    await sign(world)
    report = await page_of(world, framework)
    controls = FRAMEWORKS[framework].controls
    assert [each.key for each in report.sections] == [
        "overview", *(each.number.lower().replace(".", "-") for each in controls), "outside",
    ]  # fmt: skip
    for control, section in zip(controls, report.sections[1:-1], strict=True):
        (table,) = section.tables
        assert [row[1] for row in table.rows] == [check.name for check in control.checks]
        code = [each.text for each in section.passages if each.is_code]
        for check in control.checks:
            assert any(text.startswith(f"# {check.name}\n{check.commands[0]}") for text in code)
        labels = [each.title for each in section.passages if each.title.startswith("A row that")]
        assert len(labels) == len(control.checks)
        # A constructed row is never shown as a real one, and a real one never hidden behind it.
        for check, row, label in zip(control.checks, table.rows, labels, strict=True):
            assert ("constructed" in label) == (check.constructed in code)
            assert row[4] == 0 or "constructed" not in label
    overview = {str(row[0]): row[2] for row in report.sections[0].tables[0].rows}
    assert overview["CC6.1" if framework == "soc2" else "8.4.1"] in ("Fails", "Fails: the setting does not suffice")
    assert "no statement that a standard is met" in " ".join(report.notes)


@pytest.mark.anyio
async def test_it_names_nobody_and_holds_no_personal_data(world: World) -> None:
    """S47"""
    await world.person("ada", admin=True)
    for framework in FRAMEWORKS:
        stored = encode_report(await page_of(world, framework))
        for personal in (b"ada@example.com", b"Ada Byron", b"198.51.100."):
            assert personal not in stored


@pytest.mark.anyio
async def test_it_speaks_turkish(world: World) -> None:
    report = await page_of(world, "pci", language="tr")
    assert report.title == "PCI DSS 4.0.1 denetimleri"
    assert report.sections[1].title == "7.2.4 · Hesaplar gözden geçirilir"


def test_every_check_is_used_named_once_and_asks_for_commands_that_exist() -> None:
    used = {check.name for framework in FRAMEWORKS.values() for each in framework.controls for check in each.checks}
    assert used == {check.name for check in CHECKS}
    assert len(CHECKS) == len(used)
    known = {words for words, _ in commands()} | {"doctor"}
    for check in CHECKS:
        assert check.constructed
        assert check.counts
        for command in check.commands:
            first, *words = command.split()
            if first == "ostiary":
                assert " ".join(words[:2]) in known or words[0] in known, command
            else:
                assert command.startswith("GET /api/v1/audit/"), command


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_controls_are_told_once_and_what_is_outside_is_no_control_of_ours(framework: Framework) -> None:
    numbers = [each.number for each in framework.controls]
    assert len(set(numbers)) == len(numbers)
    assert {each.number for each in framework.outside} & set(numbers) == set()
    assert all(each.checks for each in framework.controls)


def said_in_tables() -> set[str]:
    """Texts that are written in the tables of controls and checks."""
    texts = {text for check in CHECKS for text in (check.title, check.counts)}
    for framework in FRAMEWORKS.values():
        texts |= {framework.title}
        texts |= {text for each in framework.controls for text in (each.title, each.asks)}
        texts |= {text for each in framework.outside for text in (each.title, each.why)}
    for node in ast.walk(ast.parse((ROOM / "catalogue.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_say":
            texts.add(ast.literal_eval(node.args[0]))
    return texts


def test_every_text_is_translated_to_turkish_and_none_is_left_over() -> None:
    literal = [*(ROOM / name for name in ("catalogue.py", "sections.py")), Path(str(report_kinds.__file__))]
    found = set()
    for path in literal:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "text":
                (first, *_) = node.args
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    told = translated(ROOM / "locale" / "tr.po")
    assert set(told) - {""} == found | said_in_tables()
    assert [key for key, texts in told.items() if key and not all(texts)] == []
