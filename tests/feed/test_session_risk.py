"""What a service reports of a session reaches every other service while the session's tokens go on."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest

from ostiary import AccessToken, Feed, SyncVerifier, TokenError
from policy.assurance import AAL1, AAL2
from policy.values import RiskThresholds
from tests.feed.fleet import open_fleet
from tests.sdk.intake_server import until
from tests.world import API, World

pytestmark = pytest.mark.anyio


async def tokens_of(world: World) -> tuple[str, str]:
    """A person's token, proven by two factors, and a service's that may report."""
    person = await world.person()
    shop = await world.client(risk_thresholds=RiskThresholds(notice=3, step_up=5, strong=100))
    async with world.browser() as browser:
        await world.sign_in(browser, person, methods=("pwd", "totp"))
        answer = await world.authorize(browser, shop, scope="openid orders:read")
    token = (await world.redeem(shop, answer)).json()["access_token"]
    reporter = await world.client(
        name="reporter", grants=("client_credentials",), redirect_uris=(), scopes=("risk:write",), apis={},
        api_scopes=(),
    )  # fmt: skip
    told = await world.token(reporter, grant_type="client_credentials", scope="risk:write")
    return token, told.json()["access_token"]


async def test_a_report_is_seen_by_every_verifier_within_a_second(database_url: str, tmp_path: Path) -> None:
    """The token says what it said; the verifier knows better: the new score, one factor less, then the end."""
    async with open_fleet(tmp_path, database_url=database_url, redis_url=None, servers=1, services=0) as fleet:
        token, bearer = await tokens_of(fleet.world)
        issuer, client = fleet.world.services.settings.issuer, fleet.client
        feed = Feed(issuer, client_id=client.client.client_id, client_secret=client.secret or "")
        verifier = SyncVerifier(issuer, API, feed=feed)
        try:
            assert await anyio.to_thread.run_sync(feed.wait_ready, 20)
            before: AccessToken = await anyio.to_thread.run_sync(verifier.verify, token)
            assert (before.risk, before.acr) == (None, AAL2)
            # Newer than the token is what was told in a later second.
            await anyio.sleep(1.1)
            sid = str(before.sid)
            done_at = await _report(issuer, bearer, sid, kind="stolen_card")
            await anyio.to_thread.run_sync(partial(until, lambda: verifier.verify(token).acr == AAL1))
            assert time.monotonic() - done_at < 1
            after = verifier.verify(token)
            assert after.risk is not None
            assert after.risk >= 5
            done_at = await _report(issuer, bearer, sid, kind="taken_over")
            await anyio.to_thread.run_sync(partial(until, lambda: _is_revoked(verifier, token)))
            assert time.monotonic() - done_at < 1
        finally:
            feed.close()


async def _report(issuer: str, bearer: str, sid: str, *, kind: str) -> float:
    """When the server had answered."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            issuer + "/api/v1/risk/signals",
            json={"about": {"session": sid}, "kind": kind, "weight": 5},
            headers={"authorization": f"Bearer {bearer}"},
        )
    assert answer.status_code == 201, answer.text
    return time.monotonic()


def _is_revoked(verifier: SyncVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except TokenError:
        return True
    return False
