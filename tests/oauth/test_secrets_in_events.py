"""Secrets never stand in events, sealed fields included (S46)."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from audit.export import begin_export, export_events
from base.cookies import cookie_name
from identity.client_values import TOKEN_EXCHANGE
from identity.oauth.exchange_request import ACCESS_TOKEN, TXN_TOKEN
from tests.oauth.exchanges import exchange, exchanged
from tests.world import PASSWORD, CreatedClient, World

pytestmark = pytest.mark.anyio

USUAL = ("authorization_code", "refresh_token", "client_credentials")


async def everything_told(world: World) -> AsyncIterator[str]:
    """Every event as text, personal fields opened."""
    services = world.services
    async with services.database.transaction() as db:
        covered = await begin_export(db, services.emitter, now=world.clock(), actor="cli")
    async for event in export_events(services.database, services.sealer, covered):
        yield msgspec.json.encode(event).decode()


async def test_no_canary_is_found_in_any_event(world: World) -> None:
    """S46"""
    client = await world.client(auth_method="client_secret_post", grants=(*USUAL, TOKEN_EXCHANGE))
    person = await world.person()
    canaries = {PASSWORD, client.secret or ""}
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        answer = await world.authorize(browser, client, scope="openid offline_access", nonce="canary-nonce")
        canaries |= {answer.params["code"], world.verifiers[answer.params["state"]]}
        canaries |= {browser.cookies[cookie_name(world.services.settings, "session")]}
        await world.authorize(browser, client, prompt="login", login_hint="canary-login-hint")
        canaries |= {browser.cookies[cookie_name(world.services.settings, "flow")]}
    tokens = (await world.redeem(client, answer)).json()
    refreshed = (await world.refresh(client, tokens["refresh_token"])).json()
    canaries |= {found[kind] for found in (tokens, refreshed) for kind in ("access_token", "id_token", "refresh_token")}
    for kind in (ACCESS_TOKEN, TXN_TOKEN):
        given = await exchanged(world, client, refreshed["access_token"], kind=kind, scope="openid")
        canaries |= {str(given["access_token"])}
    wrong = "canary-wrong-" + "secret"
    canaries |= {wrong, "canary-nonce", "canary-login-hint", "canary-code", "canary-refresh"}
    await world.token(CreatedClient(client.client, wrong), grant_type="client_credentials")
    await world.token(client, grant_type="authorization_code", code="canary-code", code_verifier=wrong)
    await world.refresh(client, "canary-refresh")
    await world.redeem(client, answer)
    await world.token(client, path="/oauth/revoke", token=refreshed["access_token"])
    await world.userinfo(wrong)
    told = [line async for line in everything_told(world)]
    assert len(told) > 15
    for canary in canaries:
        assert len(canary) >= 10
        assert not [line for line in told if canary in line], canary
        # A signature alone would be as good as the token.
        assert not [line for line in told if canary.rpartition(".")[2] in line]


async def test_no_canary_is_found_in_what_the_caller_is_told(world: World) -> None:
    """S46: error texts do not repeat input."""
    client = await world.client(auth_method="client_secret_post", grants=(*USUAL, TOKEN_EXCHANGE))
    canary = "canary-value-that-was-sent"
    answers = [
        await world.token(client, grant_type=canary),
        await world.token(client, grant_type="authorization_code", code=canary),
        await world.token(client, grant_type="client_credentials", scope=canary),
        await world.refresh(client, canary),
        await exchange(world, client, canary),
        await exchange(world, client, canary, subject_token_type=canary),
        await world.token(client, path="/oauth/introspect", token=canary),
        await world.userinfo(canary),
    ]
    async with world.browser() as browser:
        names = ("client_id", "redirect_uri", "claims", "scope", "prompt", "request", "id_token_hint")
        sent = [await world.authorize(browser, client, **{name: canary}) for name in names]
        answers += [answer.response for answer in sent]
        answers.append(await browser.get("/oauth/logout", params={"id_token_hint": canary}))
    for answer in answers:
        assert canary not in answer.text
        assert canary not in answer.headers.get("location", "")


async def test_an_event_stays_one_line_whatever_a_caller_sends(world: World) -> None:
    """S46"""
    client = await world.client(grants=("client_credentials",), redirect_uris=())
    async with world.browser() as caller:
        auth = (client.client.client_id, client.secret or "")
        data = {"grant_type": "client_credentials", "scope": "a\r\nb\x1b[31m\u2028"}
        agent = {"user-agent": "a\x1b[31mb"}
        assert (await caller.post("/oauth/token", data=data, auth=auth, headers=agent)).status_code == 400
    async for line in everything_told(world):
        assert not set("\r\n\x1b\u2028") & set(line)
