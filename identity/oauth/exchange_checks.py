"""An exchange of tokens, checked: is the old one good, may this client have the new one, who will act (RFC 8693 §2)."""

from dataclasses import dataclass

from identity.client_values import Api
from identity.exchanged_tokens import MAX_ACTORS, actors_of
from identity.oauth.errors import OAuthError
from identity.oauth.exchange_request import ExchangeRequest, Kind, exchanged_scope, parse_exchange
from identity.oauth.scopes import allowed_scopes, choose_api
from identity.oauth.token_request import TokenRequest
from identity.oauth.token_state import LiveAccessToken, find_live_access_token
from policy.assurance import AAL1
from policy.exchange import unmet_scopes

NOT_GOOD = "is not a living access token of this server that this client may exchange"


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a client may have in the place of `subject`, as far as it goes without the policy.

    `actors` act for the subject, the current one first; `actor` is the token that says so, where one was given.
    """

    subject: LiveAccessToken
    actor: LiveAccessToken | None
    api: Api
    scopes: tuple[str, ...]
    actors: tuple[str, ...]
    kind: Kind

    @property
    def sources(self) -> tuple[LiveAccessToken, ...]:
        """The tokens that the new one rests on."""
        return (self.subject,) if self.actor is None else (self.subject, self.actor)

    @property
    def acr(self) -> str | None:
        """How the person has proven themselves, as is known now; None where the subject is a service."""
        return None if self.subject.grant is None else self.subject.grant.claims.get("acr", [AAL1])[0]


async def check_exchange(request: TokenRequest) -> Exchange:
    """The exchange that a request asks for. Raises OAuthError."""
    if request.client.is_public:
        raise OAuthError("unauthorized_client", "token exchange needs a client that authenticates")
    asked = parse_exchange(request.form)
    subject = await _load_token(request, "subject_token", asked.subject_token)
    actor = None if asked.actor_token is None else await _load_actor(request, asked.actor_token)
    api = _choose_target(request, asked)
    scopes = _choose_scopes(request, asked, subject, api)
    exchange = Exchange(subject, actor, api, scopes, _choose_actors(request, subject, actor), asked.kind)
    _check_class(exchange)
    return exchange


async def _load_token(request: TokenRequest, name: str, text: str) -> LiveAccessToken:
    """A living access token that the client got itself, or that is meant for an API that it is registered with.

    The same words for every fault: they tell nobody which tokens exist.
    """
    live = await find_live_access_token(request.services, text, now=request.now)
    if live is None:
        raise OAuthError("invalid_request", f"{name} {NOT_GOOD}", reason=f"{name}: not a living access token")
    client = request.client
    if live.text("client_id") != client.client_id and live.text("aud") not in client.apis:
        raise OAuthError("invalid_request", f"{name} {NOT_GOOD}", reason=f"{name}: neither its own nor for its APIs")
    if "cnf" in live.claims:
        raise OAuthError("invalid_request", f"{name} {NOT_GOOD}", reason=f"{name}: bound to a key")
    return live


async def _load_actor(request: TokenRequest, text: str) -> LiveAccessToken:
    """The client's own token for itself: that it was handed another service's makes it nobody else."""
    actor = await _load_token(request, "actor_token", text)
    if actor.text("sub") != request.client.client_id or "act" in actor.claims:
        raise OAuthError("invalid_request", "actor_token: expected one that this client got for itself")
    return actor


def _choose_target(request: TokenRequest, asked: ExchangeRequest) -> Api:
    """The API that the token is for: one of the client's own, and never the server's."""
    services = request.services
    issuer = services.settings.issuer
    api = choose_api(request.client, asked.targets, issuer=issuer, find_api=services.catalogue.find_api)
    if api.identifier == issuer:
        raise OAuthError("invalid_target", "tokens for this server's own API are not given in exchange")
    return api


def _choose_scopes(
    request: TokenRequest, asked: ExchangeRequest, subject: LiveAccessToken, api: Api
) -> tuple[str, ...]:
    allowed = allowed_scopes(request.client, api, issuer=request.services.settings.issuer)
    scopes = exchanged_scope(subject.text("scope").split(" "), allowed, asked.scope)
    if not scopes and asked.kind == "access_token":
        raise OAuthError("invalid_scope", "the subject token has no scope that this client may ask for at this API")
    return scopes


def _choose_actors(request: TokenRequest, subject: LiveAccessToken, actor: LiveAccessToken | None) -> tuple[str, ...]:
    """Nobody new where a client exchanges what was issued to itself."""
    before = actors_of(subject.claims)
    client_id = request.client.client_id
    if actor is None and client_id == subject.text("client_id"):
        return before
    after = before if before[:1] == (client_id,) else (client_id, *before)
    if len(after) > MAX_ACTORS:
        raise OAuthError("invalid_request", f"subject_token: expected at most {MAX_ACTORS} services to act in a row")
    return after


def _check_class(exchange: Exchange) -> None:
    """What a scope of the API asks of a sign-in is asked here, too: another API's scope may have the same name."""
    if exchange.subject.grant is None:
        return
    for scope, acr in unmet_scopes(exchange.scopes, exchange.api.scope_acr, exchange.acr).items():
        raise OAuthError("invalid_scope", f"the scope {scope} asks for a sign-in of the class {acr}")
