"""The demo's API: one address behind the SDK's guard, as a company's own services would be."""

import httpx2
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ostiary import Verifier
from ostiary.asgi import RequireToken, load_token
from server.demo.registration import API_SCOPE, api_identifier


def guarded_api(issuer: str, server: ASGIApp) -> ASGIApp:
    """The API for one deployment. The SDK fetches the keys from `server` in this process, and only at first use."""
    verifier = Verifier(issuer, api_identifier(issuer), transport=httpx2.ASGITransport(server))
    return RequireToken(_say_who_calls, verifier, scopes=[API_SCOPE], realm="demo")


async def _say_who_calls(scope: Scope, receive: Receive, send: Send) -> None:
    """What a service knows of its caller after the guard: only what the token says."""
    token = load_token(scope)
    body = {
        "message": "The token is good.",
        "person": token.sub,
        "application": token.client_id,
        "scopes": sorted(token.scope),
        "signed_in_with": list(token.amr),
        "token_expires_at": token.exp.isoformat(),
    }
    await JSONResponse(body, headers={"Cache-Control": "no-store"})(scope, receive, send)
