"""From a proven payload to typed claims (RFC 9068 §2.2 and §4, RFC 7519 §4.1, RFC 8725 §3.8 to §3.10)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from ostiary.errors import TokenError, TokenErrorCode
from ostiary.values import AccessToken, Expectations

# 9999-12-31T23:59:59Z, the last second that a datetime can hold.
MAX_TIME = 253_402_300_799
MAX_RISK = 100
MAX_ACTORS = 16

_CONTAINERS = (dict, list)


def parse_access_token(payload: Mapping[str, object], *, expected: Expectations, now: float) -> AccessToken:
    """The typed claims of a token meant for us and valid now, or TokenError naming the claim.

    The signature must have been checked before. `now` is seconds since the epoch.
    """
    exp_s, iat_s = _seconds(payload, "exp"), _seconds(payload, "iat")
    token = AccessToken(
        iss=_text(payload, "iss"),
        sub=_text(payload, "sub"),
        aud=_audience(payload),
        exp=datetime.fromtimestamp(exp_s, UTC),
        iat=datetime.fromtimestamp(iat_s, UTC),
        jti=_text(payload, "jti"),
        client_id=_text(payload, "client_id"),
        scope=frozenset(filter(None, (_optional_text(payload, "scope") or "").split(" "))),
        grant=_optional_text(payload, "grant"),
        sid=_optional_text(payload, "sid"),
        auth_time=datetime.fromtimestamp(_seconds(payload, "auth_time"), UTC) if "auth_time" in payload else None,
        acr=_optional_text(payload, "acr"),
        amr=_texts(payload, "amr") if "amr" in payload else (),
        risk=_risk(payload) if "risk" in payload else None,
        cnf=_confirmation(payload) if "cnf" in payload else None,
        claims=_frozen_members(payload),
        actors=_actors(payload),
        azp=_optional_text(payload, "azp"),
    )
    if token.iss != expected.issuer:
        raise TokenError(TokenErrorCode.WRONG_ISSUER, "iss must be the issuer that this service trusts")
    if expected.audience not in token.aud:
        raise TokenError(TokenErrorCode.WRONG_AUDIENCE, "aud must contain this service")
    if token.cnf is not None and not expected.accepts_bound:
        raise TokenError(TokenErrorCode.PROOF_REQUIRED, "cnf binds the token to a key; it is no bearer token")
    if "nbf" in payload and _seconds(payload, "nbf") > now + expected.leeway_s:
        raise TokenError(TokenErrorCode.NOT_YET_VALID, "nbf lies in the future")
    if iat_s > now + expected.leeway_s:
        raise TokenError(TokenErrorCode.NOT_YET_VALID, "iat lies in the future")
    if now >= exp_s + expected.leeway_s:
        raise TokenError(TokenErrorCode.EXPIRED, "exp has passed")
    return token


def check_unexpired(token: AccessToken, *, expected: Expectations, now: float) -> None:
    """Raise TokenError from `exp` on, leeway included (RFC 7519 §4.1.4: on or after)."""
    if now >= token.exp.timestamp() + expected.leeway_s:
        raise TokenError(TokenErrorCode.EXPIRED, "exp has passed")


def _present(payload: Mapping[str, object], name: str) -> object:
    if name not in payload:
        raise TokenError(TokenErrorCode.MISSING_CLAIM, f"{name} is missing")
    return payload[name]


def _invalid(name: str, expected_words: str) -> TokenError:
    return TokenError(TokenErrorCode.INVALID_CLAIM, f"{name} must be {expected_words}")


def _text(payload: Mapping[str, object], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not value:
        _present(payload, name)
        raise _invalid(name, "a non-empty string")
    return value


def _optional_text(payload: Mapping[str, object], name: str) -> str | None:
    value = payload.get(name)
    if not isinstance(value, str):
        if name not in payload:
            return None
        raise _invalid(name, "a string")
    return value


def _texts(payload: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = _present(payload, name)
    if not isinstance(value, list):
        raise _invalid(name, "a list of strings")
    for item in value:
        if not isinstance(item, str):
            raise _invalid(name, "a list of strings")
    return tuple(value)


def _audience(payload: Mapping[str, object]) -> tuple[str, ...]:
    value = _present(payload, "aud")
    return (value,) if isinstance(value, str) else _texts(payload, "aud")


def _seconds(payload: Mapping[str, object], name: str) -> int:
    value = _present(payload, name)
    # `type(...) is int` and not isinstance: True is an int to Python, but no time to anyone.
    if type(value) is not int or not 0 <= value <= MAX_TIME:
        raise _invalid(name, "a whole number of seconds since 1970")
    return value


def _risk(payload: Mapping[str, object]) -> int:
    value = payload["risk"]
    if type(value) is not int or not 0 <= value <= MAX_RISK:
        raise _invalid("risk", f"a whole number from 0 to {MAX_RISK}")
    return value


def _confirmation(payload: Mapping[str, object]) -> Mapping[str, object]:
    value = payload["cnf"]
    if not isinstance(value, dict):
        raise _invalid("cnf", "an object")
    return _frozen_members(value)


def _actors(payload: Mapping[str, object]) -> tuple[str, ...]:
    """Who acts, the current actor first (RFC 8693 §4.1)."""
    found: list[str] = []
    within: Mapping[str, object] = payload
    while "act" in within:
        act = within["act"]
        if not isinstance(act, dict) or len(found) == MAX_ACTORS:
            raise _invalid("act", f"an object with sub, and at most {MAX_ACTORS} of them within one another")
        found.append(_text(act, "sub"))
        within = act
    return tuple(found)


def _frozen_members(value: Mapping[str, object]) -> Mapping[str, object]:
    members = dict(value)
    for name, member in value.items():
        if isinstance(member, _CONTAINERS):
            members[name] = _frozen(member)
    return MappingProxyType(members)


def _frozen(value: object) -> object:
    """The value, unchangeable at every depth: a verified token is shared by the cache among requests."""
    if isinstance(value, dict):
        return _frozen_members(value)
    if isinstance(value, list):
        return tuple([_frozen(item) for item in value])
    return value
