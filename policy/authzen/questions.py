"""An evaluation as a question to the policies: the context by the schema's names, in the schema's shapes.

What a context says of a person's sign-in and risk is believed: whoever may ask enforces the answer, too (§11.3).
The time is our own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from ostiary.policy.values import Entity, Question
from policy.assurance import AAL1, AAL2, AAL3, PHR, met_by
from policy.authzen.messages import Evaluation, Malformed
from policy.context_parts import risk_of, time_of

_IMPLIED = {AAL1: {AAL1}, AAL2: {AAL1, AAL2}, PHR: {AAL1, AAL2, PHR}, AAL3: {AAL1, AAL2, PHR, AAL3}}
# Our methods by the names of RFC 8176, as our tokens state them; which kind of passkey it was, `acr` says.
_METHODS = {"pwd": "pwd", "otp": "totp", "mca": "mail_code", "swk": "passkey", "hwk": "passkey_attested"}
_SERVICE = "Ostiary::Service"


def question_of(
    evaluation: Evaluation, subject: Entity, resource: Entity, *, caller: Entity | None = None, now: datetime
) -> Question:
    """The question; `subject`, `resource` and `caller` are what is known of those who are named.

    Raises Malformed for parts of the context that cannot be read.
    """
    context = dict(evaluation.context)
    address = evaluation.subject.properties.get("ip_address")
    if address is not None:
        context.setdefault("address", address)
    context["scopes"] = _scopes(context.get("scopes"))
    context["time"] = time_of(now)
    if context.get("risk") is not None:
        context["risk"] = _risk(context["risk"])
    if context.get("authentication") is not None:
        context["authentication"] = _authentication(context["authentication"], now)
    if caller is None:
        context.pop("caller", None)
        return Question(subject, evaluation.action, resource, context)
    context["caller"] = caller.ref
    return Question(subject, evaluation.action, resource, context, (caller,))


def caller_of(context: Mapping[str, object]) -> str | None:
    """The id of the service that acts for the subject, where the context names one. Raises Malformed."""
    named = context.get("caller")
    if named is None or isinstance(named, str):
        return named
    if isinstance(named, Mapping) and named.get("type") in ("service", "client", _SERVICE):
        found = named.get("id")
        if isinstance(found, str):
            return found
    raise Malformed("context.caller", "the id of a service")


def _scopes(given: object) -> list[str]:
    return given.split() if isinstance(given, str) else sorted(set(_texts(given, "context.scopes")))


def _risk(given: object) -> dict[str, object]:
    told = given if isinstance(given, Mapping) else {"score": given}
    score = told.get("score")
    if isinstance(score, bool) or not isinstance(score, int) or not 0 <= score <= 100:
        raise Malformed("context.risk", "a score from 0 to 100, or an object with one")
    return risk_of(score, _texts(told.get("reasons"), "context.risk.reasons"))


def _authentication(given: object, now: datetime) -> dict[str, object]:
    """From `acr`, `amr` and `auth_time` as tokens have them, or `methods`, `classes` and `age_s` as policies do."""
    if not isinstance(given, Mapping):
        raise Malformed("context.authentication", "an object with acr, amr and auth_time")
    amr = _texts(given.get("amr"), "context.authentication.amr")
    methods = set(_texts(given.get("methods"), "context.authentication.methods"))
    methods |= {_METHODS[name] for name in amr if name in _METHODS}
    classes = set(_texts(given.get("classes"), "context.authentication.classes")) | met_by(frozenset(methods))
    acr = given.get("acr")
    if acr is not None and not isinstance(acr, str):
        raise Malformed("context.authentication.acr", "a string")
    if acr is not None:
        classes |= _IMPLIED.get(acr, {acr})
    else:
        acr = next((known for known in (AAL3, AAL2) if known in classes), AAL1)
    return {"acr": acr, "classes": sorted(classes), "methods": sorted(methods), "age_s": _age_s(given, now)}


def _age_s(given: Mapping[str, object], now: datetime) -> int:
    """How long ago the sign-in was; where nobody says, as long ago as can be."""
    if (age_s := given.get("age_s")) is not None:
        return _seconds(age_s, "context.authentication.age_s")
    at = given.get("auth_time")
    return max(0, int(now.timestamp()) - (0 if at is None else _seconds(at, "context.authentication.auth_time")))


def _seconds(given: object, field: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**40:
        raise Malformed(field, "whole seconds")
    return given


def _texts(given: object, field: str) -> Sequence[str]:
    """An array of strings; empty where there is none."""
    if given is None:
        return ()
    try:
        return msgspec.convert(given, list[str])
    except msgspec.ValidationError:
        raise Malformed(field, "an array of strings") from None
