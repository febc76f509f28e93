"""What userinfo and ID tokens say of a person: claims by scope and by request (OpenID Connect Core §5.4, §5.5)."""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from msgspec import structs

from identity.oauth.errors import OAuthError

BY_SCOPE: Mapping[str, tuple[str, ...]] = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    # Ours: the names of what the person belongs to.
    "roles": ("roles",),
    "groups": ("groups",),
}  # fmt: skip
SUPPORTED = ("sub", *(claim for claims in BY_SCOPE.values() for claim in claims))
MAX_REQUESTED = 64


def select_claims(known: Mapping[str, object], scopes: Iterable[str], requested: Iterable[str]) -> dict[str, object]:
    """The claims of `known` that the scopes or an explicit request name; what is not known is left out."""
    wanted = {claim for scope in scopes for claim in BY_SCOPE.get(scope, ())} | (set(requested) & set(SUPPORTED))
    return {claim: value for claim, value in known.items() if claim in wanted and value is not None}


def scopes_of(claims: Iterable[str]) -> tuple[str, ...]:
    """The scopes that these claims belong to."""
    wanted = set(claims)
    return tuple(scope for scope, names in BY_SCOPE.items() if not wanted.isdisjoint(names))


class RequestedClaims(msgspec.Struct, frozen=True):
    """The `claims` parameter, reduced to what is obeyed."""

    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()
    essential_acr: tuple[str, ...] = ()
    sub: str | None = None


def parse_claims(text: str | None) -> RequestedClaims:
    """The `claims` request parameter (OpenID Connect Core §5.5); raises OAuthError `invalid_request`."""
    if text is None:
        return RequestedClaims()
    try:
        asked = msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        raise OAuthError("invalid_request", "claims must be a JSON object") from None
    places: dict[str, dict[str, object]] = {}
    for place in ("userinfo", "id_token"):
        members = asked.get(place, {})
        if not isinstance(members, dict) or len(members) > MAX_REQUESTED:
            raise OAuthError("invalid_request", f"claims.{place} must be an object of at most {MAX_REQUESTED} claims")
        places[place] = members
    sub = _wanted_values(places["id_token"].get("sub"))
    return RequestedClaims(
        userinfo=tuple(places["userinfo"]),
        id_token=tuple(places["id_token"]),
        essential_acr=_essential_acr(places["id_token"].get("acr")),
        sub=sub[0] if sub else None,
    )


def limit_claims(asked: RequestedClaims, allowed_scopes: Collection[str]) -> RequestedClaims:
    """The request without claims of scopes that the client may not ask for: naming a claim is no way around them."""
    allowed = {claim for scope in allowed_scopes for claim in BY_SCOPE.get(scope, ())}
    userinfo = tuple(claim for claim in asked.userinfo if claim in allowed)
    return structs.replace(asked, userinfo=userinfo, id_token=tuple(c for c in asked.id_token if c in allowed))


def _wanted_values(request: object) -> tuple[str, ...]:
    if not isinstance(request, dict):
        return ()
    values = request.get("values", [request.get("value")])
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()


def _essential_acr(request: object) -> tuple[str, ...]:
    if isinstance(request, dict) and request.get("essential") is True:
        return _wanted_values(request)
    return ()
