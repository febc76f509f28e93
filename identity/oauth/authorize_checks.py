"""An authorization request, parsed once by a row of checks whose order is fixed (RFC 6749 §4.1.1, OIDC Core §3.1.2.1).

`trust_request` comes first and decides whether the browser may be sent back at all; `AUTHORIZE_CHECKS` then fill a
draft, each raising `OAuthError` for its own fault. Pure: the catalogue and the verifier of hints are handed in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from base.forms import Form
from identity.client_values import Client
from identity.oauth.claims import RequestedClaims, limit_claims, parse_claims, scopes_of
from identity.oauth.errors import OAuthError, UntrustedRequest
from identity.oauth.pkce import is_challenge
from identity.oauth.scopes import Access, FindApi, resolve_access
from identity.redirect_uris import find_redirect_uri
from identity.values import AuthorizeRequest

PROMPTS = ("none", "login", "consent", "select_account")
RESPONSE_MODES = ("query", "form_post")
MAX_STATE_CHARS = 4096

# Gives the subject and audience of an ID token that we signed, expired or not, or None.
VerifyHint = Callable[[str], tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class Trusted:
    """The way back, and whether the request named it."""

    client: Client
    redirect_uri: str
    redirect_uri_given: bool


def trust_request(form: Form, find_client: Callable[[str], Client | None]) -> Trusted:
    """The client and redirect URI of a request; raises UntrustedRequest where the browser must not be sent on (S2)."""
    client = find_client(form.get("client_id", ""))
    if client is None or client.disabled:
        raise UntrustedRequest("The application is not known here: its client_id is missing, wrong or disabled.")
    asked = form.get("redirect_uri")
    if asked is None and len(client.redirect_uris) != 1:
        raise UntrustedRequest("The application did not say where to go afterwards: redirect_uri is missing.")
    found = find_redirect_uri(client.redirect_uris, asked or client.redirect_uris[0])
    if found is None:
        raise UntrustedRequest("The address to go back to is not registered for this application: redirect_uri.")
    return Trusted(client, found, asked is not None)


@dataclass(slots=True)
class Draft:
    """What the checks have made of a request so far."""

    form: Form
    trusted: Trusted
    issuer: str
    find_api: FindApi
    verify_hint: VerifyHint
    access: Access | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    claims: RequestedClaims = field(default_factory=RequestedClaims)
    hint_sub: str | None = None


def check_request_objects(draft: Draft) -> None:
    """Request objects are not supported; nothing inside one is looked at (OIDC Core §6)."""
    for name, code in (
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ):
        if name in draft.form:
            raise OAuthError(code, f"the parameter {name} is not supported")


def check_response_type(draft: Draft) -> None:
    """Only `code` (S6)."""
    asked = draft.form.get("response_type")
    if asked is None:
        raise OAuthError("invalid_request", "response_type is missing: expected code")
    if asked != "code":
        raise OAuthError("unsupported_response_type", "expected response_type=code")
    if "authorization_code" not in draft.trusted.client.grants:
        raise OAuthError("unauthorized_client", "this client is not registered for authorization_code")


def check_response_mode(draft: Draft) -> None:
    """`query` or `form_post`."""
    if draft.form.get("response_mode", "query") not in RESPONSE_MODES:
        raise OAuthError("invalid_request", f"expected response_mode to be one of {', '.join(RESPONSE_MODES)}")


def check_sizes(draft: Draft) -> None:
    """What we keep and hand back has bounds."""
    for name in ("state", "nonce"):
        if len(draft.form.get(name, "")) > MAX_STATE_CHARS:
            raise OAuthError("invalid_request", f"{name} is longer than {MAX_STATE_CHARS} characters")


def check_pkce(draft: Draft) -> None:
    """S256 only; required for public clients, and for others unless the client is registered without (S4)."""
    challenge, client = draft.form.get("code_challenge"), draft.trusted.client
    method = draft.form.get("code_challenge_method")
    if challenge is None:
        if method is not None:
            raise OAuthError("invalid_request", "code_challenge_method without code_challenge")
        if client.require_pkce or client.is_public:
            raise OAuthError("invalid_request", "code_challenge is missing: PKCE with S256 is required")
        return
    if method != "S256":
        raise OAuthError("invalid_request", "expected code_challenge_method=S256")
    if not is_challenge(challenge):
        raise OAuthError("invalid_request", "code_challenge must be 43 characters of base64url")


def check_scope(draft: Draft) -> None:
    """Scopes and resource within the client's limits."""
    draft.access = resolve_access(
        draft.trusted.client,
        draft.form.get("scope"),
        draft.form.all("resource"),
        issuer=draft.issuer,
        find_api=draft.find_api,
    )
    if not draft.access.scopes:
        raise OAuthError("invalid_scope", "scope is missing, and this client has no API to choose for itself")


def check_prompt(draft: Draft) -> None:
    """Known values; `none` stands alone."""
    asked = tuple(dict.fromkeys(draft.form.get("prompt", "").split()))
    if not set(asked) <= set(PROMPTS):
        raise OAuthError("invalid_request", f"expected prompt to be made of {', '.join(PROMPTS)}")
    if "none" in asked and len(asked) > 1:
        raise OAuthError("invalid_request", "prompt=none stands alone")
    draft.prompt = asked


def check_max_age(draft: Draft) -> None:
    """Whole seconds."""
    asked = draft.form.get("max_age")
    if asked is None:
        return
    if not (asked.isascii() and asked.isdigit() and len(asked) <= 9):
        raise OAuthError("invalid_request", "max_age must be a whole number of seconds")
    draft.max_age = int(asked)


def check_claims(draft: Draft) -> None:
    """The `claims` parameter."""
    draft.claims = limit_claims(parse_claims(draft.form.get("claims")), draft.trusted.client.scopes)
    draft.hint_sub = draft.claims.sub


def check_id_token_hint(draft: Draft) -> None:
    """An ID token of ours, for this client; its expiry does not matter."""
    hint = draft.form.get("id_token_hint")
    if hint is None:
        return
    verified = draft.verify_hint(hint)
    if verified is None or verified[1] != draft.trusted.client.client_id:
        raise OAuthError("invalid_request", "id_token_hint is not an ID token that this client got here")
    draft.hint_sub = verified[0]


AUTHORIZE_CHECKS: tuple[Callable[[Draft], None], ...] = (
    check_request_objects,
    check_response_type,
    check_response_mode,
    check_sizes,
    check_pkce,
    check_scope,
    check_prompt,
    check_max_age,
    check_claims,
    check_id_token_hint,
)


def parse_authorize_request(draft: Draft) -> AuthorizeRequest:
    """The request after every check; raises OAuthError with the first fault."""
    for check in AUTHORIZE_CHECKS:
        check(draft)
    form, access = draft.form, draft.access
    if access is None:
        raise OAuthError("invalid_scope", "the request asks for nothing")
    words: Mapping[str, tuple[str, ...]] = {
        name: tuple(form.get(name, "").split()[:16]) for name in ("ui_locales", "acr_values")
    }
    return AuthorizeRequest(
        client_id=draft.trusted.client.client_id,
        redirect_uri=draft.trusted.redirect_uri,
        redirect_uri_given=draft.trusted.redirect_uri_given,
        response_mode="form_post" if form.get("response_mode") == "form_post" else "query",
        scope=access.scopes,
        audience=access.api.identifier,
        state=form.get("state"),
        nonce=form.get("nonce"),
        code_challenge=form.get("code_challenge"),
        prompt=draft.prompt,
        max_age=draft.max_age,
        login_hint=form.get("login_hint", "")[:320] or None,
        ui_locales=words["ui_locales"],
        acr_values=words["acr_values"],
        essential_acr=draft.claims.essential_acr,
        claim_scopes=scopes_of(draft.claims.userinfo + draft.claims.id_token),
        claims={"userinfo": draft.claims.userinfo, "id_token": draft.claims.id_token},
        hint_sub=draft.hint_sub,
    )
