"""The way back to the application: a redirect, or a form that posts itself (OAuth 2.0 Form Post Response Mode).

Every answer, errors included, carries `iss` (RFC 9207) and the `state`, where one was sent (S7).
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from identity.services import Services
from identity.values import AuthorizeRequest


def answer(services: Services, request: Request, authorize: AuthorizeRequest, params: Mapping[str, str]) -> Response:
    """The response that takes the browser back to a trusted redirect URI with these parameters."""
    return send_back(
        services,
        request,
        redirect_uri=authorize.redirect_uri,
        response_mode=authorize.response_mode,
        state=authorize.state,
        params=params,
        ui_locales=authorize.ui_locales,
    )


def send_back(
    services: Services,
    request: Request,
    *,
    redirect_uri: str,
    response_mode: str,
    state: str | None,
    params: Mapping[str, str],
    ui_locales: tuple[str, ...] = (),
) -> Response:
    """The same for a request that is refused before all of it was parsed; `redirect_uri` must be trusted."""
    fields = {**params, **({"state": state} if state is not None else {}), "iss": services.settings.issuer}
    if response_mode == "form_post":
        return services.pages.render(
            request,
            "form_post.html",
            pending_authorization=True,
            own_script=True,
            ui_locales=ui_locales,
            action=redirect_uri,
            fields=fields,
        )
    joint = "&" if "?" in redirect_uri else "?"
    # 303, so that a form's POST is never repeated at the application (S8).
    location = redirect_uri + joint + urlencode(fields)
    headers = {"Location": location, "Cache-Control": "no-store"}
    return Response(status_code=303, headers=headers)
