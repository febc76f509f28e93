"""A sign-in as a question to the policies: the action `signIn` of `policy/ostiary.cedarschema`."""

from collections.abc import Mapping
from datetime import datetime

from ostiary.policy.values import Entity, EntityRef, Question
from policy.assurance import KNOWN_ACR
from policy.context_parts import authentication_of, risk_of, time_of
from policy.values import SigninFacts, SigninRules, Whence

ACTION = "signIn"
# An entity has a name, also where a question is about nobody in particular.
_NOBODY = "nobody"
# What is signed in to where no application asks: the person's own pages.
_OWN_PAGES = Entity(EntityRef("Ostiary::Administration", "account"))


def signin_question(facts: SigninFacts, rules: SigninRules, now: datetime) -> Question:
    """Whether this person may sign in, with what was proven so far."""
    return Question(
        subject=_person(facts), action=ACTION, resource=_resource(facts), context=_context(facts, rules, now)
    )


def with_classes(question: Question, classes: frozenset[str]) -> Question:
    """The same question, had `classes` been reached, too."""
    context = dict(question.context)
    proven = context.get("authentication")
    if isinstance(proven, Mapping):
        reached = proven["classes"]
        assert isinstance(reached, list)  # noqa: S101 - made by `authentication_of`
        context["authentication"] = {**proven, "classes": sorted({*reached, *classes})}
    return Question(question.subject, question.action, question.resource, context, question.others)


def _person(facts: SigninFacts) -> Entity:
    attributes: dict[str, object] = {
        "state": facts.person_state,
        "is_admin": facts.is_admin,
        "factors": sorted(facts.factors),
    }
    return Entity(EntityRef("Ostiary::Person", facts.person or _NOBODY), attributes, facts.memberships)


def _resource(facts: SigninFacts) -> Entity:
    if facts.client_id is None:
        return _OWN_PAGES
    known = {} if facts.is_first_party is None else {"first_party": facts.is_first_party}
    return Entity(EntityRef("Ostiary::Application", facts.client_id), known)


def _context(facts: SigninFacts, rules: SigninRules, now: datetime) -> dict[str, object]:
    thresholds = facts.thresholds or rules.risk
    context: dict[str, object] = {
        "time": time_of(now),
        "scopes": sorted(facts.scopes),
        "thresholds": {
            "notice": thresholds.notice,
            "step_up": thresholds.step_up,
            "strong": thresholds.strong,
        },
        "required_classes": sorted(set(facts.required_acr)),
        # A class that nobody knows is a wish that nobody can meet, and no demand (OpenID Connect Core §5.5.1.1).
        "asked_classes": sorted(acr for acr in set(facts.asked_acr) if acr in KNOWN_ACR),
        "mfa_required": rules.mfa_required,
        "mail_code_counts": rules.mail_code,
        "address_blocked": facts.refusal == "address_blocked",
        "taken_over": facts.refusal == "taken_over",
    }
    if facts.client_id is not None:
        context["client"] = facts.client_id
    if facts.methods:
        context["authentication"] = authentication_of(facts.methods, age_s=facts.age_s)
    if facts.risk_score is not None:
        context["risk"] = risk_of(facts.risk_score, facts.risk_reasons)
    if facts.knows_device is not None:
        context["device"] = {"known": facts.knows_device, "trusted": "device" in facts.methods}
    return {**context, **_place(facts.whence)}


def _place(whence: Whence) -> dict[str, object]:
    """Address and place, as far as they are known: a policy asks with `has` before it reads one."""
    named = {"country": whence.country, "city": whence.city, "network": whence.network}
    place = {name: value for name, value in named.items() if value is not None}
    return {**({"address": whence.address} if whence.address else {}), **({"place": place} if place else {})}
