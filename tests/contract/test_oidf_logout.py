"""The RP-Initiated Logout plan of the OpenID Foundation, module by module, in our words.

The official suite is a separate program and was not run here: these tests ask what its modules ask.
"""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from tests.contract.run import CertificationRun
from tests.forms_browser import Page
from tests.oauth.tokens_read import claims_of, header_of, with_header

pytestmark = pytest.mark.anyio

BYE = "https://app.example.com/bye"


async def sign_out(run: CertificationRun, params: Mapping[str, str]) -> Page:
    """Where the browser comes to by a logout request, after a question was answered by yes."""
    page = await run.browser.open("/oauth/logout?" + urlencode(params))
    if "Sign out?" in page.text:
        page = await run.browser.submit(page, page.form("form_token"))
    return page


async def is_signed_in(run: CertificationRun) -> bool:
    return "code" in (await run.ask(prompt="none")).params


async def test_the_end_session_endpoint_is_in_discovery(run: CertificationRun) -> None:
    said = (await run.browser.http.get("/.well-known/openid-configuration")).json()
    assert said["end_session_endpoint"] == "https://id.example.com/oauth/logout"


async def test_a_valid_request_signs_out_and_goes_back_with_the_state(run: CertificationRun) -> None:
    tokens = await run.tokens()
    params = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s-1"}
    page = await run.browser.open("/oauth/logout?" + urlencode(params))
    assert (page.url, page.params) == (f"{BYE}?state=s-1", {"state": "s-1"})
    assert (await run.ask(prompt="none")).params["error"] == "login_required"


async def test_without_a_state_it_goes_back_without(run: CertificationRun) -> None:
    tokens = await run.tokens()
    page = await sign_out(run, {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE})
    assert page.url == BYE
    assert not await is_signed_in(run)


async def test_the_request_may_be_a_post(run: CertificationRun) -> None:
    tokens = await run.tokens()
    form = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE}
    page = await run.browser.post("/oauth/logout", form)
    assert page.url == BYE
    assert not await is_signed_in(run)


@pytest.mark.parametrize("uri", ["https://app.example.com/other", BYE + "?extra=1"])
async def test_an_unregistered_address_is_never_gone_to(run: CertificationRun, uri: str) -> None:
    tokens = await run.tokens()
    page = await sign_out(run, {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": uri})
    assert page.url.startswith("https://id.example.com/")
    assert page.status == 400


async def test_a_hint_changed_to_none_is_never_a_redirect(run: CertificationRun) -> None:
    tokens = await run.tokens()
    bent = with_header(tokens["id_token"], alg="none").rpartition(".")[0] + "."
    page = await sign_out(run, {"id_token_hint": bent, "post_logout_redirect_uri": BYE})
    assert page.status == 400
    assert page.url.startswith("https://id.example.com/")


async def test_a_hint_signed_by_somebody_else_is_never_a_redirect(run: CertificationRun) -> None:
    tokens = await run.tokens()
    header = {"alg": "RS256", "kid": header_of(tokens["id_token"])["kid"], "typ": "JWT"}
    forged = jws.serialize_compact(header, json.dumps(claims_of(tokens["id_token"])), RSAKey.generate_key(2048))
    page = await sign_out(run, {"id_token_hint": forged, "post_logout_redirect_uri": BYE})
    assert page.status == 400
    assert page.url.startswith("https://id.example.com/")


async def test_an_address_without_a_hint_is_never_gone_to(run: CertificationRun) -> None:
    await run.tokens()
    asked = await run.browser.open("/oauth/logout?" + urlencode({"post_logout_redirect_uri": BYE, "state": "s"}))
    assert "Sign out?" in asked.text
    page = await run.browser.submit(asked, asked.form("form_token"))
    assert (page.status, page.url) == (200, "https://id.example.com/oauth/logout")
    assert "You are signed out" in page.text


@pytest.mark.parametrize("params", [{}, {"state": "s"}])
async def test_without_parameters_or_with_a_state_only_the_person_is_asked_and_signed_out(
    run: CertificationRun, params: Mapping[str, str]
) -> None:
    await run.tokens()
    page = await sign_out(run, params)
    assert "You are signed out" in page.text
    assert not await is_signed_in(run)


async def test_with_a_hint_and_without_an_address_the_person_sees_that_they_are_out(run: CertificationRun) -> None:
    tokens = await run.tokens()
    page = await run.browser.open("/oauth/logout?" + urlencode({"id_token_hint": tokens["id_token"]}))
    assert "You are signed out" in page.text
    assert not await is_signed_in(run)


async def test_an_expired_hint_is_accepted(run: CertificationRun) -> None:
    tokens = await run.tokens()
    run.world.clock.move(minutes=20)
    page = await sign_out(run, {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE})
    assert page.url == BYE
