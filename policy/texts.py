"""The text of policies as it was written: where each policy begins, so that a fault can be shown where it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ostiary.policy.cedar import pst
from ostiary.policy.loading import read_policies

# Strings and comments are passed over whole: a semicolon within them ends nothing.
_PIECE = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;|\S', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """One policy of a text, with the line on which it begins (the first is 1)."""

    text: str
    line: int


def split_policies(text: str) -> list[Part]:
    """The policies of a text, one after the other, whether they can be read or not."""
    found: list[Part] = []
    begins: int | None = None
    for piece in _PIECE.finditer(text):
        is_comment = piece[0].startswith("//")
        if begins is None and not is_comment:
            begins = piece.start()
        if piece[0] == ";" and begins is not None:
            found.append(_part(text, begins, piece.end()))
            begins = None
    if begins is not None:
        found.append(_part(text, begins, len(text)))
    return found


def _part(text: str, begins: int, ends: int) -> Part:
    return Part(text[begins:ends], text.count("\n", 0, begins) + 1)


def lines_of(text: str) -> Mapping[str, int]:
    """The line on which each policy begins, by its id and by its place in the text (`policy 3`)."""
    found: dict[str, int] = {}
    for number, part in enumerate(split_policies(text), start=1):
        found[f"policy {number}"] = part.line
        named = re.search(r'@id\("([^"\\]*)"\)', part.text)
        if named:
            found.setdefault(named[1], part.line)
    return found


def find_broken(text: str) -> int | None:
    """The line on which the first policy begins that cannot be read by itself."""
    return next((part.line for part in split_policies(text) if not _reads(part.text)), None)


def find_policies(text: str) -> Mapping[str, pst.Template] | None:
    """The policies of a text by id, in its order, without comments and spacing; None where it cannot be read.

    Of policies with the same id, or without one, the last is meant: who needs more checks the set first.
    """
    found: dict[str, pst.Template] = {}
    try:
        policies = read_policies(text).static_policies.values()
    except ValueError:
        return None
    for policy in sorted(policies, key=lambda each: int(each.id.removeprefix("policy"))):
        found[policy.annotations.get("id", policy.id)] = policy
    return found


def _reads(text: str) -> bool:
    try:
        read_policies(text)
    except ValueError:
        return False
    return True
