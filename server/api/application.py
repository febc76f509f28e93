"""The API's application: its routes, its document, and what every endpoint has in common."""

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp

from identity.client_values import SERVER_SCOPES
from identity.services import Services
from server.api import (
    audit_events,
    audit_export,
    audit_intake,
    audit_ledger,
    feed,
    policies,
    policy_drafts,
    reports,
    risk,
)
from server.api.parameter_problems import answer_refused_parameters
from server.api.problems import Problem, answer_http_exception, answer_problem

_QUIET: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
_ABOUT = (
    "The JSON API of Ostiary, for services and administration. Faults are problem documents (RFC 9457) that name the"
    " field and carry the request's id; lists are paged by an opaque cursor (`limit`, `after`)."
)


class Api(FastAPI):
    """FastAPI without what the edge does already: it answers what fails unexpectedly, and caps bodies."""

    def build_middleware_stack(self) -> ASGIApp:
        """The router, and the answers to faults."""
        return ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)

    def openapi(self) -> dict[str, object]:
        """The document, with the one way in that all endpoints share."""
        if not self.openapi_schema:
            made = get_openapi(title=self.title, version=self.version, description=_ABOUT, routes=self.routes)
            flow = {"tokenUrl": "/oauth/token", "scopes": dict.fromkeys(SERVER_SCOPES, "")}
            scheme = {"type": "oauth2", "flows": {"clientCredentials": flow}}
            made.setdefault("components", {})["securitySchemes"] = {"service": scheme}
            self.openapi_schema = made
        return self.openapi_schema


def make_api(services: Services) -> ASGIApp:
    """The application for one deployment."""
    api = Api(
        title="Ostiary",
        version="1",
        openapi_url="/api/v1/openapi.json",
        # Its pages load scripts from elsewhere, which no page of ours does (S9).
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_QUIET,
    )
    made = routers(services)
    for router in made:
        api.include_router(router)
    api.state.routes = [route for router in made for route in router.routes if isinstance(route, Route)]
    api.add_exception_handler(Problem, answer_problem)
    api.add_exception_handler(RequestValidationError, answer_refused_parameters)
    api.add_exception_handler(HTTPException, answer_http_exception)
    return api


def routers(services: Services) -> list[APIRouter]:
    """The resources, each with its addresses."""
    return [
        audit_events.router(services),
        audit_intake.router(services),
        audit_export.router(services),
        audit_ledger.router(services),
        reports.router(services),
        feed.router(services),
        risk.router(services),
        # Before the sets, where `drafts` would be taken for a revision.
        policy_drafts.router(services),
        policies.router(services),
    ]
