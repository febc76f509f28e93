"""The token endpoint: client authentication, then a grant, then the answer (RFC 6749 §3.2)."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request

from base.forms import REPEATABLE, Form, FormRefused
from base.request import read_form
from identity.assessing.sightings import EDGE_PLACE
from identity.client_values import TOKEN_EXCHANGE
from identity.oauth.client_auth import authenticate_client
from identity.oauth.errors import OAuthError
from identity.oauth.grants import authorization_code, client_credentials, refresh_token, token_exchange
from identity.oauth.refusals import record_token_refusal
from identity.oauth.token_request import TokenRequest
from identity.oauth.wire import Answer, Endpoint, json_answer
from identity.services import Services, origin_of

Redeem = Callable[[TokenRequest], Awaitable[dict[str, object]]]

GRANTS: Mapping[str, Redeem] = {
    "authorization_code": authorization_code.redeem,
    "refresh_token": refresh_token.redeem,
    "client_credentials": client_credentials.redeem,
    TOKEN_EXCHANGE: token_exchange.redeem,
}

_REPEATABLE = REPEATABLE | {"audience"}


def token_endpoint(services: Services) -> Endpoint:
    """The endpoint for one deployment."""

    async def token(request: Request) -> Answer:
        form = await read_form(request, repeatable=_REPEATABLE)
        _check_repeated(form)
        now = services.clock()
        client = await authenticate_client(services, request, form, now=now)
        asked = TokenRequest(services, client, form, origin_of(request), now, request.scope.get(EDGE_PLACE))
        grant_type = form.get("grant_type", "")
        try:
            body = await _choose_grant(asked, grant_type)(asked)
        except OAuthError as error:
            await record_token_refusal(asked, error, grant_type=grant_type if grant_type in GRANTS else "other")
            raise
        return json_answer(200, body)

    return token


def _check_repeated(form: Form) -> None:
    """Token exchange alone may name several audiences (S11; RFC 8693 §2.1)."""
    if len(form.all("audience")) > 1 and form.get("grant_type") != TOKEN_EXCHANGE:
        raise FormRefused("the parameter audience is given more than once")


def _choose_grant(request: TokenRequest, grant_type: str) -> Redeem:
    if not grant_type:
        raise OAuthError("invalid_request", "grant_type is missing")
    redeem = GRANTS.get(grant_type)
    if redeem is None:
        raise OAuthError("unsupported_grant_type", f"expected one of {', '.join(GRANTS)}")
    if grant_type not in request.client.grants:
        raise OAuthError("unauthorized_client", f"this client is not registered for {grant_type}")
    return redeem
