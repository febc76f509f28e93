"""What the gateway's tests share: an issuer, routes, and gateways that are asked as each proxy asks."""

from collections.abc import Callable

import pytest

from ostiary import Verifier
from ostiary.gateway.application import Gateway
from ostiary.gateway.routes_file import parse_routes
from ostiary.testing import FakeIssuer
from tests.gateway.asking import DIALECTS, ROUTES, ROUTES_WITH_AUDIENCE, Asker

MakeGateway = Callable[..., Gateway]


@pytest.fixture
def fake() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
def make_gateway(fake: FakeIssuer) -> MakeGateway:
    """A gateway for tokens of the fake issuer, with what the test hands in."""

    def make(**handed_in: object) -> Gateway:
        verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport())
        routes = parse_routes(ROUTES if handed_in.get("internal_token") is None else ROUTES_WITH_AUDIENCE)
        return Gateway(verifier, routes, **handed_in)  # type: ignore[arg-type]

    return make


@pytest.fixture(params=DIALECTS)
def asker(request: pytest.FixtureRequest, make_gateway: MakeGateway) -> Asker:
    """The test runs once for each kind of proxy."""
    return Asker(make_gateway(), request.param)
