"""What policies say about themselves: the annotations, and nothing else is allowed to stand there.

@id("routes.people")     unique name; required
@reason("risk_high")     message id that goes with the answer; a forbid without one gives its own id
@advice("…")             words for the person
@keep("10")              how many seconds an answer may be kept in which this policy had a say; 60 unless told
@notify("")              the person is told of it
@end_session("")         the session ends
@advises("")             on a permit: decides nothing, is asked after an allow for what it obliges to
@demand("…")             on a forbid: what would satisfy it: classes, `method:NAME`, or one of `required` and `asked`
@soft("")                with @demand: what stands in for it will do
@enrol("never")          with @demand: nobody may add a factor to meet it
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ostiary.policy.cedar import pst
from ostiary.policy.values import Demand, Obligation

KEEP_S = 60
KNOWN = frozenset({"id", "reason", "advice", "keep", "notify", "end_session", "advises", "demand", "soft", "enrol"})
_FLAGS = ("notify", "end_session", "advises", "soft")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CLASS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_METHOD = re.compile(r"method:([a-z0-9_]{1,64})")
_KEEP = re.compile(r"[0-9]{1,5}")
_LONGEST_KEEP_S = 86_400
_OBLIGATIONS = {"notify": Obligation("notify"), "end_session": Obligation("end_session")}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why policies cannot be used: in which one, by id or as `policy 3` ("" for the whole set), and what is wrong."""

    policy: str
    words: str


class InvalidPolicies(ValueError):
    """A set of policies that cannot be used; `faults` has all that is wrong with it."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.policy}: {fault.words}".removeprefix(": ") for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Demanded:
    """A demand as it is written; `from_context` names the classes of the question that take its place, if any."""

    classes: tuple[str, ...]
    methods: frozenset[str]
    from_context: str | None
    is_soft: bool
    may_enrol: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What one policy says about itself."""

    policy: str
    is_permit: bool
    advises: bool
    reason: str | None
    advice: str | None
    keep_s: int
    obligations: tuple[Obligation, ...]
    demanded: Demanded | None

    @property
    def effect(self) -> Literal["permit", "forbid", "advises"]:
        """What it does where it applies."""
        if self.advises:
            return "advises"
        return "permit" if self.is_permit else "forbid"

    def demands(self, context: Mapping[str, object]) -> tuple[Demand, ...]:
        """What would satisfy this policy, all of them together, where the question has this context."""
        wanted = self.demanded
        if wanted is None:
            return ()
        return tuple(
            Demand(classes, wanted.methods, self.reason or self.policy, wanted.is_soft, wanted.may_enrol)
            for classes in _alternatives(wanted, context)
        )


def _alternatives(wanted: Demanded, context: Mapping[str, object]) -> list[tuple[str, ...]]:
    if wanted.from_context is None:
        return [wanted.classes]
    given = context.get(f"{wanted.from_context}_classes")
    named = tuple(each for each in given if isinstance(each, str)) if isinstance(given, Iterable) else ()
    if wanted.from_context == "required":
        return [(each,) for each in named]
    return [named] if named else []


def parse_terms(policies: Iterable[pst.Template]) -> tuple[tuple[Terms, ...], tuple[Fault, ...]]:
    """The terms of each policy in the order of the text, and everything that is wrong with them."""
    found: list[Terms] = []
    faults: list[Fault] = []
    seen: set[str] = set()
    for number, policy in enumerate(policies, start=1):
        name = policy.annotations.get("id", "")
        wrong = list(_faults(policy))
        if name in seen:
            wrong.append("the id is taken by a policy before it, expected each to be unique")
        seen.add(name)
        faults += [Fault(name if _ID.fullmatch(name) else f"policy {number}", words) for words in wrong]
        if not wrong:
            found.append(_terms(policy, name))
    return tuple(found), tuple(faults)


def _terms(policy: pst.Template, name: str) -> Terms:
    said = policy.annotations
    return Terms(
        policy=name,
        is_permit=policy.effect == "permit",
        advises="advises" in said,
        reason=said.get("reason"),
        advice=said.get("advice"),
        keep_s=int(said.get("keep", KEEP_S)),
        obligations=tuple(each for flag, each in _OBLIGATIONS.items() if flag in said),
        demanded=_demanded(said) if "demand" in said else None,
    )


def _demanded(said: Mapping[str, str]) -> Demanded:
    words = said["demand"].split()
    methods = frozenset(found[1] for word in words if (found := _METHOD.fullmatch(word)))
    source = next((word for word in words if word in ("required", "asked")), None)
    classes = tuple(word for word in words if word != source and not word.startswith("method:"))
    return Demanded(classes, methods, source, "soft" in said, "enrol" not in said)


def _faults(policy: pst.Template) -> Iterator[str]:
    said = policy.annotations
    for name in sorted(set(said) - KNOWN):
        yield f"@{name} is unknown, expected one of @{', @'.join(sorted(KNOWN))}"
    if not _ID.fullmatch(said.get("id", "")):
        yield '@id is missing or malformed, expected up to 64 of a-z, 0-9, ".", "_" and "-", like @id("routes.people")'
    for name in _FLAGS:
        if said.get(name):
            yield f'@{name} takes no words, expected @{name}("")'
    for name in ("reason", "advice"):
        if not said.get(name, "-").strip():
            yield f"@{name} is empty, expected words"
    if not _KEEP.fullmatch(keep := said.get("keep", "0")) or int(keep) > _LONGEST_KEEP_S:
        yield f"@keep is {keep!r}, expected seconds from 0 to {_LONGEST_KEEP_S}"
    if "advises" in said and policy.effect == "forbid":
        yield "@advises stands on a forbid, expected on a permit: it decides nothing"
    yield from _demand_faults(policy)


def _demand_faults(policy: pst.Template) -> Iterator[str]:
    said = policy.annotations
    if "demand" not in said:
        yield from (f"@{name} stands without @demand" for name in ("soft", "enrol") if name in said)
        return
    if policy.effect == "permit":
        yield "@demand stands on a permit, expected on a forbid"
    if said.get("enrol", "never") != "never":
        yield '@enrol takes one word, expected @enrol("never")'
    words = said["demand"].split()
    if not words:
        yield "@demand is empty, expected classes, method:NAME, required or asked"
    for word in words:
        if not (_METHOD if word.startswith("method:") else _CLASS).fullmatch(word):
            yield f"@demand has {word!r}, expected a class like urn:ostiary:aal2, method:NAME, required or asked"
    if len(words) > 1 and not {"required", "asked"}.isdisjoint(words):
        yield "@demand has more beside required or asked, expected it to stand alone"
