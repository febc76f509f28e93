"""What is different between two sets is told by the names of policies; spacing and comments are none of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policy.difference import Difference, difference_of, show_difference
from policy.starter import PolicySetText

A = '@id("a")\npermit (principal, action, resource)\nwhen { context.time.hour > 8 };\n'
B = '@id("b")\nforbid (principal, action, resource);\n'
BEGUN = PolicySetText(A + B, "", [{"name": "one"}])


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEGUN, Difference()),
        (replace(BEGUN, policies=A), Difference(removed=("b",))),
        (replace(BEGUN, policies=A + B + B.replace('"b"', '"c"')), Difference(added=("c",))),
        (replace(BEGUN, policies=A.replace("8", "9") + B), Difference(changed=("a",))),
        (replace(BEGUN, policies=A + B.replace("@id", '@reason("x") @id')), Difference(changed=("b",))),
        (replace(BEGUN, policies=B + A), Difference(also=("order",))),
        (replace(BEGUN, policies=f"// words\n{A}\n\n{B}"), Difference(also=("comments",))),
        (replace(BEGUN, policies="permit (principal"), Difference(also=("text",))),
        (replace(BEGUN, own_schema="entity X;", tests=[]), Difference(also=("schema", "tests"))),
        (replace(BEGUN, policies=A, tests=[]), Difference(removed=("b",), also=("tests",))),
    ],
)
def test_a_difference_is_told_by_names(after: PolicySetText, expected: Difference) -> None:
    found = difference_of(BEGUN, after)
    assert found == expected
    assert found.is_none is (after == BEGUN)


def test_long_lists_are_cut_for_the_event_and_empty_ones_left_out() -> None:
    many = "".join(B.replace('"b"', f'"b{number}"') for number in range(120))
    data = difference_of(BEGUN, replace(BEGUN, policies=A + B + many)).as_data()
    assert list(data) == ["added"]
    added = data["added"]
    assert isinstance(added, list)
    assert (len(added), added[0], added[-1]) == (101, "b0", "…")


def test_lines_are_shown_for_each_text_that_is_different() -> None:
    after = replace(BEGUN, policies=A.replace("8", "9") + B, own_schema="entity X;")
    lines = show_difference(BEGUN, after, names=("1", "draft:x")).splitlines()
    assert lines[:2] == ["--- 1/policies.cedar", "+++ draft:x/policies.cedar"]
    assert "-when { context.time.hour > 8 };" in lines
    assert "+when { context.time.hour > 9 };" in lines
    assert "+++ draft:x/schema.cedarschema" in lines
    assert not any("tests.json" in line for line in lines)
    assert show_difference(BEGUN, BEGUN, names=("1", "2")) == ""
