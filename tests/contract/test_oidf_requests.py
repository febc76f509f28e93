"""The Basic plan of the OpenID Foundation and, with `response_mode=form_post`, the Form Post plan: request parameters.

The official suite is a separate program and was not run here: these tests ask what its modules ask.
"""

import json
from dataclasses import replace
from typing import cast
from urllib.parse import parse_qsl

import pytest

from tests.contract.run import CertificationRun
from tests.forms_browser import FormsBrowser
from tests.oauth.tokens_read import encode
from tests.world import CALLBACK, ISSUER

pytestmark = pytest.mark.anyio


def shows_signin(page_text: str) -> bool:
    """Whether a page asks for a password."""
    return 'name="password"' in page_text


async def auth_time(run: CertificationRun, tokens: dict[str, str]) -> int:
    return cast(int, (await run.read_id_token(tokens["id_token"]))["auth_time"])


@pytest.mark.parametrize("display", ["page", "popup"])
async def test_display_is_harmless(run: CertificationRun, display: str) -> None:
    await run.tokens(display=display)


async def test_prompt_login_asks_again_and_auth_time_moves(run: CertificationRun) -> None:
    first = await auth_time(run, await run.tokens())
    run.world.clock.move(seconds=2)
    page = await run.ask(prompt="login")
    assert shows_signin(page.text)
    arrived = await run.pass_pages(page)
    second = await auth_time(run, (await run.redeem(arrived)).json())
    assert second >= first + 2


async def test_prompt_none_while_not_signed_in_is_login_required(run: CertificationRun) -> None:
    page = await run.ask(prompt="none")
    assert page.url.startswith(CALLBACK)
    assert page.params["error"] == "login_required"


async def test_prompt_none_without_consent_is_consent_required(run: CertificationRun) -> None:
    await run.world.sign_in(run.browser.http, run.person)
    page = await run.ask(prompt="none")
    assert page.params["error"] == "consent_required"


async def test_prompt_none_while_signed_in_gives_the_same_subject_and_time(run: CertificationRun) -> None:
    first = await run.tokens()
    run.world.clock.move(seconds=2)
    page = await run.ask(prompt="none")
    second = (await run.redeem(page)).json()
    before, after = await run.read_id_token(first["id_token"]), await run.read_id_token(second["id_token"])
    assert (after["sub"], after["auth_time"]) == (before["sub"], before["auth_time"])


async def test_max_age_1_after_a_second_asks_again_with_auth_time(run: CertificationRun) -> None:
    first = await auth_time(run, await run.tokens())
    run.world.clock.move(seconds=2)
    page = await run.ask(max_age="1")
    assert shows_signin(page.text)
    second = await auth_time(run, (await run.redeem(await run.pass_pages(page))).json())
    assert second > first


async def test_max_age_10000_does_not_ask(run: CertificationRun) -> None:
    first = await auth_time(run, await run.tokens())
    run.world.clock.move(seconds=2)
    page = await run.ask(max_age="10000")
    assert await auth_time(run, (await run.redeem(page)).json()) == first


async def test_unknown_parameters_are_ignored(run: CertificationRun) -> None:
    await run.tokens(extra="foobar")


async def test_id_token_hint_with_prompt_none_works(run: CertificationRun) -> None:
    first = await run.tokens()
    page = await run.ask(prompt="none", id_token_hint=first["id_token"])
    second = (await run.redeem(page)).json()
    assert (await run.read_id_token(second["id_token"]))["sub"] == run.person.sub


async def test_id_token_hint_of_another_person_is_login_required(run: CertificationRun) -> None:
    await run.world.person("bob")
    async with run.world.browser() as http:
        elsewhere = replace(run, browser=FormsBrowser(http, ISSUER))
        arrived = await elsewhere.pass_pages(await elsewhere.ask(), username="bob")
        hint = (await run.redeem(arrived)).json()["id_token"]
    await run.tokens()
    page = await run.ask(prompt="none", id_token_hint=hint)
    assert page.params["error"] == "login_required"


async def test_login_hint_is_obeyed(run: CertificationRun) -> None:
    page = await run.ask(login_hint="ada@example.com")
    assert page.form("username", "password").fields["username"] == "ada@example.com"
    assert "code" in (await run.pass_pages(page)).params


async def test_ui_locales_and_claims_locales_are_harmless(run: CertificationRun) -> None:
    await run.tokens(ui_locales="se fr xx", claims_locales="se")
    page = await run.ask(ui_locales="xx", prompt="login")
    assert '<html lang="en"' in page.text


async def test_acr_values_are_a_preference_that_any_listed_value_satisfies(run: CertificationRun) -> None:
    tokens = await run.tokens(acr_values="1 2 urn:ostiary:aal1")
    assert (await run.read_id_token(tokens["id_token"]))["acr"] == "urn:ostiary:aal1"
    await run.tokens(acr_values="urn:example:unknown")


async def test_an_essential_acr_that_cannot_be_met_is_refused(run: CertificationRun) -> None:
    claims = {"id_token": {"acr": {"essential": True, "values": ["urn:example:unknown"]}}}
    page = await run.ask(claims=json.dumps(claims))
    assert page.params["error"] == "unmet_authentication_requirements"
    claims["id_token"]["acr"]["values"] = ["urn:example:unknown", "urn:ostiary:aal1"]
    assert "code" in (await run.authorize(claims=json.dumps(claims))).params


async def test_an_unregistered_redirect_uri_gets_an_error_page(run: CertificationRun) -> None:
    for uri in (CALLBACK + "?x=y", "https://other.example.com/callback"):
        page = await run.ask(redirect_uri=uri)
        assert page.status == 400
        assert "redirect_uri" in page.text


async def test_authorize_takes_a_post_from_a_page_without_our_cookie(run: CertificationRun) -> None:
    fields = dict(parse_qsl(run.url(state="s").partition("?")[2]))
    arrived = await run.pass_pages(await run.browser.post("/oauth/authorize", fields))
    assert (await run.redeem(arrived)).status_code == 200


def request_object(**claims: str) -> str:
    """An unsigned request object."""
    return ".".join([encode(b'{"alg":"none"}'), encode(json.dumps(claims).encode()), ""])


async def test_a_request_by_value_is_not_supported(run: CertificationRun) -> None:
    page = await run.ask(request=request_object(client_id=run.client.client.client_id))
    assert (page.url.startswith(CALLBACK), page.params["error"]) == (True, "request_not_supported")


async def test_a_request_by_reference_is_not_supported(run: CertificationRun) -> None:
    page = await run.ask(request_uri="https://app.example.com/request.jwt")
    assert (page.url.startswith(CALLBACK), page.params["error"]) == (True, "request_uri_not_supported")


async def test_a_redirect_uri_inside_an_unsupported_request_changes_nothing(run: CertificationRun) -> None:
    inside = request_object(redirect_uri="https://evil.example.com/callback")
    page = await run.ask(request=inside)
    assert page.url.startswith(CALLBACK)
    assert page.params["error"] == "request_not_supported"
