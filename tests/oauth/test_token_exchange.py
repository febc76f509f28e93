"""Token exchange as the specification says it (RFC 8693 §2, §4)."""

import pytest

from identity.client_values import TOKEN_EXCHANGE
from identity.exchanged_tokens import MAX_ACTORS
from identity.oauth.exchange_request import ACCESS_TOKEN, TXN_TOKEN
from tests.oauth.exchanges import SCOPE, STOCK, exchange, exchanged, make_stock, own_token, service, stock_service
from tests.oauth.refusals import check_event, check_refused, last_event
from tests.oauth.tokens_read import claims_of, header_of
from tests.world import API, ISSUER, CreatedClient, World

pytestmark = pytest.mark.anyio


async def persons_token(world: World, **params: str) -> tuple[CreatedClient, str]:
    """An application, and an access token of somebody who signed in to it."""
    app = await world.client()
    tokens = await world.tokens(app, await world.person(), **{"scope": SCOPE, **params})
    return app, tokens["access_token"]


async def test_the_answer_says_what_was_issued(world: World) -> None:
    """RFC 8693 §2.2.1: access_token, issued_token_type and token_type always; nobody keeps it; no refresh token."""
    _, token = await persons_token(world)
    response = await exchange(world, await service(world), token)
    body = response.json()
    assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (body["issued_token_type"], body["token_type"]) == (ACCESS_TOKEN, "Bearer")
    assert body["scope"] == "orders:read orders:write"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"].startswith("application/json")


async def test_the_new_token_is_the_persons_and_says_who_acts(world: World) -> None:
    """RFC 8693 §4.1, §4.3; the grant and the session go over, so that what ends them ends it, too (S18)."""
    app, token = await persons_token(world)
    gateway = await service(world)
    body = await exchanged(world, gateway, token)
    old, new = claims_of(token), claims_of(str(body["access_token"]))
    assert header_of(str(body["access_token"]))["typ"] == "at+jwt"
    for name in ("iss", "sub", "aud", "grant", "sid", "auth_time", "acr", "amr"):
        assert new[name] == old[name]
    assert (new["client_id"], new["azp"]) == (gateway.client.client_id, app.client.client_id)
    assert new["act"] == {"sub": gateway.client.client_id}
    assert new["jti"] != old["jti"]
    assert (await world.introspect(gateway, str(body["access_token"])))["act"] == new["act"]
    await check_event(
        world, "token.issued", outcome="success", grant_type=TOKEN_EXCHANGE, kind="access_token", jti=new["jti"],
        from_jti=old["jti"], grant=old["grant"], audience=API, via=gateway.client.client_id,
        scope="orders:read orders:write",
    )  # fmt: skip
    event = await last_event(world, "token.issued")
    assert event["actor"] == gateway.client.client_id
    assert str(event["subject"]).startswith("usr_")


async def test_the_old_token_goes_on_working(world: World) -> None:
    """RFC 8693 §2.1: an exchange has no effect on the token that was exchanged."""
    app, token = await persons_token(world)
    gateway = await service(world)
    await exchanged(world, gateway, token)
    await exchanged(world, gateway, token)
    assert (await world.introspect(app, token))["active"] is True
    assert (await world.userinfo(token)).status_code == 200


async def test_without_a_wish_an_access_token_is_given_for_the_default_api(world: World) -> None:
    await make_stock(world)
    _, token = await persons_token(world)
    body = await exchanged(world, await stock_service(world), token, requested_token_type=None)
    assert (body["issued_token_type"], claims_of(str(body["access_token"]))["aud"]) == (ACCESS_TOKEN, API)


@pytest.mark.parametrize("name", ["resource", "audience"])
async def test_resource_and_audience_choose_among_the_clients_apis(world: World, name: str) -> None:
    await make_stock(world)
    _, token = await persons_token(world)
    body = await exchanged(world, await stock_service(world), token, **{name: STOCK})
    assert (claims_of(str(body["access_token"]))["aud"], body["scope"]) == (STOCK, "orders:read")


@pytest.mark.parametrize("name", ["resource", "audience"])
@pytest.mark.parametrize("target", [ISSUER, STOCK, "https://unknown.example.com", API + "/", API + "#part", "api"])
async def test_no_other_target_is_given(world: World, name: str, target: str) -> None:
    """RFC 8693 §2.2.2: `invalid_target`; the server's own API is nobody's to give."""
    await make_stock(world)
    _, token = await persons_token(world)
    refused = await exchange(world, await service(world), token, **{name: target})
    check_refused(refused, "invalid_target", "")
    await check_event(world, "token.refused", outcome="failure", error="invalid_target", grant_type=TOKEN_EXCHANGE)


async def test_a_target_may_be_named_twice_and_two_targets_not(world: World) -> None:
    """S11: `resource` and `audience` may be repeated here; a token is for one API."""
    await make_stock(world)
    _, token = await persons_token(world)
    client = await stock_service(world)
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    auth = (client.client.client_id, client.secret or "")
    async with world.browser() as caller:
        same = [("audience", STOCK), ("audience", STOCK), ("resource", STOCK), ("resource", STOCK)]
        body = "&".join(f"{name}={value}" for name, value in [*form.items(), *same]).replace(":", "%3A")
        headers = {"content-type": "application/x-www-form-urlencoded"}
        given = await caller.post("/oauth/token", content=body.encode(), auth=auth, headers=headers)
        assert claims_of(given.json()["access_token"])["aud"] == STOCK
        mixed = body.replace(f"audience={STOCK}".replace(":", "%3A"), f"audience={API}".replace(":", "%3A"), 1)
        check_refused(
            await caller.post("/oauth/token", content=mixed.encode(), auth=auth, headers=headers),
            "invalid_target", "one resource a request",
        )  # fmt: skip
        for name in ("scope", "subject_token", "actor_token", "requested_token_type"):
            twice = (body + f"&{name}=a&{name}=b").encode()
            refused = await caller.post("/oauth/token", content=twice, auth=auth, headers=headers)
            check_refused(refused, "invalid_request", "given more than once")


async def test_the_scope_may_be_narrowed(world: World) -> None:
    _, token = await persons_token(world)
    body = await exchanged(world, await service(world), token, scope="orders:read")
    assert (body["scope"], claims_of(str(body["access_token"]))["scope"]) == ("orders:read", "orders:read")


@pytest.mark.parametrize(
    "scope", ["orders:write", "stock:read", "orders:read orders:write", "ORDERS:READ", "email", " "]
)
async def test_the_scope_never_grows(world: World, scope: str) -> None:
    """S10: not past what the person allowed, and not past what the client may ask for at that API."""
    await make_stock(world)
    _, token = await persons_token(world, scope="openid orders:read")
    client = await stock_service(world, scopes=("openid", "email"))
    for target in (API, STOCK):
        refused = await exchange(world, client, token, audience=target, scope=scope)
        check_refused(refused, "invalid_scope", "wider than the subject token's")


async def test_a_client_gets_no_scope_that_it_may_not_ask_for_itself(world: World) -> None:
    _, token = await persons_token(world)
    reader = await service(world, api_scopes=("orders:read",))
    assert (await exchanged(world, reader, token))["scope"] == "orders:read"
    check_refused(await exchange(world, reader, token, scope="orders:write"), "invalid_scope", "wider")


async def test_an_access_token_without_any_scope_is_not_given(world: World) -> None:
    _, token = await persons_token(world, scope="openid")
    refused = await exchange(world, await service(world), token)
    check_refused(refused, "invalid_scope", "no scope that this client may ask for")


async def test_a_standard_scope_is_given_where_it_is_asked_for_and_allowed(world: World) -> None:
    _, token = await persons_token(world)
    client = await service(world, scopes=("openid",))
    assert (await exchanged(world, client, token))["scope"] == "orders:read orders:write"
    body = await exchanged(world, client, token, scope="openid")
    assert (await world.userinfo(str(body["access_token"]))).status_code == 200


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"subject_token": None}, "subject_token_type: expected subject_token beside it"),
        ({"subject_token": None, "subject_token_type": None}, "subject_token is missing"),
        ({"subject_token_type": None}, "subject_token_type is missing"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "subject_token_type: expected"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "subject_token_type: expected"),
        ({"subject_token_type": "access_token"}, "subject_token_type: expected"),
        ({"actor_token_type": ACCESS_TOKEN}, "actor_token_type: expected actor_token beside it"),
        ({"actor_token": "x"}, "actor_token_type is missing"),
        ({"actor_token": "x", "actor_token_type": TXN_TOKEN}, "actor_token_type: expected"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "requested_token_type: expected"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "requested_token_type: expected"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "requested_token_type: expected"),
    ],
)
async def test_a_token_stands_beside_its_type_and_other_types_are_refused(
    world: World, form: dict[str, str | None], words: str
) -> None:
    """RFC 8693 §2.1: actor_token_type is there with actor_token, and must not be without."""
    _, token = await persons_token(world)
    refused = await exchange(world, await service(world), token, kind=ACCESS_TOKEN, **form)
    check_refused(refused, "invalid_request", words)
    await check_event(world, "token.refused", outcome="failure", error="invalid_request", grant_type=TOKEN_EXCHANGE)


async def test_an_actor_token_names_who_acts(world: World) -> None:
    """RFC 8693 §2.1, §4.1"""
    _, token = await persons_token(world)
    gateway = await service(world)
    acting = {"actor_token": await own_token(world, gateway), "actor_token_type": ACCESS_TOKEN}
    passed_on = str((await exchanged(world, gateway, token, kind=ACCESS_TOKEN, **acting))["access_token"])
    for given in (
        passed_on,
        str((await exchanged(world, gateway, passed_on, kind=ACCESS_TOKEN, **acting))["access_token"]),
    ):
        claims = claims_of(given)
        assert claims["act"] == {"sub": gateway.client.client_id}, "nobody is named twice in a row"
        assert claims["client_id"] == gateway.client.client_id


async def test_services_act_one_after_the_other_up_to_a_limit(world: World) -> None:
    """RFC 8693 §4.1: the current actor is outermost; the chain is bounded."""
    app, token = await persons_token(world)
    acted: list[str] = []
    for number in range(MAX_ACTORS):
        client = await service(world, f"Service {number}")
        acted.insert(0, client.client.client_id)
        token = str((await exchanged(world, client, token))["access_token"])
        again = claims_of(str((await exchanged(world, client, token))["access_token"]))
        assert again["act"] == claims_of(token)["act"], "whoever exchanges its own token is not named twice"
    claims, chain = claims_of(token), []
    act = claims["act"]
    while isinstance(act, dict):
        chain.append(act["sub"])
        act = act.get("act")
    assert chain == acted
    assert (claims["azp"], claims["client_id"]) == (app.client.client_id, acted[0])
    refused = await exchange(world, await service(world, "One too many"), token)
    check_refused(refused, "invalid_request", f"at most {MAX_ACTORS} services")


async def test_an_application_exchanges_its_own_token_without_acting_for_anybody_new(world: World) -> None:
    grants = ("authorization_code", "refresh_token", TOKEN_EXCHANGE)
    app = await world.client(grants=grants)
    token = (await world.tokens(app, await world.person(), scope=SCOPE))["access_token"]
    claims = claims_of(str((await exchanged(world, app, token, scope="orders:read"))["access_token"]))
    assert not {"act", "azp"} & set(claims)
    within = claims_of(str((await exchanged(world, app, token, kind=TXN_TOKEN))["access_token"]))
    assert within["client_id"] == within["req_wl"]
    assert (claims["client_id"], claims["scope"]) == (app.client.client_id, "orders:read")


async def test_a_services_own_token_is_exchanged_too(world: World) -> None:
    """The subject is the service that asked first; whoever passes it on acts for it."""
    await make_stock(world)
    first, second = await service(world, "First"), await stock_service(world)
    token = await own_token(world, first)
    body = await exchanged(world, second, token, audience=STOCK)
    claims = claims_of(str(body["access_token"]))
    assert (claims["sub"], claims["azp"]) == (first.client.client_id, first.client.client_id)
    assert (claims["client_id"], claims["act"]) == (second.client.client_id, {"sub": second.client.client_id})
    assert not {"grant", "sid", "auth_time", "acr"} & set(claims)
    assert (await world.introspect(second, str(body["access_token"])))["active"] is True
    event = await last_event(world, "token.issued")
    assert event["subject"] == first.client.client_id


async def test_the_metadata_names_the_grant(world: World) -> None:
    async with world.browser() as caller:
        said = (await caller.get("/.well-known/oauth-authorization-server")).json()
    assert TOKEN_EXCHANGE in said["grant_types_supported"]
