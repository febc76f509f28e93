"""Which client asks: exactly one way, the registered one, and failures that are challenged, told and slowed (S11)."""

import base64
from collections.abc import Mapping
from datetime import timedelta

import httpx2
import pytest

from identity.clients import rotate_secret, set_client_disabled
from tests.oauth.refusals import check_event, check_refused
from tests.world import CreatedClient, World

pytestmark = pytest.mark.anyio

FAILED = "client authentication failed"


def basic(client_id: str, secret: str) -> dict[str, str]:
    """An Authorization header, both halves as given."""
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


async def ask(world: World, headers: Mapping[str, str] | None = None, **form: str) -> httpx2.Response:
    """The token endpoint's answer to a client credentials request."""
    async with world.browser() as caller:
        data = {"grant_type": "client_credentials", **form}
        return await caller.post("/oauth/token", data=data, headers=dict(headers or {}))


async def service(world: World, **asked: object) -> CreatedClient:
    return await world.client(**{"grants": ("client_credentials",), "redirect_uris": (), **asked})


async def test_a_failed_basic_authentication_is_challenged(world: World) -> None:
    """S11"""
    client = await service(world)
    refused = await ask(world, basic(client.client.client_id, "ocs_" + "a" * 43))
    check_refused(refused, "invalid_client", FAILED, status=401)
    assert refused.headers["www-authenticate"] == 'Basic realm="Ostiary", charset="UTF-8"'
    await check_event(
        world, "client.authentication_failed", outcome="failure", method="client_secret_basic", reason="wrong secret"
    )


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic ", "Basic %%%", "Basic YQ==", "Bearer YTpi", "Basic  YTpi", "Digest x", "YTpi", "Basic /w=="],
)
async def test_a_header_that_is_not_basic_is_refused(world: World, header: str) -> None:
    """S11"""
    refused = await ask(world, {"authorization": header})
    check_refused(refused, "invalid_client", "", status=401)
    assert "www-authenticate" in refused.headers


async def test_the_halves_of_a_basic_header_are_urlencoded(world: World) -> None:
    """RFC 6749 §2.3.1"""
    client = await service(world)
    encoded = client.client.client_id.replace("_", "%5F"), (client.secret or "").replace("_", "%5F")
    assert (await ask(world, basic(*encoded))).status_code == 200


async def test_credentials_are_given_in_exactly_one_way(world: World) -> None:
    """S11"""
    client = await service(world)
    client_id, secret = client.client.client_id, client.secret or ""
    twice = await ask(world, basic(client_id, secret), client_id=client_id, client_secret=secret)
    check_refused(twice, "invalid_client", "given twice: in the header and in the form", status=401)
    other = await ask(world, basic(client_id, secret), client_id="cli_" + "0" * 32)
    check_refused(other, "invalid_client", "client_id differs from the Authorization header", status=401)
    assert (await ask(world, basic(client_id, secret), client_id=client_id)).status_code == 200
    check_refused(await ask(world), "invalid_client", "the request names no client", status=401)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_a_client_uses_the_method_that_it_is_registered_for(world: World, method: str) -> None:
    """S11"""
    client = await world.client(auth_method=method)
    client_id, secret = client.client.client_id, client.secret or "ocs_" + "a" * 43
    tries = {
        "client_secret_basic": await ask(world, basic(client_id, secret), grant_type="authorization_code", code="x"),
        "client_secret_post": await ask(
            world, client_id=client_id, client_secret=secret, grant_type="authorization_code", code="x"
        ),
        "none": await ask(world, client_id=client_id, grant_type="authorization_code", code="x"),
    }
    for used, response in tries.items():
        if used == method:
            check_refused(response, "invalid_grant", "the authorization code is not valid")
        else:
            check_refused(response, "invalid_client", FAILED, status=401)
    reasons = [event["data"]["reason"] for event in await world.events("client.authentication_failed")]  # type: ignore[index]
    assert len(reasons) == 2
    assert all(reason.startswith(f"registered for {method}") for reason in reasons)


async def test_an_unknown_and_a_disabled_client_are_told_the_same(world: World) -> None:
    """S18"""
    client = await service(world)
    async with world.services.database.transaction() as db:
        await set_client_disabled(
            db, world.services, client.client.client_id, disabled=True, now=world.clock(), actor="cli"
        )
    await world.services.catalogue.poll()
    disabled = await ask(world, basic(client.client.client_id, client.secret or ""))
    unknown = await ask(world, basic("cli_" + "0" * 32, client.secret or ""))
    for response in (disabled, unknown):
        check_refused(response, "invalid_client", FAILED, status=401)
    assert disabled.content == unknown.content
    events = await world.events("client.authentication_failed")
    assert [event["client"] for event in events] == [client.client.client_id, None]


async def test_secrets_rotate_as_a_list(world: World) -> None:
    """S40: the old one works until it ends, then only the new one."""
    client = await service(world)
    client_id, old = client.client.client_id, client.secret or ""
    async with world.services.database.transaction() as db:
        new = await rotate_secret(
            db, world.services, client_id, keep_old_for=timedelta(hours=1), now=world.clock(), actor="cli"
        )
    await world.services.catalogue.poll()
    assert (await ask(world, basic(client_id, old))).status_code == 200
    assert (await ask(world, basic(client_id, new))).status_code == 200
    world.clock.move(hours=1, seconds=1)
    check_refused(await ask(world, basic(client_id, old)), "invalid_client", FAILED, status=401)
    assert (await ask(world, basic(client_id, new))).status_code == 200


async def test_repeated_failures_are_slowed_and_the_right_secret_still_works(world: World) -> None:
    """S11"""
    client = await service(world)
    client_id = client.client.client_id
    answers = [await ask(world, basic(client_id, "ocs_" + "a" * 43)) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    check_refused(answers[-1], "invalid_client", "too many failed attempts: try again in", status=429)
    # The window slides: it may be one full window, and a tenth of it, until one more is allowed.
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 66
    assert len(await world.events("client.authentication_failed")) == 10
    assert (await ask(world, basic(client_id, client.secret or ""))).status_code == 200


async def test_one_client_that_fails_does_not_slow_another(world: World) -> None:
    """S11"""
    one, two = await service(world), await service(world)
    for _ in range(11):
        await ask(world, basic(one.client.client_id, "wrong"))
    refused = await ask(world, basic(two.client.client_id, "wrong"))
    check_refused(refused, "invalid_client", FAILED, status=401)


async def test_made_up_client_ids_are_slowed_together(world: World) -> None:
    """S11"""
    answers = [await ask(world, basic(f"cli_{number:032x}", "wrong")) for number in range(11)]
    assert answers[-1].status_code == 429
