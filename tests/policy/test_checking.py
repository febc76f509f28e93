"""What is wrong or odd about a set is said with the policy, the line, and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy.checking import MOST_CHARACTERS, check_set
from policy.set_files import UnreadableSet, read_set, write_set
from policy.starter import PolicySetText, starter_set
from tests.policy.set_texts import only, starter_with

HEAD = 'principal is Ostiary::Person, action == Ostiary::Action::"consent", resource is Ostiary::Application'
SHOP = """
namespace Shop {
  entity Order;
  action "read" appliesTo { principal: [Ostiary::Person], resource: [Order], context: {} };
}
"""


def findings(policies: str, own_schema: str = "") -> list[str]:
    found = check_set(only(policies, own_schema)).findings
    return [str(each) for each in found if "no policy permits" not in each.words]


def test_the_starter_set_has_neither_faults_nor_anything_odd() -> None:
    checked = check_set(starter_set())
    assert checked.findings == ()
    assert checked.engine is not None


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ("\n\npermit (principal, action) ;", "error: line 3: policies: "),
        (f'@id("a")\npermit ({HEAD});\n\n@id("b")\npermit ({HEAD}) when {{ ++ }};', "error: line 4: policies: "),
        (f"permit ({HEAD});", "error: policy 1, line 1: @id is missing or malformed"),
        (f'\n@id("a") @colour("red")\npermit ({HEAD});', "error: a, line 2: @colour is unknown"),
        (f'@id("a") permit ({HEAD});\n@id("a") permit ({HEAD});', "error: a, line 1: the id is taken"),
        (f'@id("a") permit ({HEAD}) when {{ context.risk.score < 60 }};', "which may be missing, expected a test with"),
        (f'@id("a") permit ({HEAD}) when {{ context.wind == "north" }};', "attribute `wind` in context for"),
        (
            '@id("a") permit (principal is Ostiary::Service, action == Ostiary::Action::"signIn", resource);',
            "unable to find an applicable action",
        ),
        ('@id("a") permit (principal, action == Shop::Action::"read", resource);', "unrecognized action"),
        ('@id("a") permit (principal == ?principal, action, resource);', "templates"),
    ],
)
def test_faults_keep_a_set_back_and_say_where(policies: str, expected: str) -> None:
    checked = check_set(only(policies))
    assert checked.engine is None
    assert any(expected in str(each) for each in checked.errors), checked.findings


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("when { false }", "never applies: a condition is always false"),
        ("unless { 1 == 1 }", "never applies: a condition is always false"),
        ("when { true }", "a condition (when) is always true: it can be left out"),
        ("when { context.scopes == context.scopes }", "a condition (when) is always true"),
        ('when { context.scopes.contains("a") && 2 < 1 }', "never applies: a condition is always false"),
        ('when { context.scopes.contains("a") || 1 < 2 }', "a condition (when) is always true"),
        ('when { context.scopes.contains("a") } unless { context.scopes.contains("a") }', "is the opposite of another"),
        ("when { context.time.hour > 8 } unless { context.time.hour >= 5 }", "greater and smaller at once"),
        ("when { context.time.hour == 8 && context.time.hour < 8 }", "greater and smaller at once"),
        (
            'when { principal has state && principal.state == "active" && principal.state == "closed" }',
            "something would have to be 'active' and 'closed' at once",
        ),
    ],
)
def test_conditions_that_are_always_or_never_true_are_named(condition: str, expected: str) -> None:
    found = findings(f'@id("a")\npermit ({HEAD})\n{condition};')
    assert any(expected in each for each in found), found
    assert all(each.startswith("warning: a, line 1: ") for each in found), found


@pytest.mark.parametrize(
    "condition",
    [
        "when { context.time.hour > 8 && context.time.hour < 10 }",
        "unless { context.time.hour > 8 && context.time.hour < 10 }",
        'when { context has client && (context.client == "a" || context.client == "b") }',
        'when { if context has client then context.client == "a" else true }',
    ],
)
def test_conditions_that_depend_on_the_question_are_left_alone(condition: str) -> None:
    assert findings(f'@id("a")\npermit ({HEAD})\n{condition};') == []


def test_a_forbid_without_a_reason_and_a_permit_for_everything_are_odd() -> None:
    assert findings(f'@id("a") forbid ({HEAD}) when {{ context.time.hour < 6 }};') == [
        "warning: a, line 1: @reason is missing: who is refused is told the policy's id, expected one like"
        ' @reason("not_at_night")'
    ]
    [found] = findings('@id("a") permit (principal, action, resource);')
    assert found.startswith("warning: a, line 1: permits everything to everybody")


def test_a_permit_that_is_never_reached_and_one_that_says_nothing_new_are_odd() -> None:
    closed = '@id("closed") @reason("x") forbid (principal, action == Ostiary::Action::"consent", resource);'
    assert findings(f'@id("a") permit ({HEAD}) when {{ context.time.hour < 6 }};\n{closed}') == [
        "warning: a, line 1: is never reached: closed forbids all that it permits"
    ]
    assert findings(f'@id("a") permit ({HEAD});\n@id("b") permit ({HEAD}) when {{ context.time.hour < 6 }};') == [
        "warning: b, line 2: is not needed: a permits all of it"
    ]
    # It has something of its own to say.
    advised = f'@id("a") permit ({HEAD});\n@id("b") @notify("") permit ({HEAD}) when {{ context.time.hour < 6 }};'
    assert findings(advised) == []


def test_an_action_of_ones_own_that_nothing_permits_is_named() -> None:
    checked = check_set(starter_with())
    assert checked.findings == ()
    with_shop = check_set(PolicySetText(starter_set().policies, SHOP, []))
    assert [str(each) for each in with_shop.findings] == ["warning: no policy permits Shop::read: it is always denied"]
    assert with_shop.engine is not None
    assert "Shop::read" in with_shop.engine.actions


@pytest.mark.parametrize("own_schema", ["namespace Shop { entity Order = }", "namespace Ostiary { entity Order; }"])
def test_a_schema_of_ones_own_cannot_be_broken_nor_speak_for_ours(own_schema: str) -> None:
    [found] = check_set(PolicySetText(starter_set().policies, own_schema, [])).findings
    assert str(found).startswith("error: schema: ")


def test_golden_tests_that_cannot_be_read_or_fail_are_errors() -> None:
    text = starter_set()
    unread = check_set(PolicySetText(text.policies, "", [{"name": "a"}]))
    assert [each.severity for each in unread.findings] == ["error"]
    turned = [{**each, "expect": "deny" if each["expect"] == "allow" else "allow"} for each in text.tests[:2]]
    failed = check_set(PolicySetText(text.policies, "", turned))
    assert len(failed.errors) == 2
    assert failed.engine is None
    assert "expected deny" in failed.errors[0].words
    assert "answered allow by signin.people" in failed.errors[0].words


def test_a_set_that_is_too_long_is_not_even_read() -> None:
    [found] = check_set(only("//" + "x" * MOST_CHARACTERS)).findings
    assert found.words == f"the set is too long, expected at most {MOST_CHARACTERS} characters"


def test_a_set_on_disk_is_read_as_it_was_written(tmp_path: Path) -> None:
    text = PolicySetText(starter_set().policies, SHOP, starter_set().tests)
    written = write_set(text, tmp_path / "set")
    assert [path.name for path in written] == ["policies.cedar", "schema.cedarschema", "tests.json"]
    assert read_set(tmp_path / "set") == text
    assert read_set(tmp_path / "set" / "policies.cedar") == PolicySetText(text.policies)
    with pytest.raises(UnreadableSet, match="expected a folder without policies"):
        write_set(text, tmp_path / "set")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.cedar", b"\xff\xfe", "expected UTF-8"),
        ("a.cedar", b"//\0", "without NUL"),
        ("tests.json", b"{}", "expected a list of JSON objects"),
    ],
)
def test_files_that_are_no_set_are_named(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / "b.cedar").write_text("")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableSet, match=expected) as failed:
        read_set(tmp_path)
    assert name in str(failed.value)


def test_a_path_without_policies_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.cedar"):
        with pytest.raises(UnreadableSet, match=str(path)):
            read_set(path)
