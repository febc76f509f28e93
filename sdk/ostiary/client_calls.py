"""What a service asks the issuer in its own name: one bounded request with its credentials (RFC 6749 §2.3.1)."""

import asyncio
import json
import re
from collections.abc import Mapping

import anyio
import httpx2

from ostiary.call_values import CallFailed, ClientCredentials
from ostiary.discovery import parse_endpoint
from ostiary.errors import KeyFetchError, TokenError
from ostiary.fetch import Route
from ostiary.strict import parse_json_object

MAX_ANSWER_BYTES = 131_072

# Nothing of an answer but these words reaches a log: whatever else stands there may have been told by a stranger.
KNOWN_ERRORS = frozenset(
    (
        "invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "invalid_target",
        "unauthorized_client", "unsupported_grant_type", "temporarily_unavailable", "server_error",
    )
)  # fmt: skip
_SECONDS = re.compile(r"[0-9]{1,6}")


def open_client(route: Route, *, transport: httpx2.AsyncBaseTransport | None) -> httpx2.AsyncClient:
    """A client for the issuer: no redirects, no compression, no proxy from the environment on loopback."""
    return httpx2.AsyncClient(
        transport=transport,
        verify=route.verify,
        trust_env=route.trusts_environment,
        timeout=route.timeout_s,
        follow_redirects=False,
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ostiary-sdk"},
        limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30),
    )


async def find_endpoint(client: httpx2.AsyncClient, route: Route, name: str) -> str:
    """Where the issuer's metadata says that an endpoint is, always at the issuer's own origin; CallFailed."""
    request = client.build_request("GET", route.address.metadata_url)
    status, body, _ = await _answer(client, request, route.timeout_s)
    if status != 200:
        raise CallFailed(f"the metadata was answered with {status}")
    try:
        return parse_endpoint(body, name, expected=route.address)
    except KeyFetchError as error:
        raise CallFailed(str(error)) from error


async def post_form(
    client: httpx2.AsyncClient, route: Route, url: str, *, credentials: ClientCredentials, form: Mapping[str, str]
) -> dict[str, object]:
    """The JSON object that the endpoint answers with 200, within the route's time; CallFailed otherwise."""
    headers = {"Authorization": credentials.authorization}
    request = client.build_request("POST", url, data=dict(form), headers=headers)
    status, body, retry_after = await _answer(client, request, route.timeout_s)
    if status != 200:
        wait_s = float(retry_after) if _SECONDS.fullmatch(retry_after) else 0
        error = _error_of(body)
        words = f"the issuer answered {status} {error}".rstrip()
        raise CallFailed(words, retry_after_s=wait_s, error=error if status == 400 else "")
    try:
        return parse_json_object(body, name="answer", max_brackets=512)
    except TokenError as error:
        raise CallFailed("the issuer's answer is not a plain JSON object") from error


async def close_at_end(client: httpx2.AsyncClient) -> None:
    """Closes the client's connections when the loop ends, which cancels what is at work in it."""
    try:
        await asyncio.Event().wait()
    finally:
        await client.aclose()


async def _answer(client: httpx2.AsyncClient, request: httpx2.Request, timeout_s: float) -> tuple[int, bytes, str]:
    """Status, body and Retry-After of an answer. CallFailed for everything that networks and transports raise."""
    body = bytearray()
    try:
        with anyio.fail_after(timeout_s):
            response = await client.send(request, stream=True, auth=None)
            try:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise CallFailed("the issuer's answer is compressed against our wish")
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise CallFailed(f"the issuer's answer is larger than {MAX_ANSWER_BYTES} bytes")
            finally:
                await response.aclose()
    except CallFailed:
        raise
    except TimeoutError as error:
        raise CallFailed(f"the issuer did not answer within {timeout_s:g} s") from error
    except Exception as error:  # transports and proxy settings raise what they like
        raise CallFailed(f"no answer: {type(error).__name__}") from error
    return response.status_code, bytes(body), response.headers.get("retry-after", "")


def _error_of(body: bytes) -> str:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, str) and error in KNOWN_ERRORS else ""
