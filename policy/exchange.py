"""A token in the place of another as a question to the policies: the action `exchange` of the schema."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ostiary.policy.values import Entity, EntityRef, Question
from policy.assurance import AAL1, AAL2, AAL3, PHR
from policy.context_parts import risk_of, time_of

ACTION = "exchange"

# A level holds all below it; what is phishing-resistant is two factors, and only the third level is more.
_IMPLIED: Mapping[str, frozenset[str]] = {
    AAL1: frozenset({AAL1}),
    AAL2: frozenset({AAL1, AAL2}),
    PHR: frozenset({AAL1, AAL2, PHR}),
    AAL3: frozenset({AAL1, AAL2, PHR, AAL3}),
}
_METHODS = {"pwd": "pwd", "otp": "totp", "mca": "mail_code", "swk": "passkey", "hwk": "passkey_attested"}


@dataclass(frozen=True, slots=True)
class ExchangeFacts:
    """One exchange as asked for; that the token is good, and the scope no wider, was checked before.

    `caller` asks, as a service that acts for the subject or for itself; `application` is whom the first token of all
    was issued to. `risk` is the score of the person's session, None where none was made; `acr`, `amr` and `age_s` say
    how and how long ago they signed in, and `acr` is None of a service.
    """

    caller: Entity
    application: str
    audience: str
    scopes: tuple[str, ...]
    risk: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    age_s: int = 0


def exchange_question(subject: Entity, facts: ExchangeFacts, now: datetime) -> Question:
    """Whether the caller may have a token of this subject for this API."""
    context: dict[str, object] = {
        "time": time_of(now),
        "client": facts.application,
        "caller": facts.caller.ref,
        "scopes": sorted(facts.scopes),
    }
    if facts.risk is not None:
        context["risk"] = risk_of(facts.risk)
    if facts.acr is not None:
        context["authentication"] = _authentication_told(facts.acr, facts.amr, age_s=facts.age_s)
    resource = Entity(EntityRef("Ostiary::Api", facts.audience))
    others = () if facts.caller.ref == subject.ref else (facts.caller,)
    return Question(subject, ACTION, resource, context, others)


def _authentication_told(acr: str, amr: tuple[str, ...], *, age_s: int) -> dict[str, object]:
    """What a token says of a sign-in, in our own words.

    A class that is lower than its methods amount to was lowered: the methods count no more than it says.
    """
    classes = _IMPLIED.get(acr, frozenset())
    if acr != AAL1 and not {"swk", "hwk"}.isdisjoint(amr):
        classes |= _IMPLIED[PHR]
    methods = [_METHODS[name] for name in amr if name in _METHODS]
    return {"acr": acr, "classes": sorted(classes), "methods": sorted(methods), "age_s": age_s}


def unmet_scopes(scopes: Iterable[str], scope_acr: Mapping[str, str], acr: str | None) -> dict[str, str]:
    """The scopes that ask for a better class than the token states, each with the class that it asks for."""
    met = _IMPLIED.get(acr or "", frozenset())
    return {scope: scope_acr[scope] for scope in scopes if scope in scope_acr and scope_acr[scope] not in met}
