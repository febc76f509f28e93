"""Where the protocol endpoints are."""

from collections.abc import Mapping

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from identity.oauth.authorize import Authorize
from identity.oauth.introspect import introspection_endpoint
from identity.oauth.logout import Logout
from identity.oauth.metadata import KeySet, metadata_document
from identity.oauth.revoke import revocation_endpoint
from identity.oauth.token import token_endpoint
from identity.oauth.userinfo import Userinfo
from identity.oauth.wire import PostEndpoint
from identity.services import Services


def hot_routes(services: Services) -> Mapping[str, ASGIApp]:
    """The endpoints that programs call, by exact path: found without asking a router."""
    document = metadata_document(services)
    return {
        "/oauth/token": PostEndpoint(token_endpoint(services)),
        "/oauth/introspect": PostEndpoint(introspection_endpoint(services)),
        "/oauth/revoke": PostEndpoint(revocation_endpoint(services)),
        "/oauth/userinfo": Userinfo(services),
        "/.well-known/openid-configuration": document,
        "/.well-known/oauth-authorization-server": document,
        "/.well-known/jwks.json": KeySet(services),
    }


def routes(services: Services) -> list[BaseRoute]:
    """The endpoints that browsers open."""
    return [
        Route("/oauth/authorize", Authorize(services).__call__, methods=["GET", "POST"]),
        Route("/oauth/logout", Logout(services).__call__, methods=["GET", "POST"]),
    ]
