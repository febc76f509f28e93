"""Whether a set of policies can be put in force, and everything that is wrong or odd about it.

Errors keep it back: texts that cannot be read, annotations, what the schema does not allow, golden tests that fail.
Warnings do not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ostiary.policy.annotations import Fault, InvalidPolicies
from ostiary.policy.cedar import pst
from ostiary.policy.engine import PolicyEngine
from ostiary.policy.loading import parse_policies, parse_schema
from ostiary.policy.schema_shapes import read_shapes
from policy.active import UNNUMBERED, load_engine
from policy.golden_tests import InvalidTests, parse_tests, run_tests
from policy.lints import lint
from policy.schema import schema_text
from policy.starter import PolicySetText
from policy.texts import find_broken, lines_of

Severity = Literal["error", "warning"]
MOST_CHARACTERS = 500_000
_MAY_BE_MISSING = re.compile(
    r"unable to guarantee safety of access to optional (attribute|tag) (`[^`]*`)(.*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or odd. `policy` is its id, `policy 3` where it has none, "" for the whole set; `line`
    is where it begins."""

    severity: Severity
    policy: str
    words: str
    line: int | None = None

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.policy, f"line {self.line}" if self.line else "") if part)
        return f"{self.severity}: {place}: {self.words}" if place else f"{self.severity}: {self.words}"


@dataclass(frozen=True, slots=True)
class CheckedSet:
    """A set with what was found; `engine` decides by it, and is there where no error was found."""

    text: PolicySetText
    findings: tuple[Finding, ...]
    engine: PolicyEngine | None
    policies: Mapping[str, pst.Template]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps it back."""
        return tuple(each for each in self.findings if each.severity == "error")


def check_set(text: PolicySetText) -> CheckedSet:
    """Reads, checks and tests a set: tens of milliseconds of work, for a thread of its own."""
    if len(text.policies) + len(text.own_schema) > MOST_CHARACTERS:
        words = f"the set is too long, expected at most {MOST_CHARACTERS} characters"
        return CheckedSet(text, (Finding("error", "", words),), None, {})
    try:
        engine = load_engine(text.policies, text.own_schema, UNNUMBERED)
    except InvalidPolicies as invalid:
        lines = lines_of(text.policies)
        findings = tuple(_of_fault(fault, text, lines) for fault in invalid.faults)
        return CheckedSet(text, findings, None, {})
    schema = parse_schema(schema_text(text.own_schema))
    policies, terms = parse_policies(text.policies, schema)
    lines = lines_of(text.policies)
    warnings = lint(policies, terms, read_shapes(str(schema)))
    findings = (
        *_failed_tests(engine, text),
        *(Finding("warning", name, words, lines.get(name)) for name, words in warnings),
    )
    is_usable = not any(each.severity == "error" for each in findings)
    return CheckedSet(text, findings, engine if is_usable else None, policies)


def _of_fault(fault: Fault, text: PolicySetText, lines: Mapping[str, int]) -> Finding:
    line = lines.get(fault.policy)
    if not fault.policy and fault.words.startswith("policies:"):
        line = find_broken(text.policies)
    return Finding("error", fault.policy, _plainer(fault.words), line)


def _plainer(words: str) -> str:
    """Cedar's words, where ours say better what to do."""
    found = _MAY_BE_MISSING.fullmatch(words)
    if found is None:
        return words
    return f"reads the {found[1]} {found[2]}{found[3]}, which may be missing, expected a test with `has` before it"


def _failed_tests(engine: PolicyEngine, text: PolicySetText) -> Iterator[Finding]:
    try:
        tests = parse_tests(text.tests)
    except InvalidTests as invalid:
        yield Finding("error", "", str(invalid))
        return
    for test, told in run_tests(engine.decide, tests):
        wanted = f"{test.expect} by {', '.join(sorted(test.policies))}" if test.policies else test.expect
        yield Finding("error", "", f"test {test.name!r}: expected {wanted}, answered {told}")
