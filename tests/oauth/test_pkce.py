"""Proof Key for Code Exchange: S256 only, and a verifier for every challenge and the other way round (S4)."""

from collections.abc import Mapping

import pytest

from tests.oauth.refusals import check_event, check_refused, check_sent_back
from tests.world import World, pkce

pytestmark = pytest.mark.anyio

MISFIT = "code_verifier does not answer the code_challenge (S256)"


async def test_only_s256_is_advertised(world: World) -> None:
    """S4"""
    async with world.browser() as browser:
        said = (await browser.get("/.well-known/openid-configuration")).json()
    assert said["code_challenge_methods_supported"] == ["S256"]


FAULTS: tuple[tuple[Mapping[str, str | None], str], ...] = (
    ({"code_challenge": None, "code_challenge_method": None}, "code_challenge is missing: PKCE with S256 is required"),
    ({"code_challenge": None}, "code_challenge_method without code_challenge"),
    ({"code_challenge_method": None}, "expected code_challenge_method=S256"),
    ({"code_challenge_method": "plain"}, "expected code_challenge_method=S256"),
    ({"code_challenge_method": "s256"}, "expected code_challenge_method=S256"),
    ({"code_challenge": "too-short"}, "code_challenge must be 43 characters of base64url"),
    ({"code_challenge": "a" * 42 + "="}, "code_challenge must be 43 characters of base64url"),
    ({"code_challenge": "a" * 44}, "code_challenge must be 43 characters of base64url"),
)


@pytest.mark.parametrize(("params", "words"), FAULTS)
async def test_a_challenge_that_is_missing_plain_or_malformed_is_refused(
    world: World, params: Mapping[str, str | None], words: str
) -> None:
    """S4"""
    client = await world.client()
    async with world.browser() as browser:
        check_sent_back(await world.authorize(browser, client, **params), "invalid_request", words)
    await check_event(world, "login.refused", outcome="denied", reason="invalid_request")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_a_code_is_exchanged_with_its_verifier(world: World, method: str) -> None:
    """S4"""
    client = await world.client(auth_method=method)
    tokens = await world.tokens(client, await world.person())
    assert tokens["token_type"] == "Bearer"


@pytest.mark.parametrize("verifier", ["", "another" * 7, "a" * 42, "ä" * 43, "a" * 129])
async def test_a_wrong_or_missing_verifier_is_refused_and_spends_nothing(world: World, verifier: str) -> None:
    """S4"""
    client = await world.client()
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        answer = await world.authorize(browser, client)
    check_refused(await world.redeem(client, answer, code_verifier=verifier), "invalid_grant", MISFIT)
    await check_event(world, "token.refused", outcome="failure", error="invalid_grant", reason=MISFIT)
    assert (await world.redeem(client, answer)).status_code == 200


async def test_a_challenge_is_no_verifier_for_itself(world: World) -> None:
    """S4: what `plain` would accept"""
    client = await world.client()
    _, challenge = pkce()
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        answer = await world.authorize(browser, client, code_challenge=challenge)
    check_refused(await world.redeem(client, answer, code_verifier=challenge), "invalid_grant", MISFIT)


async def test_a_confidential_client_may_be_registered_without_pkce(world: World) -> None:
    """S4"""
    client = await world.client(require_pkce=False)
    async with world.browser() as browser:
        await world.sign_in(browser, await world.person())
        bare = await world.authorize(browser, client, code_challenge=None, code_challenge_method=None)
        assert (await world.redeem(client, bare, code_verifier="")).status_code == 200
        # A verifier that answers nothing tells of a request that somebody swapped (RFC 9700 §2.1.1).
        bare = await world.authorize(browser, client, code_challenge=None, code_challenge_method=None)
        check_refused(await world.redeem(client, bare), "invalid_grant", MISFIT)
        # Where it sends a challenge, it is held to it.
        with_challenge = await world.authorize(browser, client)
        check_refused(await world.redeem(client, with_challenge, code_verifier=""), "invalid_grant", MISFIT)
