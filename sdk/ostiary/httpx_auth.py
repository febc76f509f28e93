"""`httpx2` requests in this service's own name: `AsyncClient(auth=ClientAuth(ClientTokens(…)))`."""

from collections.abc import AsyncGenerator, Generator

import httpx2

from ostiary.client_tokens import ClientTokens, SyncClientTokens
from ostiary.errors import ConfigurationError


class ClientAuth(httpx2.Auth):
    """Sends the service's own token; after a 401 once more, with a fresh one.

    With `ClientTokens` it is for `httpx2.AsyncClient`, with `SyncClientTokens` for `httpx2.Client`. `origin`, such as
    `https://orders.example.com`, is the only place that gets the token: a request for anywhere else goes without one.
    ClientTokenUnavailable where there is none to be had. A body that can be read only once is not sent again.
    """

    def __init__(self, tokens: ClientTokens | SyncClientTokens, *, origin: str) -> None:
        self._tokens = tokens
        self._origin = _origin(httpx2.URL(origin))

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """For `httpx2.AsyncClient`."""
        if not isinstance(self._tokens, ClientTokens):
            raise ConfigurationError("ClientAuth for an AsyncClient takes ClientTokens")
        if _origin(request.url) != self._origin:
            yield request
            return
        token = _sign(request, await self._tokens.token())
        response = yield request
        if response.status_code == 401 and _is_repeatable(request):
            self._tokens.forget(token)
            fresh = await self._tokens.token()
            if fresh != token:
                _sign(request, fresh)
                yield request

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """For `httpx2.Client`."""
        if not isinstance(self._tokens, SyncClientTokens):
            raise ConfigurationError("ClientAuth for a Client takes SyncClientTokens")
        if _origin(request.url) != self._origin:
            yield request
            return
        token = _sign(request, self._tokens.token())
        response = yield request
        if response.status_code == 401 and _is_repeatable(request):
            self._tokens.forget(token)
            fresh = self._tokens.token()
            if fresh != token:
                _sign(request, fresh)
                yield request


def _sign(request: httpx2.Request, token: str) -> str:
    request.headers["Authorization"] = f"Bearer {token}"
    return token


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    default = {"https": 443, "http": 80}.get(url.scheme)
    return url.scheme, url.host, url.port or default


def _is_repeatable(request: httpx2.Request) -> bool:
    """Whether the body stands in memory; a stream was spent on the first attempt."""
    try:
        _ = request.content
    except httpx2.RequestNotRead:
        return False
    return True
