"""What the SDK's tests share: an issuer, a clock that moves only when told, a verifier of both, and an intake."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ostiary import AuditEmitter, EmitterLimits, SyncVerifier
from ostiary.testing import FakeIssuer, FakeKey, make_key
from tests.sdk.clocks import Clock
from tests.sdk.feed_server import FeedServer, OpenFeed, feeding, opening
from tests.sdk.intake_server import QUICK, TOKEN, Intake, MakeEmitter, listening


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


@pytest.fixture
def intake() -> Iterator[Intake]:
    """A small server for audit events."""
    with listening() as made:
        yield made


@pytest.fixture
def open_emitter(intake: Intake, tmp_path: Path) -> Iterator[MakeEmitter]:
    """Makes emitters for the intake, closed at the end."""
    made: list[AuditEmitter] = []

    def make(
        *, limits: EmitterLimits = QUICK, token: Callable[[], str] = lambda: TOKEN, spool_dir: Path | None = tmp_path
    ) -> AuditEmitter:
        made.append(AuditEmitter(intake.issuer, token, spool_dir=spool_dir, limits=limits))
        return made[-1]

    yield make
    for emitter in made:
        emitter.close()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    """A small issuer with a feed."""
    with feeding() as made:
        yield made


@pytest.fixture
def open_feed(server: FeedServer) -> Iterator[OpenFeed]:
    """Makes feeds of it, closed at the end."""
    with opening(server) as make:
        yield make
