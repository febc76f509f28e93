"""The short-lived token for services behind a gateway (draft-ietf-oauth-transaction-tokens §5, §7)."""

import pytest
from sqlalchemy import update

from identity.exchanged_tokens import (
    MAX_ACTORS,
    MAX_TXN_CHARS,
    TXN_TYPE,
    ExchangedToken,
    TokenTooLarge,
    actors_of,
    mint_txn_token,
)
from identity.memberships import add_member, create_membership, delete_membership
from identity.oauth.exchange_request import ACCESS_TOKEN, TXN_TOKEN
from identity.tables import sessions
from tests.oauth.exchanges import SCOPE, STOCK, exchange, exchanged, make_stock, service, stock_service, txn_token
from tests.oauth.refusals import check_event, check_refused, last_event
from tests.oauth.tokens_read import claims_of, header_of
from tests.world import API, ISSUER, CreatedClient, World

pytestmark = pytest.mark.anyio


async def persons_token(world: World, scope: str = SCOPE) -> tuple[CreatedClient, str]:
    app = await world.client()
    return app, (await world.tokens(app, await world.person(), scope=scope))["access_token"]


async def test_the_answer_is_no_access_token(world: World) -> None:
    """§7.4: token_type is N_A, issued_token_type says what it is, and there is no refresh token."""
    _, token = await persons_token(world)
    body = await exchanged(world, await service(world), token, kind=TXN_TOKEN)
    assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (body["issued_token_type"], body["token_type"], body["expires_in"]) == (TXN_TOKEN, "N_A", 60)


async def test_it_says_who_is_behind_the_request_and_how_sure_that_is(world: World) -> None:
    """§5.2, and what revocation, step-up and policies look at."""
    app, token = await persons_token(world)
    gateway = await service(world)
    text = await txn_token(world, gateway, token)
    old, new = claims_of(token), claims_of(text)
    assert (header_of(text)["typ"], header_of(text)["alg"]) == (TXN_TYPE, "ES256")
    assert header_of(text)["kid"] == header_of(token)["kid"]
    for name in ("iss", "sub", "aud", "grant", "sid", "auth_time", "acr", "amr"):
        assert new[name] == old[name]
    assert (new["client_id"], new["req_wl"]) == (app.client.client_id, gateway.client.client_id)
    assert new["act"] == {"sub": gateway.client.client_id}
    assert new["scope"] == "orders:read orders:write"
    assert int(str(new["exp"])) - int(str(new["iat"])) == 60
    assert new["txn"] == new["jti"]
    assert token not in text
    again = claims_of(await txn_token(world, gateway, token))
    assert again["txn"] != new["txn"], "each is a transaction of its own"
    assert (await last_event(world, "token.issued"))["policy"] == world.services.policies.revision
    await check_event(
        world, "token.issued", outcome="success", kind="txn_token", jti=again["txn"], from_jti=old["jti"],
        grant=old["grant"], audience=API, via=gateway.client.client_id,
    )  # fmt: skip


async def test_it_says_the_score_of_the_session_as_it_is_now(world: World) -> None:
    _, token = await persons_token(world)
    gateway = await service(world)
    async with world.services.database.transaction() as db:
        await db.execute(update(sessions).values(risk=47))
    assert claims_of(await txn_token(world, gateway, token))["risk"] == 47
    body = await exchanged(world, gateway, token)
    assert claims_of(str(body["access_token"]))["risk"] == 47


async def test_a_score_that_was_never_made_is_not_made_up(world: World) -> None:
    """interface.md: absent before, never a 0."""
    _, token = await persons_token(world)
    async with world.services.database.transaction() as db:
        await db.execute(update(sessions).values(risk=None))
    assert "risk" not in claims_of(await txn_token(world, await service(world), token))


async def test_it_may_have_no_scope_at_all(world: World) -> None:
    """A route that asks for none still asks who it is."""
    _, token = await persons_token(world, "openid")
    body = await exchanged(world, await service(world), token, kind=TXN_TOKEN)
    assert (body["scope"], claims_of(str(body["access_token"]))["scope"]) == ("", "")


@pytest.mark.parametrize("scope", ["orders:write", "stock:read", "openid"])
async def test_its_scope_does_not_grow(world: World, scope: str) -> None:
    """§10.7: equal or less than that of the subject token."""
    await make_stock(world)
    _, token = await persons_token(world, "openid orders:read")
    refused = await exchange(world, await stock_service(world), token, kind=TXN_TOKEN, audience=STOCK, scope=scope)
    check_refused(refused, "invalid_scope", "wider")


async def test_it_ends_with_the_token_that_it_stands_for(world: World) -> None:
    _, token = await persons_token(world)
    gateway = await service(world)
    world.clock.move(seconds=270)
    body = await exchanged(world, gateway, token, kind=TXN_TOKEN)
    assert claims_of(str(body["access_token"]))["exp"] == claims_of(token)["exp"]
    assert int(str(body["expires_in"])) <= 30


async def test_it_is_not_taken_for_an_access_token_anywhere(world: World) -> None:
    """S36, §10.12: not at userinfo, not at the API, not to be exchanged; a person's would open nothing anyway."""
    _, token = await persons_token(world)
    gateway = await service(world, scopes=("openid",))
    text = await txn_token(world, gateway, token, scope="openid")
    refused = await world.userinfo(text)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    async with world.browser() as caller:
        answer = await caller.get("/api/v1/audit/events", headers={"authorization": f"Bearer {text}"})
    assert answer.status_code == 401
    for kind in (ACCESS_TOKEN, TXN_TOKEN):
        check_refused(await exchange(world, gateway, text, kind=kind), "invalid_request", "not a living access token")


async def test_a_service_that_cannot_hear_the_feed_may_ask_about_it(world: World) -> None:
    """RFC 7662, and S12 for everybody else."""
    await make_stock(world)
    _, token = await persons_token(world)
    gateway = await service(world)
    text = await txn_token(world, gateway, token)
    told = await world.introspect(gateway, text)
    assert (told["active"], told["token_type"], told["txn"]) == (True, "N_A", claims_of(text)["txn"])
    stranger = await service(world, "Stranger", apis={STOCK: ("orders:read",)}, api_scopes=())
    assert await world.introspect(stranger, text) == {"active": False}
    world.clock.move(seconds=61)
    assert await world.introspect(gateway, text) == {"active": False}


async def person_in(world: World, *roles: str) -> tuple[CreatedClient, str]:
    """An application, and a token for roles of somebody who has these."""
    ada = await world.person()
    async with world.services.database.transaction() as db:
        for role in roles:
            now = world.clock()
            await create_membership(db, world.services, "role", role, now=now, actor="cli")
            await add_member(db, world.services, "role", role, ada.id, now=now, actor="cli")
    app = await world.client(scopes=("openid", "roles"))
    return app, (await world.tokens(app, ada, scope=f"{SCOPE} roles"))["access_token"]


async def test_it_names_the_roles_where_the_old_token_was_given_for_them(world: World) -> None:
    """As they are now: what was taken no longer counts (S18)."""
    _, token = await person_in(world, "auditor", "support")
    gateway = await service(world)
    assert claims_of(await txn_token(world, gateway, token))["roles"] == ["auditor", "support"]
    async with world.services.database.transaction() as db:
        await delete_membership(db, world.services, "role", "auditor", now=world.clock(), actor="cli")
    assert claims_of(await txn_token(world, gateway, token))["roles"] == ["support"]
    body = await exchanged(world, gateway, token)
    assert "roles" not in claims_of(str(body["access_token"])), "this client may not ask for the scope"
    allowed = await service(world, "Allowed", scopes=("roles",))
    body = await exchanged(world, allowed, token, scope="roles orders:read")
    assert claims_of(str(body["access_token"]))["roles"] == ["support"]


async def test_it_does_not_name_them_where_it_was_not(world: World) -> None:
    ada, app = await world.person(), await world.client()
    async with world.services.database.transaction() as db:
        now = world.clock()
        await create_membership(db, world.services, "role", "auditor", now=now, actor="cli")
        await add_member(db, world.services, "role", "auditor", ada.id, now=now, actor="cli")
    token = (await world.tokens(app, ada, scope=SCOPE))["access_token"]
    assert "roles" not in claims_of(await txn_token(world, await service(world), token))


async def test_the_longest_chain_and_every_claim_fit_and_roles_stay_out_where_they_do_not(world: World) -> None:
    """Under 1.5 KB; the policies see all roles, whatever the token has room for."""
    roles = [f"role of a department {number:02}" for number in range(13)]
    _, token = await person_in(world, *roles)
    async with world.services.database.transaction() as db:
        await db.execute(update(sessions).values(risk=42))
    named = []
    for number in range(MAX_ACTORS):
        client = await service(world, f"Service {number}", scopes=("roles",))
        wanted = "orders:read orders:write roles"
        token = str((await exchanged(world, client, token, scope=wanted))["access_token"])
        text = await txn_token(world, client, token)
        claims = claims_of(text)
        assert (claims["risk"], len(actors_of(claims))) == (42, number + 1)
        assert len(text) <= MAX_TXN_CHARS
        named.append(claims.get("roles"))
    assert (named[0], named[-1]) == (roles, None)


async def test_more_scope_than_fits_is_refused_and_not_cut(world: World) -> None:
    scopes = tuple(f"a-scope-with-a-long-name:{number}" for number in range(40))
    app = await world.client(api_scopes=scopes)
    token = (await world.tokens(app, await world.person(), scope=" ".join(scopes)))["access_token"]
    gateway = await service(world, api_scopes=scopes)
    refused = await exchange(world, gateway, token, kind=TXN_TOKEN)
    check_refused(refused, "invalid_scope", "larger than 1536 characters")
    await check_event(world, "token.refused", outcome="failure", error="invalid_scope")
    assert (await exchange(world, gateway, token, kind=TXN_TOKEN, scope=scopes[0])).status_code == 200


async def test_the_size_is_held_by_whoever_signs(world: World) -> None:
    now = world.clock()
    token = ExchangedToken(ISSUER, "sub", API, "x" * MAX_TXN_CHARS, "cli_1", "cli_2")
    with pytest.raises(TokenTooLarge):
        mint_txn_token(world.services.keys.signer("ES256"), token, issued_at=now, expires_at=now)
