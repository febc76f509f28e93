"""Claims about the signed-in person: by scope, by request, and for a good bearer only (OpenID Connect Core §5.3)."""

import json
from collections.abc import Mapping

import httpx2
import pytest

from tests.oauth.tokens_read import claims_of
from tests.world import PROFILE, World

pytestmark = pytest.mark.anyio

PROFILE_CLAIMS = set(PROFILE) - {"phone_number", "phone_number_verified", "address"}
BY_SCOPE: Mapping[str, set[str]] = {
    "openid": {"sub"},
    "openid profile": {"sub", "preferred_username", "updated_at"} | PROFILE_CLAIMS,
    "openid email": {"sub", "email", "email_verified"},
    "openid address": {"sub", "address"},
    "openid phone": {"sub", "phone_number", "phone_number_verified"},
}


async def ask(world: World, method: str = "GET", **request: object) -> httpx2.Response:
    """The endpoint's answer to a request with these headers or data."""
    async with world.browser() as caller:
        return await caller.request(method, "/oauth/userinfo", **request)  # type: ignore[arg-type]


@pytest.mark.parametrize("scope", BY_SCOPE)
async def test_each_scope_gives_its_claims_and_no_others(world: World, scope: str) -> None:
    client, person = await world.client(), await world.person()
    tokens = await world.tokens(client, person, scope=scope)
    said = (await world.userinfo(tokens["access_token"])).json()
    assert set(said) == BY_SCOPE[scope]
    assert said["sub"] == person.sub == claims_of(tokens["id_token"])["sub"]


async def test_all_scopes_together_give_every_claim_as_it_is_known(world: World) -> None:
    client, person = await world.client(), await world.person()
    tokens = await world.tokens(client, person, scope="phone address email profile openid")
    response = await world.userinfo(tokens["access_token"])
    said = response.json()
    assert {name: said[name] for name in PROFILE} == PROFILE
    assert (said["email"], said["email_verified"], said["preferred_username"]) == ("ada@example.com", True, "ada")
    assert response.headers["cache-control"] == "no-store"


async def test_a_token_may_come_in_the_header_of_either_method_or_in_the_form(world: World) -> None:
    client = await world.client()
    token = (await world.tokens(client, await world.person()))["access_token"]
    bearer = {"authorization": f"bearer {token}"}
    for response in (
        await ask(world, headers=bearer),
        await ask(world, "POST", headers=bearer),
        await ask(world, "POST", data={"access_token": token}),
    ):
        assert response.status_code == 200, response.text


async def test_a_token_given_twice_is_refused(world: World) -> None:
    """S11"""
    client = await world.client()
    token = (await world.tokens(client, await world.person()))["access_token"]
    twice = await ask(world, "POST", headers={"authorization": f"Bearer {token}"}, data={"access_token": token})
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    assert "given twice" in twice.json()["error_description"]


async def test_without_a_token_the_challenge_names_no_error(world: World) -> None:
    """RFC 6750 §3.1"""
    response = await ask(world)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="Ostiary"'


@pytest.mark.parametrize("token", ["x", "a.b.c", "ort_" + "a" * 70, "a" * 9000])
async def test_a_bad_token_is_challenged_with_its_error(world: World, token: str) -> None:
    response = await world.userinfo(token)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert "unknown, expired or revoked" in response.json()["error_description"]
    assert "x-request-id" in response.headers


async def test_a_token_in_the_query_string_is_refused(world: World) -> None:
    """S12"""
    client = await world.client()
    token = (await world.tokens(client, await world.person()))["access_token"]
    assert (await ask(world, params={"access_token": token})).status_code == 401


async def test_a_token_without_openid_is_not_enough(world: World) -> None:
    client = await world.client()
    token = (await world.tokens(client, await world.person(), scope="profile orders:read"))["access_token"]
    response = await world.userinfo(token)
    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


async def test_a_service_has_no_claims(world: World) -> None:
    client = await world.client(grants=("client_credentials",), redirect_uris=())
    token = (await world.token(client, grant_type="client_credentials")).json()["access_token"]
    assert (await world.userinfo(token)).status_code == 401


async def test_requested_claims_come_where_they_were_asked_for(world: World) -> None:
    """OpenID Connect Core §5.5"""
    client = await world.client()
    claims = {
        "userinfo": {"given_name": {"essential": True}, "nickname": None, "no_such_claim": None},
        "id_token": {"email": None, "birthdate": {"essential": True}},
    }
    tokens = await world.tokens(client, await world.person(), scope="openid", claims=json.dumps(claims))
    said = (await world.userinfo(tokens["access_token"])).json()
    assert (set(said), said["given_name"]) == ({"sub", "given_name", "nickname"}, "Ada")
    id_token = claims_of(tokens["id_token"])
    assert (id_token["email"], id_token["birthdate"]) == ("ada@example.com", "1815-12-10")
    assert "nickname" not in id_token
    # A refreshed ID token says the same.
    again = (await world.refresh(client, tokens["refresh_token"])).json()
    assert claims_of(again["id_token"])["email"] == "ada@example.com"


async def test_a_requested_claim_cannot_stand_in_for_what_the_server_says(world: World) -> None:
    client, person = await world.client(), await world.person()
    claims = {"id_token": {name: {"value": "x"} for name in ("iss", "aud", "exp", "amr", "at_hash")}}
    tokens = await world.tokens(client, person, claims=json.dumps(claims))
    id_token = claims_of(tokens["id_token"])
    assert (id_token["aud"], id_token["sub"], id_token["amr"]) == (client.client.client_id, person.sub, ["pwd"])


async def test_a_bad_bearer_leaves_a_trace(world: World) -> None:
    """S12"""
    assert (await world.userinfo("no.such.token")).status_code == 401
    [event] = await world.events("token.refused")
    assert event["data"] == {"error": "invalid_token", "reason": "not a living access token of a person"}
