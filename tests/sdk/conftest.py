"""What the SDK's tests share: an issuer, a clock that moves only when told, and a verifier of both."""

import pytest

from ostiary import SyncVerifier
from ostiary.testing import FakeIssuer, FakeKey, make_key
from tests.sdk.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeIssuer:
    return FakeIssuer(clock=clock)


@pytest.fixture
def verifier(fake: FakeIssuer, clock: Clock) -> SyncVerifier:
    return SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)


@pytest.fixture(scope="session")
def rsa_key() -> FakeKey:
    return make_key("RS256", kid="rsa-1")
