"""Requests of the Authorization API as values (OpenID Authorization API 1.0 §5 to §8). Unknown members are ignored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

Semantic = Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"]
SEMANTICS: tuple[Semantic, ...] = ("execute_all", "deny_on_first_deny", "permit_on_first_permit")
# A message is at most a mebibyte; this bounds how long it holds the server up.
MAX_EVALUATIONS = 1_000
MAX_TEXT = 1_024

_PARTS = ("subject", "action", "resource", "context")
_DECODER = msgspec.json.Decoder()
_NOTHING: Mapping[str, object] = {}


class Malformed(ValueError):
    """A request that cannot be read: `field` names the member, `expected` says what it has to be."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}")
        self.field = field
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Party:
    """A subject or a resource (§5.1, §5.2); the id is empty where a search leaves it open."""

    type: str
    id: str
    properties: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One question (§6.1). An action's properties say more about the request, as the context does."""

    subject: Party
    action: str
    resource: Party
    context: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Batch:
    """Several questions in one message (§7.1), those at fault among them."""

    items: tuple[Evaluation | Malformed, ...]
    semantic: Semantic


def parse_body(body: bytes) -> Mapping[str, object]:
    """The JSON object of a body. Raises Malformed."""
    try:
        found = _DECODER.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise Malformed("body", "a JSON object") from None
    if not isinstance(found, dict):
        raise Malformed("body", "a JSON object")
    return found


def parse_evaluation(members: Mapping[str, object]) -> Evaluation:
    """One evaluation (§6.1). Raises Malformed."""
    name, properties = parse_action(members)
    return Evaluation(
        subject=parse_party(members, "subject"),
        action=name,
        resource=parse_party(members, "resource"),
        context={**properties, **_object(members, "context")},
    )


def parse_evaluations(members: Mapping[str, object]) -> Evaluation | Batch:
    """Several evaluations, or one where there is no list or an empty one (§7.1). Raises Malformed for what is wrong
    with the whole; an item at fault stands in the batch as what is wrong with it."""
    asked = members.get("evaluations")
    if asked is None or asked == []:
        return parse_evaluation(members)
    if not isinstance(asked, list) or len(asked) > MAX_EVALUATIONS:
        raise Malformed("evaluations", f"an array of at most {MAX_EVALUATIONS} objects")
    defaults = {part: members[part] for part in _PARTS if part in members}
    return Batch(tuple(_item(number, each, defaults) for number, each in enumerate(asked)), _semantic(members))


def parse_party(members: Mapping[str, object], name: str, *, has_id: bool = True) -> Party:
    """A subject or a resource; without `has_id` an id is ignored (§8.4.1, §8.5.1). Raises Malformed."""
    party = _required(members, name)
    found = _text(party, name, "type")
    return Party(found, _text(party, name, "id") if has_id else "", _object(party, "properties", within=f"{name}."))


def parse_action(members: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    """An action's name and properties (§5.3). Raises Malformed."""
    action = _required(members, "action")
    return _text(action, "action", "name"), _object(action, "properties", within="action.")


def parse_context(members: Mapping[str, object]) -> Mapping[str, object]:
    """The context (§5.4), empty where there is none. Raises Malformed."""
    return _object(members, "context")


def _item(number: int, item: object, defaults: Mapping[str, object]) -> Evaluation | Malformed:
    if not isinstance(item, dict):
        return Malformed(f"evaluations[{number}]", "an object")
    try:
        return parse_evaluation({**defaults, **item})
    except Malformed as fault:
        return Malformed(f"evaluations[{number}].{fault.field}", fault.expected)


def _semantic(members: Mapping[str, object]) -> Semantic:
    asked = _object(members, "options").get("evaluations_semantic", "execute_all")
    for known in SEMANTICS:
        if asked == known:
            return known
    raise Malformed("options.evaluations_semantic", f"one of {', '.join(SEMANTICS)}")


def _required(members: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = members.get(name)
    if not isinstance(found, dict):
        raise Malformed(name, "an object")
    return found


def _object(members: Mapping[str, object], name: str, *, within: str = "") -> Mapping[str, object]:
    found = members.get(name)
    if found is None:
        return _NOTHING
    if not isinstance(found, dict):
        raise Malformed(f"{within}{name}", "an object")
    return found


def _text(members: Mapping[str, object], within: str, name: str) -> str:
    found = members.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= MAX_TEXT:
        raise Malformed(f"{within}.{name}", f"a string of 1 to {MAX_TEXT} characters")
    return found
