"""What is no token to exchange, and who may not (S5, S36; RFC 8693 §2.2.2: `invalid_request` for every bad token)."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import update

from base.clock import utc_now
from base.cookies import cookie_name
from identity.client_values import TOKEN_EXCHANGE
from identity.clients import NewClient, check_client
from identity.errors import Refused
from identity.oauth.exchange_request import ACCESS_TOKEN, TXN_TOKEN
from identity.tables import clients, sessions
from identity.tokens import ACCESS_TYPE, AccessToken, mint_access_token, sign
from policy.assurance import PHR
from tests.oauth.exchanges import (
    SCOPE,
    STOCK,
    add_policy,
    exchange,
    exchanged,
    make_stock,
    own_token,
    service,
    stock_service,
    txn_token,
)
from tests.oauth.refusals import check_event, check_refused
from tests.oauth.tokens_read import claims_of, with_claims, with_header
from tests.world import API, ISSUER, CreatedClient, World

pytestmark = pytest.mark.anyio

NOT_GOOD = "is not a living access token of this server that this client may exchange"


async def values_of(world: World, gateway: CreatedClient) -> Mapping[str, str]:
    """One good value of every kind but an access token, of a person and an application."""
    app = await world.client(api_scopes=("orders:read", "orders:write"))
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        spent, fresh = await world.authorize(browser, app, scope=SCOPE), await world.authorize(browser, app)
        tokens = (await world.redeem(app, spent)).json()
        session = browser.cookies[cookie_name(world.services.settings, "session")]
    access = tokens.pop("access_token")
    return {
        "code": fresh.params["code"],
        "id_token": tokens["id_token"],
        "refresh_token": tokens["refresh_token"],
        "session_cookie": session,
        "client_secret": gateway.secret or "",
        "txn_token": await txn_token(world, gateway, access),
        "tampered": with_claims(access, {"scope": "orders:read orders:write users:write"}),
        "unsigned": with_header(access, alg="none"),
        "as a txn token": with_header(access, typ="txntoken+jwt"),
        "cut": access[:-2],
        "with a space": access + " ",
        "upper case": access.upper(),
        "large": access + "A" * 20_000,
        "nonsense": "x",
    }


KINDS = (
    "code", "id_token", "refresh_token", "session_cookie", "client_secret", "txn_token", "tampered", "unsigned",
    "as a txn token", "cut", "with a space", "upper case", "large", "nonsense",
)  # fmt: skip


@pytest.mark.parametrize("place", ["subject_token", "actor_token"])
async def test_nothing_but_an_access_token_is_taken_for_one(world: World, place: str) -> None:
    """S5, S16, S36: a token for services within cannot be made into another one."""
    gateway = await service(world)
    values = await values_of(world, gateway)
    assert set(values) == set(KINDS)
    good = await own_token(world, gateway)
    for value in values.values():
        form = {"actor_token": value, "actor_token_type": ACCESS_TOKEN} if place == "actor_token" else {}
        refused = await exchange(world, gateway, good if form else value, **form)
        check_refused(refused, "invalid_request", f"{place} {NOT_GOOD}")
        await check_event(
            world, "token.refused", outcome="failure", error="invalid_request", grant_type=TOKEN_EXCHANGE,
            reason=f"{place}: not a living access token",
        )  # fmt: skip


async def test_a_token_of_another_client_for_another_api_is_refused_in_the_same_words(world: World) -> None:
    """S5: registered with neither, a service cannot use what it should not even have; nor learn that it is good."""
    await make_stock(world)
    app = await world.client()
    token = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    stranger = await service(world, apis={STOCK: ("orders:read",)}, api_scopes=())
    check_refused(await exchange(world, stranger, token), "invalid_request", f"subject_token {NOT_GOOD}")
    await check_event(
        world, "token.refused", outcome="failure", error="invalid_request",
        reason="subject_token: neither its own nor for its APIs",
    )  # fmt: skip
    own = await world.token(app, grant_type="client_credentials")
    check_refused(own, "unauthorized_client", "not registered")


async def test_a_token_for_the_server_itself_is_its_own_clients_alone(world: World) -> None:
    admin = await service(world, scopes=("users:read",))
    token = (await world.token(admin, grant_type="client_credentials", resource=ISSUER)).json()["access_token"]
    check_refused(await exchange(world, await service(world), token), "invalid_request", NOT_GOOD)
    check_refused(await exchange(world, admin, token), "invalid_scope", "no scope")


async def test_a_client_without_the_grant_is_refused(world: World) -> None:
    app = await world.client()
    token = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    refused = await exchange(world, app, token)
    check_refused(refused, "unauthorized_client", "this client is not registered for")
    await check_event(world, "token.refused", outcome="failure", error="unauthorized_client", grant_type=TOKEN_EXCHANGE)


async def test_a_client_that_does_not_prove_itself_is_refused(world: World) -> None:
    """RFC 8693 §2.1, and the draft's §10: a token in the wrong hands becomes no other one."""
    gateway = await service(world)
    token = await own_token(world, gateway)
    wrong = CreatedClient(gateway.client, "ocs_wrong")
    check_refused(await exchange(world, wrong, token), "invalid_client", "authentication failed", status=401)
    async with world.browser() as caller:
        form = {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
        check_refused(await caller.post("/oauth/token", data=form), "invalid_client", "", status=401)
        named = {**form, "client_id": gateway.client.client_id}
        check_refused(await caller.post("/oauth/token", data=named), "invalid_client", "", status=401)


async def test_a_public_client_is_neither_registered_for_it_nor_served(world: World) -> None:
    app = await world.client()
    token = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    with pytest.raises(Refused, match="token-exchange needs a client that can keep a secret"):
        await service(world, auth_method="none", grants=(TOKEN_EXCHANGE,))
    public = await world.client(auth_method="none")
    async with world.services.database.transaction() as db:
        own = clients.c.client_id == public.client.client_id
        await db.execute(clients.update().where(own).values(grants=[TOKEN_EXCHANGE]))
    await world.services.catalogue.refresh()
    check_refused(await exchange(world, public, token), "unauthorized_client", "a client that authenticates")


def test_a_client_without_an_api_is_not_registered_for_it() -> None:
    """It could only ever ask for the server's own API."""
    with pytest.raises(Refused, match="needs an API"):
        check_client(NewClient(name="Gateway", grants=(TOKEN_EXCHANGE,)))


async def test_nobody_is_an_actor_but_the_client_itself(world: World) -> None:
    """Not a person, and no other service whose token it was handed: it would decide as if that one had asked."""
    gateway = await service(world)
    app = await world.client()
    ada = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    bob = (await world.tokens(app, await world.person("bob"), scope=SCOPE))["access_token"]
    first = await own_token(world, await service(world, "First"))
    passed_on = str((await exchanged(world, gateway, first))["access_token"])
    other = await service(world, "Other")
    through_another = str((await exchanged(world, other, await own_token(world, gateway)))["access_token"])
    for actor in (bob, first, passed_on, through_another):
        refused = await exchange(world, gateway, ada, actor_token=actor, actor_token_type=ACCESS_TOKEN)
        check_refused(refused, "invalid_request", "actor_token: expected one that this client got for itself")


async def test_a_token_that_is_bound_to_a_key_is_not_made_into_one_that_is_not(world: World) -> None:
    gateway = await service(world)
    claims = {**claims_of(await own_token(world, gateway)), "cnf": {"jkt": "x" * 43}}
    bound = sign(world.services.keys.signer("ES256"), ACCESS_TYPE, claims)
    check_refused(await exchange(world, gateway, bound), "invalid_request", NOT_GOOD)
    await check_event(world, "token.refused", outcome="failure", reason="subject_token: bound to a key")


async def test_the_new_token_never_outlives_the_old_one(world: World) -> None:
    """RFC 8693 gives no lifetime; a longer one would be a refresh for whoever holds a token."""
    gateway = await service(world, access_token_ttl_s=3600)
    app = await world.client()
    token = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    world.clock.move(seconds=120)
    body = await exchanged(world, gateway, token)
    new, old = claims_of(str(body["access_token"])), claims_of(token)
    assert new["exp"] == old["exp"]
    assert body["expires_in"] == int(str(new["exp"])) - int(str(new["iat"])) <= 180
    world.clock.move(seconds=181)
    check_refused(await exchange(world, gateway, token), "invalid_request", NOT_GOOD)


async def test_the_actors_token_bounds_its_life_too(world: World) -> None:
    app, gateway = await world.client(), await service(world)
    actor = await own_token(world, gateway)
    world.clock.move(seconds=100)
    token = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    body = await exchanged(world, gateway, token, actor_token=actor, actor_token_type=ACCESS_TOKEN)
    assert claims_of(str(body["access_token"]))["exp"] == claims_of(actor)["exp"]


async def test_a_scope_that_asks_for_a_better_sign_in_is_not_had_by_the_way_of_another_api(world: World) -> None:
    """S28: the same name elsewhere asks for nothing."""
    await make_stock(world, scope_acr={"orders:read": PHR})
    client = await stock_service(world)
    app = await world.client()
    token = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    for kind in (ACCESS_TOKEN, TXN_TOKEN):
        refused = await exchange(world, client, token, audience=STOCK, kind=kind)
        check_refused(refused, "invalid_scope", "the scope orders:read asks for a sign-in of the class phr")
    assert (await exchange(world, client, token, audience=API)).status_code == 200


async def test_a_better_sign_in_has_it(world: World) -> None:
    await make_stock(world, scope_acr={"orders:read": PHR})
    client, app = await stock_service(world), await world.client()
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person(), methods=("passkey",))
        answer = await world.authorize(browser, app, scope=SCOPE, acr_values=PHR)
    token = (await world.redeem(app, answer)).json()["access_token"]
    assert (await exchanged(world, client, token, audience=STOCK))["scope"] == "orders:read"


FORBIDS = """
@id("no-readers") @reason("closed")
forbid (principal is Ostiary::Person, action == Ostiary::Action::"exchange", resource == Ostiary::Api::"API")
when {
  context has caller && context.caller == Ostiary::Service::"CALLER" && context has client &&
  context.client == "APP" && context.scopes.contains("orders:read") &&
  context has authentication && context.authentication.acr == "urn:ostiary:aal1" &&
  context.authentication.methods.contains("pwd") && context.authentication.age_s < 60 &&
  principal has state && principal.state == "active"
};
"""


async def test_the_policies_decide_and_the_event_names_them(world: World) -> None:
    """S41: by who asks, for whom, through which application, for what, and how they signed in."""
    gateway, other, app = await service(world), await service(world, "Other"), await world.client()
    token = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    assert (await exchange(world, gateway, token)).status_code == 200
    names = {"API": API, "CALLER": gateway.client.client_id, "APP": app.client.client_id}
    cedar = FORBIDS
    for name, value in names.items():
        cedar = cedar.replace(f'"{name}"', f'"{value}"')
    await add_policy(world, cedar)
    for kind in (ACCESS_TOKEN, TXN_TOKEN):
        check_refused(await exchange(world, gateway, token, kind=kind), "invalid_target", "the policies do not let")
        await check_event(
            world, "token.refused", outcome="failure", error="invalid_target", grant_type=TOKEN_EXCHANGE,
            reason="denied by policy: no-readers",
        )  # fmt: skip
    assert (await exchange(world, gateway, token, scope="orders:write")).status_code == 200
    assert (await exchange(world, other, token)).status_code == 200
    assert (await exchange(world, gateway, await own_token(world, other))).status_code == 200


@pytest.mark.parametrize(("risk", "status"), [(59, 200), (60, 400), (95, 400), (None, 200)])
async def test_the_shipped_policies_hold_back_a_risky_session_with_a_password_alone(
    world: World, risk: int | None, status: int
) -> None:
    gateway, app = await service(world), await world.client()
    token = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    async with world.services.database.transaction() as db:
        await db.execute(update(sessions).values(risk=risk))
    assert (await exchange(world, gateway, token, kind=TXN_TOKEN)).status_code == status


@pytest.mark.parametrize(("risk", "status"), [(60, 200), (95, 200)])
async def test_the_shipped_policies_let_a_passkey_through(world: World, risk: int, status: int) -> None:
    gateway, app = await service(world), await world.client()
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person(), methods=("passkey",))
        answer = await world.authorize(browser, app, scope=SCOPE)
    token = (await world.redeem(app, answer)).json()["access_token"]
    async with world.services.database.transaction() as db:
        await db.execute(update(sessions).values(risk=risk))
    assert (await exchange(world, gateway, token, kind=TXN_TOKEN)).status_code == status


async def test_a_policy_that_fails_denies(world: World) -> None:
    """S41: a policy that fails over a missing attribute is skipped by Cedar, and must not be by us."""
    gateway = await service(world)
    token = await own_token(world, gateway)
    await add_policy(
        world,
        '@id("fails") @reason("x") forbid (principal is Ostiary::Service, action == Ostiary::Action::"exchange",'
        " resource) when { 9223372036854775807 + context.time.epoch_s > 0 };",
    )
    check_refused(await exchange(world, gateway, token), "invalid_target", "the policies do not let")
    found = await world.events("token.refused")
    assert "overflow" in str(found[-1]["data"])


async def test_a_token_that_was_issued_elsewhere_under_our_key_is_refused(world: World) -> None:
    """S37: the issuer is compared, and a service that is not registered any more is nobody."""
    gateway = await service(world)
    for issuer, client_id in (("https://other.example.com", gateway.client.client_id), (ISSUER, "cli_gone")):
        token = AccessToken(issuer, client_id, API, client_id, "orders:read")
        signer = world.services.keys.signer("ES256")
        minted = mint_access_token(signer, token, issued_at=utc_now(), ttl=timedelta(seconds=60))
        check_refused(await exchange(world, gateway, minted.text), "invalid_request", NOT_GOOD)
