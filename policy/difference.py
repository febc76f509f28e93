"""What is different between two sets of policies: in names for events, in lines for people."""

import difflib
from dataclasses import dataclass, replace

import msgspec

from ostiary.policy.cedar import pst
from policy.starter import PolicySetText
from policy.texts import find_policies

_MOST_NAMES = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """Policies by id that are new, gone, or say something else; spacing and comments say nothing.

    `also` names what else is different: `order` of the policies, `comments`, `schema`, `tests`; `text` where the
    policies of one side cannot be read.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        """True where the sets are the same to the letter."""
        return not (self.added or self.removed or self.changed or self.also)

    def as_data(self) -> dict[str, object]:
        """For an event: what there is, each list cut after a hundred names."""
        told = {"added": self.added, "removed": self.removed, "changed": self.changed, "also_changed": self.also}
        return {name: _cut(names) for name, names in told.items() if names}


def difference_of(before: PolicySetText, after: PolicySetText) -> Difference:
    """What would be different where `after` took the place of `before`."""
    also = []
    if before.own_schema != after.own_schema:
        also.append("schema")
    if before.tests != after.tests:
        also.append("tests")
    if before.policies == after.policies:
        return Difference(also=tuple(also))
    old, new = find_policies(before.policies), find_policies(after.policies)
    if old is None or new is None:
        return Difference(also=("text", *also))
    kept = [name for name in old if name in new]
    found = Difference(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in kept if _said(old[name]) != _said(new[name])),
    )
    if kept != [name for name in new if name in old]:
        also.insert(0, "order")
    if found.is_none and not also:
        also.append("comments")
    return replace(found, also=tuple(also))


def show_difference(before: PolicySetText, after: PolicySetText, *, names: tuple[str, str]) -> str:
    """The difference line by line (unified), of policies, schema and tests; empty where there is none."""
    pairs = (
        ("policies.cedar", before.policies, after.policies),
        ("schema.cedarschema", before.own_schema, after.own_schema),
        ("tests.json", _tests(before), _tests(after)),
    )
    lines: list[str] = []
    for file, old, new in pairs:
        before_file, after_file = (f"{name}/{file}" for name in names)
        lines += difflib.unified_diff(old.splitlines(), new.splitlines(), before_file, after_file, lineterm="")
    return "\n".join(lines)


def _said(policy: pst.Template) -> pst.Template:
    """The policy without its place in the text."""
    return replace(policy, id="")


def _tests(text: PolicySetText) -> str:
    return msgspec.json.format(msgspec.json.encode(text.tests), indent=1).decode() if text.tests else ""


def _cut(names: tuple[str, ...]) -> list[str]:
    return [*names[:_MOST_NAMES], *(["…"] if len(names) > _MOST_NAMES else [])]
