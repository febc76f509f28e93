"""The demo's API behind the SDK's guard, as a company's own services would be; its payslip wants two factors."""

import httpx2
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ostiary import Verifier
from ostiary.asgi import RequireToken, load_token, require_authentication
from ostiary.step_up import AAL2
from server.demo.registration import API_SCOPE, PAYSLIP, api_identifier


def guarded_api(issuer: str, server: ASGIApp) -> ASGIApp:
    """The API for one deployment. The SDK fetches the keys from `server` in this process, and only at first use."""
    verifier = Verifier(issuer, api_identifier(issuer), transport=httpx2.ASGITransport(server))
    return RequireToken(_answer, verifier, scopes=[API_SCOPE], realm="demo")


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    is_payslip = str(scope["path"]).endswith(PAYSLIP)
    await (_show_payslip if is_payslip else _say_who_calls)(scope, receive, send)


async def _show_payslip(scope: Scope, receive: Receive, send: Send) -> None:
    """For whoever proved themselves by two factors (RFC 9470); the others are told so by the guard."""
    token = require_authentication(scope, acr=AAL2)
    body = {"payslip_of": token.sub, "month": "2026-10", "net": "1815.12", "signed_in_by": token.acr}
    await JSONResponse(body, headers={"Cache-Control": "no-store"})(scope, receive, send)


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
