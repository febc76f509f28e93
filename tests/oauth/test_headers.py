"""Who may read answers from another site, and what every answer says to the browser (S9)."""

import httpx2
import pytest

from tests.world import World

pytestmark = pytest.mark.anyio

APP = "https://app.example.com"
SHARED = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json",
          "/oauth/token", "/oauth/userinfo", "/oauth/revoke")  # fmt: skip
CLOSED = ("/oauth/authorize", "/oauth/logout", "/oauth/introspect", "/signin", "/consent", "/")
ALLOW = "access-control-allow-origin"


async def ask(world: World, method: str, path: str, origin: str, **headers: str) -> httpx2.Response:
    async with world.browser() as caller:
        return await caller.request(method, path, headers={"origin": origin, **headers})


@pytest.mark.parametrize("path", SHARED)
async def test_a_registered_origin_may_read_and_no_other_may(world: World, path: str) -> None:
    """S9"""
    await world.client()
    method = "GET" if path.startswith("/.well-known") else "POST"
    allowed = await ask(world, method, path, APP)
    assert allowed.headers[ALLOW] == APP
    assert "access-control-allow-credentials" not in allowed.headers
    assert "origin" in allowed.headers["vary"]
    for origin in ("https://evil.example.com", "null", APP + ":444", APP.upper(), "http://app.example.com", APP + "/"):
        refused = await ask(world, method, path, origin)
        assert ALLOW not in refused.headers
        assert "origin" in refused.headers["vary"]


@pytest.mark.parametrize("path", SHARED)
async def test_a_preflight_is_answered_by_the_same_rule(world: World, path: str) -> None:
    """S9"""
    await world.client()
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    allowed = await ask(world, "OPTIONS", path, APP, **asking)
    assert (allowed.status_code, allowed.headers[ALLOW]) == (204, APP)
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert ALLOW not in (await ask(world, "OPTIONS", path, "https://evil.example.com", **asking)).headers


@pytest.mark.parametrize("path", CLOSED)
async def test_no_site_may_read_the_other_addresses(world: World, path: str) -> None:
    """S9"""
    await world.client()
    for method in ("GET", "POST", "OPTIONS"):
        response = await ask(world, method, path, APP, **{"access-control-request-method": "POST"})
        assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_a_refusal_may_be_read_too(world: World) -> None:
    """S9: an application in a browser must learn why."""
    await world.client()
    response = await ask(world, "POST", "/oauth/token", APP)
    assert (response.status_code, response.headers[ALLOW]) == (400, APP)
    userinfo = await ask(world, "GET", "/oauth/userinfo", APP)
    assert "www-authenticate" in userinfo.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/logout", "/signin", "/", "/no-such-page"])
async def test_every_page_forbids_frames_foreign_code_and_telling_others(world: World, path: str) -> None:
    """S9"""
    async with world.browser() as browser:
        page = await browser.get(path, headers={"accept": "text/html"})
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "form-action 'self'" in policy
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert "://" not in page.text.replace('xmlns="http://www.w3.org/2000/svg"', "")


async def test_a_page_of_a_pending_authorization_leaves_the_way_back_open(world: World) -> None:
    """S9: Chromium applies form-action to the whole chain of redirects."""
    client, person = await world.client(first_party=False), await world.person()
    async with world.browser() as browser:
        response = await world.authorize(browser, client)
        assert (await browser.get(response.location)).headers["content-security-policy"].count("form-action") == 0
        await world.sign_in(browser, person)
        consent = await world.authorize(browser, client)
        page = await browser.get(consent.location)
    assert page.status_code == 200
    assert "form-action" not in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_every_answer_names_its_request(world: World) -> None:
    seen = set()
    async with world.browser() as caller:
        for path in ("/", "/oauth/token", "/.well-known/jwks.json", "/nothing"):
            seen.add((await caller.get(path)).headers["x-request-id"])
    assert len(seen) == 4
