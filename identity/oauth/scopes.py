"""Which scopes, for which API: resource indicators and the limits of a client (RFC 6749 §3.3, RFC 8707)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from identity.client_values import SERVER_SCOPES, STANDARD_SCOPES, Api, Client
from identity.oauth.errors import OAuthError

FindApi = Callable[[str], Api | None]


@dataclass(frozen=True, slots=True)
class Access:
    """What a token may be used for: scopes in the order asked, and the API that it is for."""

    scopes: tuple[str, ...]
    api: Api

    @property
    def scope(self) -> str:
        """The scopes as the protocol writes them."""
        return " ".join(self.scopes)


def choose_api(client: Client, resources: Sequence[str], *, issuer: str, find_api: FindApi) -> Api:
    """The API that a request is for; raises OAuthError `invalid_target`."""
    if len(set(resources)) > 1:
        raise OAuthError("invalid_target", "one resource a request: ask for one token for each API")
    identifier = resources[0] if resources else next(iter(client.apis), issuer)
    api = find_api(identifier)
    if api is None or (resources and identifier not in client.apis and identifier != issuer):
        raise OAuthError("invalid_target", "the resource is not an API that this client may use")
    return api


def allowed_scopes(client: Client, api: Api, *, issuer: str) -> tuple[str, ...]:
    """Every scope of this API, then every standard scope, that the client may ask for."""
    own = client.apis.get(api.identifier, ())
    if api.identifier == issuer:
        own = tuple(scope for scope in SERVER_SCOPES if scope in client.scopes)
    else:
        own = tuple(scope for scope in own if scope in api.scopes)
    return own + tuple(scope for scope in STANDARD_SCOPES if scope in client.scopes)


def resolve_access(
    client: Client,
    asked: str | None,
    resources: Sequence[str],
    *,
    issuer: str,
    find_api: FindApi,
    for_client_itself: bool = False,
) -> Access:
    """The access that a request asks for; raises OAuthError `invalid_target` or `invalid_scope`.

    Without `scope` it is all of the API's scopes that the client may ask for. A client asking for itself gets no
    standard scopes: they are about a person.
    """
    api = choose_api(client, resources, issuer=issuer, find_api=find_api)
    allowed = allowed_scopes(client, api, issuer=issuer)
    if for_client_itself:
        allowed = tuple(scope for scope in allowed if scope not in STANDARD_SCOPES)
    if asked is None:
        return Access(tuple(scope for scope in allowed if scope not in STANDARD_SCOPES), api)
    scopes = tuple(dict.fromkeys(part for part in asked.split(" ") if part))
    unknown = [scope for scope in scopes if scope not in allowed]
    if unknown or not scopes:
        raise OAuthError("invalid_scope", "this client may not ask for all of these scopes at this resource")
    return Access(scopes, api)


def narrow(granted: str, asked: str | None) -> str:
    """The granted scope, or the part of it that is asked for; it never grows (S10). Raises OAuthError."""
    if asked is None:
        return granted
    wanted = tuple(dict.fromkeys(part for part in asked.split(" ") if part))
    if not wanted or not set(wanted) <= set(granted.split(" ")):
        raise OAuthError("invalid_scope", "the scope is wider than what was granted")
    return " ".join(wanted)
