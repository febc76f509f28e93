"""The Basic plan of the OpenID Foundation and, with `response_mode=form_post`, the Form Post plan: tokens and claims.

The official suite is a separate program and was not run here: these tests ask what its modules ask.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import cast
from urllib.parse import parse_qsl, urlencode

import jwt
import pytest

from base.secret_values import b64url
from tests.contract.run import ALL_SCOPES, CertificationRun
from tests.world import CALLBACK, ISSUER, PROFILE, pkce

pytestmark = pytest.mark.anyio


async def userinfo(run: CertificationRun, token: str) -> Mapping[str, object]:
    response = await run.world.userinfo(token)
    assert response.status_code == 200, response.text
    said: Mapping[str, object] = response.json()
    return said


async def test_happy_flow_with_at_hash(run: CertificationRun) -> None:
    tokens = await run.tokens(scope="openid", nonce="n-1")
    claims = await run.read_id_token(tokens["id_token"])
    now = run.world.clock().timestamp()
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (ISSUER, run.client.client.client_id, "n-1")
    assert claims["at_hash"] == b64url(hashlib.sha256(tokens["access_token"].encode()).digest()[:16])
    assert now - 30 < cast(int, claims["iat"]) <= now < cast(int, claims["exp"])
    assert claims["sub"] == (await userinfo(run, tokens["access_token"]))["sub"]
    assert tokens["token_type"] == "Bearer"


async def test_response_type_missing_is_an_error_and_no_crash(run: CertificationRun) -> None:
    page = await run.ask(response_type=None)
    assert page.url.startswith(CALLBACK)
    assert page.params["error"] in ("invalid_request", "unsupported_response_type")


async def test_id_token_is_signed_by_rs256_with_a_kid(run: CertificationRun) -> None:
    header = jwt.get_unverified_header((await run.tokens())["id_token"])
    assert header["alg"] == "RS256"
    assert header["kid"]


async def test_userinfo_by_get(run: CertificationRun) -> None:
    token = (await run.tokens())["access_token"]
    assert (await userinfo(run, token))["sub"] == run.person.sub


async def test_userinfo_by_post_with_the_header(run: CertificationRun) -> None:
    token = (await run.tokens())["access_token"]
    response = await run.browser.http.post("/oauth/userinfo", headers={"authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["sub"]) == (200, run.person.sub)


async def test_userinfo_by_post_with_the_body(run: CertificationRun) -> None:
    token = (await run.tokens())["access_token"]
    response = await run.browser.http.post("/oauth/userinfo", data={"access_token": token})
    assert (response.status_code, response.json()["sub"]) == (200, run.person.sub)


async def test_no_nonce_is_fine_for_the_code_flow(run: CertificationRun) -> None:
    claims = await run.read_id_token((await run.tokens())["id_token"])
    assert "nonce" not in claims


SCOPES: Mapping[str, set[str]] = {
    "profile": set(PROFILE) - {"address", "phone_number", "phone_number_verified"},
    "email": {"email", "email_verified"},
    "address": {"address"},
    "phone": {"phone_number", "phone_number_verified"},
}


@pytest.mark.parametrize("scope", SCOPES)
async def test_scope_gives_its_claims_at_userinfo(run: CertificationRun, scope: str) -> None:
    tokens = await run.tokens(scope=f"openid {scope}")
    said = await userinfo(run, tokens["access_token"])
    assert set(said) >= SCOPES[scope]
    assert not {claim for other in SCOPES if other != scope for claim in SCOPES[other]} & set(said)


async def test_scope_all_gives_every_claim(run: CertificationRun) -> None:
    said = await userinfo(run, (await run.tokens(scope=ALL_SCOPES))["access_token"])
    assert set(said) >= {claim for claims in SCOPES.values() for claim in claims}


async def test_order_of_scopes_and_parameters_does_not_matter(run: CertificationRun) -> None:
    pairs = parse_qsl(run.url(scope="phone email openid profile", state="s").partition("?")[2])
    page = await run.browser.open("/oauth/authorize?" + urlencode(pairs[::-1]))
    said = await run.redeem(await run.pass_pages(page))
    assert set(await userinfo(run, said.json()["access_token"])) >= SCOPES["phone"] | SCOPES["email"]


async def test_essential_claims_are_given(run: CertificationRun) -> None:
    claims = {"userinfo": {"name": {"essential": True}}, "id_token": {"auth_time": {"essential": True}}}
    tokens = await run.tokens(claims=json.dumps(claims))
    assert (await userinfo(run, tokens["access_token"]))["name"] == "Ada Byron"
    assert "auth_time" in await run.read_id_token(tokens["id_token"])


async def test_a_code_used_again_at_once_is_refused_and_its_tokens_die(run: CertificationRun) -> None:
    page = await run.authorize()
    token = (await run.redeem(page)).json()["access_token"]
    again = await run.redeem(page)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await run.world.userinfo(token)).status_code == 401


async def test_a_code_used_again_after_thirty_seconds_is_refused_and_its_tokens_die(run: CertificationRun) -> None:
    page = await run.authorize()
    token = (await run.redeem(page)).json()["access_token"]
    run.world.clock.move(seconds=30)
    again = await run.redeem(page)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await run.world.userinfo(token)).status_code == 401


async def test_a_refresh_token_works_and_is_bound_to_its_client(run: CertificationRun) -> None:
    tokens = await run.tokens(scope="openid offline_access", prompt="consent")
    foreign = await run.world.refresh(run.second, tokens["refresh_token"])
    assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_grant")
    refreshed = (await run.world.refresh(run.client, tokens["refresh_token"])).json()
    assert refreshed["access_token"] != tokens["access_token"]
    before, after = await run.read_id_token(tokens["id_token"]), await run.read_id_token(refreshed["id_token"])
    assert (after["iss"], after["sub"], after["aud"]) == (before["iss"], before["sub"], before["aud"])
    assert (await userinfo(run, refreshed["access_token"]))["sub"] == before["sub"]


async def test_pkce_with_s256_works(run: CertificationRun) -> None:
    verifier, challenge = pkce()
    page = await run.authorize(code_challenge=challenge, code_challenge_method="S256")
    assert (await run.redeem(page, code_verifier="x" * 43)).status_code == 400
    assert (await run.redeem(page, code_verifier=verifier)).status_code == 200


async def test_without_pkce_works_for_a_client_that_does_not_require_it(run: CertificationRun) -> None:
    assert (await run.redeem(await run.authorize())).status_code == 200
