"""A request for a token in the place of another, read from its form (RFC 8693 §2.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from base.forms import Form
from identity.client_values import STANDARD_SCOPES
from identity.oauth.errors import OAuthError

_TYPE = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN = _TYPE + "access_token"
# draft-ietf-oauth-transaction-tokens §7.1.
TXN_TOKEN = _TYPE + "txn_token"

Kind = Literal["access_token", "txn_token"]
_KINDS: dict[str, Kind] = {ACCESS_TOKEN: "access_token", TXN_TOKEN: "txn_token"}


@dataclass(frozen=True, slots=True)
class ExchangeRequest:
    """What is asked for; nothing of it is proven. `targets` are resources and audiences: an API has one name here."""

    subject_token: str
    actor_token: str | None
    targets: tuple[str, ...]
    scope: str | None
    kind: Kind


def parse_exchange(form: Form) -> ExchangeRequest:
    """The request in a form; raises OAuthError `invalid_request`, which names the parameter."""
    subject_token = _token(form, "subject_token")
    if subject_token is None:
        raise OAuthError("invalid_request", "subject_token is missing")
    asked = form.get("requested_token_type", ACCESS_TOKEN)
    if asked not in _KINDS:
        raise OAuthError("invalid_request", f"requested_token_type: expected {' or '.join(_KINDS)}")
    targets = (*form.all("resource"), *form.all("audience"))
    actor_token = _token(form, "actor_token")
    return ExchangeRequest(subject_token, actor_token, targets, form.get("scope"), _KINDS[asked])


def _token(form: Form, name: str) -> str | None:
    """The token under this name, which stands beside its type and never without it."""
    text, told = form.get(name), form.get(f"{name}_type")
    if text is None and told is not None:
        raise OAuthError("invalid_request", f"{name}_type: expected {name} beside it")
    if text is not None and told is None:
        raise OAuthError("invalid_request", f"{name}_type is missing")
    if told is not None and told != ACCESS_TOKEN:
        raise OAuthError("invalid_request", f"{name}_type: expected {ACCESS_TOKEN}")
    return text


def exchanged_scope(held: Sequence[str], allowed: Sequence[str], asked: str | None) -> tuple[str, ...]:
    """The scopes of the new token: never more than the old one had, nor than the caller may ask for at the API.

    Without `asked` it is all of these but the standard ones, which may be none. Raises OAuthError `invalid_scope`.
    """
    both = tuple(scope for scope in held if scope and scope in allowed)
    if asked is None:
        return tuple(scope for scope in both if scope not in STANDARD_SCOPES)
    wanted = tuple(dict.fromkeys(part for part in asked.split(" ") if part))
    if not wanted or not set(wanted) <= set(both):
        words = "the scope is wider than the subject token's, or than what this client may ask for at this API"
        raise OAuthError("invalid_scope", words)
    return wanted
