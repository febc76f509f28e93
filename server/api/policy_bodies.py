"""Bodies about policies, read member by member so that a fault names its own, and what the document says of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from policy.drafts import NAME_EXPECTED, is_draft_name
from policy.sets import MOST_REASON
from policy.starter import PolicySetText
from server.api.problems import wrong_field

_TEXTS = {
    "policies": {"type": "string", "description": "Cedar policies"},
    "own_schema": {"type": "string", "description": "the Cedar schema of actions and resources of your own"},
    "tests": {"type": "array", "items": {"type": "object"}, "description": "golden tests, kept with the set"},
}
_REASON = {"type": "string", "maxLength": MOST_REASON, "description": "why, in your words: it is kept with the set"}


def _body(properties: Mapping[str, object], *required: str) -> dict[str, object]:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _if_match(description: str, *, required: bool) -> dict[str, object]:
    return {
        "name": "If-Match", "in": "header", "required": required, "schema": {"type": "string"},
        "description": description,
    }  # fmt: skip


CHECK: dict[str, object] = _body(_TEXTS, "policies")
ACTIVATION: dict[str, object] = {
    **_body(
        {
            **_TEXTS,
            "draft": {"type": "string", "description": "the name of a draft, in place of texts"},
            "revision": {"type": "integer", "description": "an earlier revision, in place of texts: a roll-back"},
            "reason": _REASON,
        },
        "reason",
    ),
    "parameters": [_if_match("the ETag of the set in force that you know, or *", required=True)],
}
DRAFT: dict[str, object] = {
    **_body(
        {
            **_TEXTS,
            "based_on": {"type": "integer", "description": "the revision over which it is written; first: the newest"},
            "is_shadow": {"type": "boolean", "description": "whether it decides beside the set in force"},
        },
        "policies",
    ),
    "parameters": [_if_match("the draft's ETag; without it the draft must not be there yet", required=False)],
}
DRAFT_GONE: dict[str, object] = {"parameters": [_if_match("the draft's ETag", required=False)]}


@dataclass(frozen=True, slots=True)
class WantedSet:
    """What is to be put in force: texts, a draft, or an earlier revision; one of them is there."""

    reason: str
    text: PolicySetText | None
    draft: str | None
    revision: int | None


@dataclass(frozen=True, slots=True)
class WantedDraft:
    """A draft as it is sent; None is what it was before."""

    text: PolicySetText
    based_on: int | None
    is_shadow: bool | None


def parse_set(body: bytes) -> PolicySetText:
    """The texts of a body; raises Problem."""
    return _text(_members(body, *_TEXTS))


def parse_activation(body: bytes) -> WantedSet:
    """What a body wants in force; raises Problem."""
    sent = _members(body, *_TEXTS, "draft", "revision", "reason")
    reason = sent.get("reason")
    if not isinstance(reason, str) or not 0 < len(reason.strip()) <= MOST_REASON or not reason.strip().isprintable():
        raise wrong_field("reason", f"1 to {MOST_REASON} characters on one line", status=422)
    named = [name for name in ("policies", "draft", "revision") if name in sent]
    if len(named) != 1 or (named != ["policies"] and not _TEXTS.keys().isdisjoint(sent)):
        raise wrong_field("policies", "exactly one of policies, draft and revision", status=422)
    draft, revision = sent.get("draft"), sent.get("revision")
    if draft is not None and (not isinstance(draft, str) or not is_draft_name(draft)):
        raise wrong_field("draft", NAME_EXPECTED, status=422)
    return WantedSet(
        reason.strip(),
        _text(sent) if named == ["policies"] else None,
        draft,
        None if revision is None else _number("revision", revision),
    )


def parse_draft(body: bytes) -> WantedDraft:
    """A draft that is to be written; raises Problem."""
    sent = _members(body, *_TEXTS, "based_on", "is_shadow")
    based_on, is_shadow = sent.get("based_on"), sent.get("is_shadow")
    if is_shadow is not None and not isinstance(is_shadow, bool):
        raise wrong_field("is_shadow", "true or false", status=422)
    return WantedDraft(_text(sent), None if based_on is None else _number("based_on", based_on), is_shadow)


def _members(body: bytes, *known: str) -> dict[str, object]:
    try:
        sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise wrong_field("body", "a JSON object") from None
    if not isinstance(sent, dict):
        raise wrong_field("body", "a JSON object")
    for name in sent:
        if name not in known:
            raise wrong_field(name[:64], f"none of that name, only {', '.join(known)}", status=422)
    return sent


def _text(sent: Mapping[str, object]) -> PolicySetText:
    policies, own_schema, tests = sent.get("policies"), sent.get("own_schema", ""), sent.get("tests", [])
    for name, value in (("policies", policies), ("own_schema", own_schema)):
        # Nothing keeps a NUL: PostgreSQL's texts have none.
        if not isinstance(value, str) or "\0" in value:
            raise wrong_field(name, "text without NUL characters", status=422)
    if not isinstance(tests, list) or not all(isinstance(each, dict) for each in tests):
        raise wrong_field("tests", "a list of objects", status=422)
    return PolicySetText(str(policies), str(own_schema), tests)


def _number(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise wrong_field(name, "the number of a revision", status=422)
    return value
