"""No change without its event: where the audit store is broken, changes answer 503 and nothing has changed (S44)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import httpx2
import pytest
from sqlalchemy import Table, select, text

from base.tables import metadata
from identity.client_values import TOKEN_EXCHANGE
from identity.oauth.exchange_request import TXN_TOKEN
from tests.oauth.exchanges import exchange
from tests.oauth.refusals import check_refused
from tests.world import Answer, CreatedClient, World

pytestmark = pytest.mark.anyio

# What a refused change must have left as it was.
STATE = ("grants", "single_use", "sessions", "revoked_tokens", "feed", "attempts", "people", "lockouts")


@asynccontextmanager
async def broken(world: World, table: str) -> AsyncIterator[None]:
    """The table is not there for a while."""
    async with world.services.database.transaction() as db:
        await db.execute(text(f"ALTER TABLE {table} RENAME TO {table}_away"))
    try:
        yield
    finally:
        async with world.services.database.transaction() as db:
            await db.execute(text(f"ALTER TABLE {table}_away RENAME TO {table}"))


async def rows(world: World) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the tables of `STATE`."""
    async with world.services.database.reading() as db:
        tables: list[Table] = [metadata.tables[name] for name in STATE]
        return {table.name: sorted(map(tuple, await db.execute(select(table))), key=repr) for table in tables}


Change = Callable[[World, CreatedClient, Mapping[str, str], Answer], Awaitable[httpx2.Response]]


async def redeem(world: World, client: CreatedClient, _tokens: Mapping[str, str], code: Answer) -> httpx2.Response:
    return await world.redeem(client, code)


async def refresh(world: World, client: CreatedClient, tokens: Mapping[str, str], _code: Answer) -> httpx2.Response:
    return await world.refresh(client, tokens["refresh_token"])


async def own_token(world: World, client: CreatedClient, _tokens: Mapping[str, str], _code: Answer) -> httpx2.Response:
    return await world.token(client, grant_type="client_credentials")


async def wrong_secret(
    world: World, client: CreatedClient, _tokens: Mapping[str, str], _code: Answer
) -> httpx2.Response:
    return await world.token(CreatedClient(client.client, "wrong"), grant_type="client_credentials")


async def revoke_access(
    world: World, client: CreatedClient, tokens: Mapping[str, str], _code: Answer
) -> httpx2.Response:
    return await world.token(client, path="/oauth/revoke", token=tokens["access_token"])


async def revoke_grant(
    world: World, client: CreatedClient, tokens: Mapping[str, str], _code: Answer
) -> httpx2.Response:
    return await world.token(client, path="/oauth/revoke", token=tokens["refresh_token"])


async def sign_out(world: World, _client: CreatedClient, tokens: Mapping[str, str], _code: Answer) -> httpx2.Response:
    async with world.browser() as browser:
        browser.cookies.set("__Host-ostiary_session", tokens["cookie"], domain="id.example.com")
        return await browser.get("/oauth/logout", params={"id_token_hint": tokens["id_token"]})


async def authorize(world: World, client: CreatedClient, tokens: Mapping[str, str], _code: Answer) -> httpx2.Response:
    async with world.browser() as browser:
        browser.cookies.set("__Host-ostiary_session", tokens["cookie"], domain="id.example.com")
        return await browser.get(world.authorize_url(client))


async def exchange_it(world: World, client: CreatedClient, tokens: Mapping[str, str], _code: Answer) -> httpx2.Response:
    return await exchange(world, client, tokens["access_token"], kind=TXN_TOKEN)


CHANGES: Mapping[str, Change] = {
    "code exchange": redeem,
    "refresh": refresh,
    "client credentials": own_token,
    "token exchange": exchange_it,
    "a failed client authentication": wrong_secret,
    "revocation of an access token": revoke_access,
    "revocation of a grant": revoke_grant,
    "sign-out": sign_out,
    "authorization": authorize,
}


async def prepare(world: World) -> tuple[CreatedClient, dict[str, str], Answer]:
    grants = ("authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE)
    client = await world.client(grants=grants)
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        cookie = browser.cookies["__Host-ostiary_session"]
        tokens = (await world.redeem(client, await world.authorize(browser, client))).json()
        code = await world.authorize(browser, client)
    return client, {**tokens, "cookie": cookie}, code


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_whose_event_cannot_be_written_answers_503_and_changes_nothing(
    world: World, change: str
) -> None:
    """S44, S19, I5"""
    client, tokens, code = await prepare(world)
    before = await rows(world)
    async with broken(world, "events"):
        response = await CHANGES[change](world, client, tokens, code)
        assert response.status_code == 503, response.text
        assert response.headers["retry-after"] == "2"
        assert "events" not in response.text
        assert await rows(world) == before
    # An unknown outcome is safe to repeat.
    again = await CHANGES[change](world, client, tokens, code)
    assert again.status_code in (200, 303, 401)


async def test_reads_go_on_while_the_audit_store_is_away(world: World) -> None:
    """S44"""
    client, tokens, _ = await prepare(world)
    async with broken(world, "events"), world.browser() as caller:
        assert (await world.introspect(client, tokens["access_token"]))["active"] is True
        assert (await world.userinfo(tokens["access_token"])).status_code == 200
        assert (await caller.get("/.well-known/openid-configuration")).status_code == 200


@pytest.mark.parametrize("table", ["revoked_tokens", "feed", "grants"])
async def test_a_storage_error_while_revoking_is_never_a_success(world: World, table: str) -> None:
    """S19"""
    client, tokens, _ = await prepare(world)
    kind = "access_token" if table == "revoked_tokens" else "refresh_token"
    async with broken(world, table):
        response = await world.token(client, path="/oauth/revoke", token=tokens[kind])
        check_refused(response, "temporarily_unavailable", "try again", status=503)
    assert (await world.introspect(client, tokens[kind]))["active"] is True


async def test_introspection_and_userinfo_fail_closed(world: World) -> None:
    """S18, I6"""
    client, tokens, _ = await prepare(world)
    async with broken(world, "revoked_tokens"):
        for kind in ("access_token",):
            answer = await world.token(client, path="/oauth/introspect", token=tokens[kind])
            assert answer.status_code == 503
        assert (await world.userinfo(tokens["access_token"])).status_code == 503
