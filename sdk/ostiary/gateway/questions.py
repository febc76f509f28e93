"""A request through the gateway as a question to the policies: the action `call` of a route. Pure.

Facts come from the proven token. What a token does not say (whether a person is an administrator, which factors they
have) is left out; whoever knows more, as the server does, fills it in.
"""

from datetime import UTC, datetime

from ostiary.failure_policy import Sensitivity
from ostiary.gateway.routes import Route
from ostiary.gateway.targets import Target
from ostiary.policy.values import Entity, EntityRef, Question
from ostiary.step_up import AAL1, AAL2, AAL3, PHR, meets_acr
from ostiary.values import AccessToken

_CLASSES = (AAL1, AAL2, AAL3, PHR)
# Where a level of risk begins.
_LEVELS = ((90, "critical"), (60, "high"), (30, "medium"))
# Policies speak of methods in Ostiary's own words, tokens in those of RFC 8176.
_METHODS = {"pwd": "pwd", "otp": "totp", "mca": "mail_code", "swk": "passkey", "hwk": "passkey_attested"}


def question_of(token: AccessToken, target: Target, route: Route, *, address: str | None, now: float) -> Question:
    """May the token's person, or its client, call this route so? `now` is seconds since the epoch."""
    return Question(
        subject=_subject_of(token),
        action="call",
        resource=Entity(EntityRef("Ostiary::Route", route.name), _attributes_of(route)),
        context=_context_of(token, target, address=address, now=now),
    )


def is_person(token: AccessToken) -> bool:
    """Whether the token speaks for a person; a client that calls in its own name is its own subject."""
    return token.sub != token.client_id


def _subject_of(token: AccessToken) -> Entity:
    roles = [EntityRef("Ostiary::Role", name) for name in _texts(token.claims.get("roles"))]
    groups = [EntityRef("Ostiary::Group", name) for name in _texts(token.claims.get("groups"))]
    parents = (*roles, *groups)
    if not is_person(token):
        return Entity(EntityRef("Ostiary::Service", token.client_id), parents=parents)
    # The token was proven and nothing known has revoked it: the tokens of suspended people are revoked.
    return Entity(EntityRef("Ostiary::Person", token.sub), {"state": "active"}, parents)


def _attributes_of(route: Route) -> dict[str, object]:
    found: dict[str, object] = {
        "service": route.service,
        "is_sensitive": route.sensitivity is Sensitivity.SENSITIVE,
    }
    if route.needs.scopes:
        found["scope"] = route.needs.scopes[0]
    return found


def _context_of(token: AccessToken, target: Target, *, address: str | None, now: float) -> dict[str, object]:
    context: dict[str, object] = {
        "time": _time_of(datetime.fromtimestamp(now, UTC)),
        "client": token.client_id,
        "scopes": sorted(token.scope),
        "method": target.method,
        "host": target.host,
        "path": target.path,
    }
    if token.acr is not None and token.auth_time is not None:
        context["authentication"] = {
            "acr": token.acr,
            "classes": [name for name in _CLASSES if meets_acr(token.acr, (name,))] or [token.acr],
            "methods": sorted({_METHODS[name] for name in token.amr if name in _METHODS}),
            "age_s": max(0, int(now - token.auth_time.timestamp())),
        }
    if token.risk is not None:
        level = next((name for begins, name in _LEVELS if token.risk >= begins), "low")
        context["risk"] = {"score": token.risk, "level": level, "reasons": []}
    if address is not None:
        context["address"] = address
    if token.actors:
        # The service that acts for the person now (RFC 8693 §4.1).
        context["caller"] = EntityRef("Ostiary::Service", token.actors[0])
    return context


def _time_of(now: datetime) -> dict[str, object]:
    day = now.year * 10_000 + now.month * 100 + now.day
    epoch_s = int(now.timestamp())
    return {"epoch_s": epoch_s, "hour": now.hour, "minute": now.minute, "weekday": now.isoweekday(), "day": day}


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str) and each] if isinstance(value, list | tuple) else []
