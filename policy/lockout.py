"""Whether an administrator could still get in and change the policies, had a set been put in force (S43).

Everything is looked at as good as it can be: all factors proven just now, no risk, the best hour of the coming week,
an address and a country that the policies name. Nothing that an administrator cannot bring about is taken for given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import product

from ostiary.policy.cedar import pst
from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Entity, EntityRef, Question
from policy.assurance import STRONG
from policy.context_parts import authentication_of, risk_of, time_of
from policy.signin_question import signin_question
from policy.values import SigninFacts, SigninRules, Whence

_POLICIES = Entity(EntityRef("Ostiary::Administration", "policies"))
_PERSON = "Ostiary::Person"
_HOURS = 7 * 24
# What everybody can add by themselves.
_ADDED = frozenset({"passkey", "totp"})
_MOST_PLACES = 20
# Of places and addresses, so many together: a set is looked at while nobody else can write.
_MOST_WHENCES = 24
# A deployment can have these another way at its next start.
_RULES = tuple(
    SigninRules(mfa_required=wanted, mail_code=counts) for wanted in (False, True) for counts in (False, True)
)


class Reach(IntEnum):
    """How far administrators get: not in, in after adding a factor, in with what they have."""

    NOBODY = 0
    AFTER_ADDING = 1
    AS_THEY_ARE = 2


@dataclass(frozen=True, slots=True)
class Administrator:
    """An active administrator: public `sub`, the methods that they could prove, roles, groups and organisations."""

    sub: str
    factors: frozenset[str]
    memberships: tuple[EntityRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """How far they get, and where nobody gets in, the policies that keep them out."""

    reach: Reach
    kept_out_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Circumstances:
    """When and from where somebody comes."""

    at: datetime
    address: str | None = None
    country: str | None = None


def reach_of(
    engine: PolicyEngine,
    policies: Mapping[str, pst.Template],
    administrators: Sequence[Administrator],
    *,
    address: str | None,
    now: datetime,
) -> Reached:
    """How far the luckiest of these administrators gets by this set. `address` is where the question comes from."""
    tried = tuple(_circumstances(engine, policies, address, now))
    asked = administrators if _names_people(policies) else _unlike(administrators)
    as_they_are = ((each, each.factors) for each in asked)
    after_adding = ((each, each.factors | _ADDED) for each in asked)
    kept_out: dict[str, None] = {}
    for reach, people in ((Reach.AS_THEY_ARE, as_they_are), (Reach.AFTER_ADDING, after_adding)):
        for person, factors in people:
            found = _gets_in(engine, person, factors, tried)
            if not found:
                return Reached(reach)
            kept_out |= dict.fromkeys(found)
    return Reached(Reach.NOBODY, tuple(kept_out))


def _unlike(administrators: Sequence[Administrator]) -> list[Administrator]:
    """One of all who have the same: who they are makes no difference to policies that name nobody."""
    return list({(each.factors, each.memberships): each for each in administrators}.values())


def _names_people(policies: Mapping[str, pst.Template]) -> bool:
    return any(str(uid.type) == _PERSON for policy in policies.values() for uid in pst.entity_uids(policy))


def _gets_in(
    engine: PolicyEngine, person: Administrator, factors: frozenset[str], tried: Sequence[_Circumstances]
) -> tuple[str, ...]:
    """Empty where this person gets in; else the policies that keep them out, or words for none that lets them."""
    kept_out: dict[str, None] = {}
    for circumstances in tried:
        asked = [_change(person, factors, circumstances)]
        asked += [_signin(person, factors, circumstances, rules) for rules in _RULES]
        denied = [answer for answer in map(engine.decide, asked) if not answer.is_allowed]
        if not denied:
            return ()
        for answer in denied:
            kept_out |= dict.fromkeys(answer.policies or ("no policy permits it",))
    return tuple(kept_out)


def _signin(
    person: Administrator, factors: frozenset[str], circumstances: _Circumstances, rules: SigninRules
) -> Question:
    facts = SigninFacts(
        person_state="active",
        methods=_proven(factors),
        factors=factors,
        is_admin=True,
        risk_score=0,
        person=person.sub,
        memberships=person.memberships,
        knows_device=True,
        whence=Whence(circumstances.address, circumstances.country),
    )
    return signin_question(facts, rules, circumstances.at)


def _change(person: Administrator, factors: frozenset[str], circumstances: _Circumstances) -> Question:
    methods = _proven(factors)
    known = {"state": "active", "is_admin": True, "factors": sorted(factors)}
    context = {
        "time": time_of(circumstances.at),
        "scopes": [],
        "risk": risk_of(0),
        "authentication": authentication_of(methods, age_s=0),
        "device": {"known": True, "trusted": "device" in methods},
        **_from(circumstances),
    }
    subject = Entity(EntityRef(_PERSON, person.sub), known, person.memberships)
    return Question(subject, "change", _POLICIES, context)


def _proven(factors: frozenset[str]) -> frozenset[str]:
    """All of them; a browser is trusted after a second factor."""
    return factors | {"device"} if factors & STRONG else factors


def _from(circumstances: _Circumstances) -> dict[str, object]:
    given: dict[str, object] = {}
    if circumstances.address is not None:
        given["address"] = circumstances.address
    if circumstances.country is not None:
        given["place"] = {"country": circumstances.country}
    return given


def _circumstances(
    engine: PolicyEngine, policies: Mapping[str, pst.Template], address: str | None, now: datetime
) -> Iterator[_Circumstances]:
    """Those that can make a difference to this set, the plainest first."""
    reads = engine.reads("change") | engine.reads("signIn")
    named = tuple(_literals(policies))
    addresses = [address]
    if "context.address" in reads:
        addresses += [each for each in _addresses(named) if each != address][:_MOST_PLACES]
    countries: list[str | None] = [None]
    if "context.place" in reads:
        countries += [each for each in dict.fromkeys(named) if len(each) == 2 and each.isupper()][:_MOST_PLACES]
    # Each by itself comes before any two together.
    whences = sorted(product(range(len(addresses)), range(len(countries))), key=lambda each: (0 not in each, sum(each)))
    for hour in range(_HOURS if "context.time" in reads else 1):
        for one, other in whences[:_MOST_WHENCES]:
            yield _Circumstances(now + timedelta(hours=hour), addresses[one], countries[other])


def _addresses(named: Sequence[str]) -> list[str]:
    """An address of each network that the policies name: its first one."""
    shaped = (each.partition("/")[0] for each in named if each.count(".") == 3 or ":" in each)
    return list(dict.fromkeys(shaped))


def _literals(policies: Mapping[str, pst.Template]) -> Iterator[str]:
    left: list[object] = [policy.clauses for policy in policies.values()]
    while left:
        node = left.pop()
        if isinstance(node, pst.StringLit):
            yield node.value
        elif isinstance(node, tuple):
            left += node
        elif is_dataclass(node):
            left += [getattr(node, each.name) for each in fields(node)]
