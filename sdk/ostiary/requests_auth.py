"""`requests` in this service's own name: `session.auth = ClientAuth(SyncClientTokens(…), origin=…)`.

Needs the package `requests`, which this SDK does not bring.
"""

from typing import TypedDict, Unpack
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.auth import AuthBase

from ostiary.client_tokens import SyncClientTokens


class SendOptions(TypedDict, total=False):
    """How `requests` sends a request."""

    stream: bool
    timeout: float | tuple[float | None, float | None] | None
    verify: bool | str
    cert: str | tuple[str, str] | None
    proxies: dict[str, str] | None


class ClientAuth(AuthBase):
    """Sends the service's own token; after a 401 once more, with a fresh one.

    `origin`, such as `https://orders.example.com`, is the only place that gets the token: a request for anywhere else
    goes without one. ClientTokenUnavailable where there is none to be had. A body that is a stream is not sent again.
    """

    def __init__(self, tokens: SyncClientTokens, *, origin: str) -> None:
        self._tokens = tokens
        self._origin = _origin(origin)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Signs the request; called by `requests`."""
        if _origin(request.url or "") != self._origin:
            return request
        token = self._tokens.token()
        request.headers["Authorization"] = f"Bearer {token}"
        if request.body is None or isinstance(request.body, str | bytes):

            def once_more(response: Response, **options: Unpack[SendOptions]) -> Response:
                return self._retry(response, token, options)

            request.register_hook("response", once_more)
        return request

    def _retry(self, response: Response, token: str, options: "SendOptions") -> Response:
        # A redirect takes the hook along, and leads where it likes.
        if response.status_code != 401 or _origin(response.request.url or "") != self._origin:
            return response
        self._tokens.forget(token)
        fresh = self._tokens.token()
        if fresh == token:
            return response
        # The connection goes back to the pool only when the answer was read.
        _ = response.content
        response.close()
        request = response.request.copy()
        request.hooks = {"response": []}
        request.headers["Authorization"] = f"Bearer {fresh}"
        again: Response = response.connection.send(request, **options)
        again.history.append(response)
        again.request = request
        return again


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
