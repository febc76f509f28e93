"""The real server, followed, asked and called: what a service of a company does all day."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import msgspec
import pytest

from ostiary import ClientTokenUnavailable, Feed, SyncClientTokens, SyncIntrospector, SyncVerifier, TokenError
from tests.sdk.intake_server import until
from tests.server.process import environment, ports, run, serving

API = "https://orders.example.com"


class Deployment(msgspec.Struct):
    """A running server and a service's client there."""

    issuer: str
    client_id: str
    client_secret: str


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder: Path = tmp_path_factory.mktemp("server")
    environ = environment(folder, **ports())
    with serving(environ) as (welcome, _):
        ended = run(
            environ, "client", "create", "--name", "orders", "--grant", "client_credentials",
            "--scope", "feed:read", "--scope", "orders:read", "--audience", API, "--json",
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        client = msgspec.json.decode(ended.stdout, type=dict[str, str])
        yield Deployment(welcome["issuer"], client["client_id"], client["client_secret"])


def revoke(deployment: Deployment, token: str) -> float:
    """The moment at which the server said that it is done."""
    answer = httpx2.post(
        deployment.issuer + "/oauth/revoke",
        data={"token": token},
        auth=(deployment.client_id, deployment.client_secret),
        trust_env=False,
    )
    assert answer.status_code == 200
    return time.monotonic()


def is_refused(verifier: SyncVerifier, token: str) -> bool:
    """Whether a token is no good."""
    try:
        verifier.verify(token)
    except TokenError:
        return True
    return False


def test_a_service_calls_with_its_own_token_until_that_is_revoked(deployment: Deployment, tmp_path: Path) -> None:
    """S18, with every part as a service has it: tokens, feed, verifier, introspection."""
    issuer, name, secret = deployment.issuer, deployment.client_id, deployment.client_secret
    tokens = SyncClientTokens(issuer, client_id=name, client_secret=secret, scope="orders:read", resource=API)
    introspector = SyncIntrospector(issuer, client_id=name, client_secret=secret, believed_s=0)
    with closing(introspector), Feed(issuer, client_id=name, client_secret=secret, folder=tmp_path) as feed:
        verifier = SyncVerifier(issuer, API, feed=feed)
        assert feed.wait_ready(10)
        token = tokens.token()
        assert verifier.verify(token).scope == {"orders:read"}
        assert introspector.introspect(token) is True
        done_at = revoke(deployment, token)
        until(lambda: is_refused(verifier, token))
        assert time.monotonic() - done_at < 1
        assert introspector.introspect(token) is False
        tokens.forget(token)
        assert verifier.verify(tokens.token()).client_id == deployment.client_id
        until(lambda: feed.stats.acknowledged == feed.stats.seq)
    with Feed(issuer, client_id=name, client_secret=secret, folder=tmp_path) as cold:
        assert cold.stats.seq == feed.stats.seq
        assert is_refused(SyncVerifier(issuer, API, feed=cold), token)


def test_a_client_that_may_not_is_told_so_without_its_secret(deployment: Deployment) -> None:
    wrong = SyncClientTokens(deployment.issuer, client_id=deployment.client_id, client_secret="ocs_wrong-secret")
    with pytest.raises(ClientTokenUnavailable) as told:
        wrong.token()
    assert told.value.reason == "the issuer answered 401 invalid_client"
    elsewhere = SyncClientTokens(
        deployment.issuer,
        client_id=deployment.client_id,
        client_secret=deployment.client_secret,
        resource="https://elsewhere.example.com",
    )
    with pytest.raises(ClientTokenUnavailable) as told:
        elsewhere.token()
    assert told.value.reason == "the issuer answered 400 invalid_target"
