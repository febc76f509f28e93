"""Applications: what can be registered, and what each change leaves (S4, S8, S40)."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select

from base.secret_values import digest
from identity.clients import (
    MAX_SECRETS,
    NewClient,
    check_client,
    delete_client,
    list_clients,
    rotate_secret,
    set_client_disabled,
)
from identity.errors import Refused
from identity.tables import client_secrets
from tests.oauth.refusals import check_event
from tests.world import World

GOOD: dict[str, object] = {
    "name": "Orders",
    "grants": ("authorization_code",),
    "redirect_uris": ("https://app.example.com/callback",),
}
REFUSED: tuple[tuple[dict[str, object], str, str], ...] = (
    ({"name": " "}, "name", "1 to 128 printable characters"),
    ({"name": "a\nb"}, "name", "1 to 128 printable characters"),
    ({"name": "x" * 129}, "name", "1 to 128 printable characters"),
    ({"auth_method": "private_key_jwt"}, "auth_method", "expected one of client_secret_basic"),
    ({"grants": ()}, "grant", "expected one or more of"),
    ({"grants": ("password",)}, "grant", "expected one or more of"),
    ({"grants": ("implicit",)}, "grant", "expected one or more of"),
    ({"grants": ("refresh_token",)}, "grant", "refresh_token comes with authorization_code"),
    ({"redirect_uris": ()}, "redirect_uri", "needs at least one redirect URI"),
    ({"redirect_uris": ("http://app.example.com/",)}, "redirect_uri", "a redirect URI is https"),
    ({"post_logout_redirect_uris": ("javascript:x",)}, "post_logout_redirect_uri", "expected https"),
    ({"id_token_alg": "none"}, "id_token_alg", "expected one of RS256, ES256"),
    ({"id_token_alg": "HS256"}, "id_token_alg", "expected one of RS256, ES256"),
    ({"access_token_ttl_s": 5}, "access_token_ttl_s", "30 to 86400 seconds"),
    ({"scopes": ("orders:read",)}, "scope", "name the API that this scope belongs to"),
    ({"auth_method": "none", "require_pkce": False}, "require_pkce", "always uses PKCE"),
    ({"auth_method": "none", "rotate_refresh": False}, "rotate_refresh", "always rotate"),
    ({"auth_method": "none", "grants": ("client_credentials",)}, "grant", "can keep a secret"),
)


def test_an_ordinary_application_can_be_registered() -> None:
    check_client(msgspec.convert(GOOD, NewClient))


@pytest.mark.parametrize(("change", "field", "words"), REFUSED)
def test_an_application_that_cannot_be_is_refused_by_field(change: dict[str, object], field: str, words: str) -> None:
    """S4, S6, S8"""
    with pytest.raises(Refused, match=words) as refused:
        check_client(msgspec.convert({**GOOD, **change}, NewClient))
    assert refused.value.field == field


@pytest.mark.anyio
async def test_a_secret_is_told_once_and_only_its_digest_is_kept(world: World) -> None:
    """S46"""
    made = await world.client()
    assert made.secret
    assert made.secret.startswith("ocs_")
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(client_secrets))).all()
    assert [(bytes(row.digest), row.hint) for row in rows] == [(digest(made.secret), made.secret[-4:])]
    told = msgspec.json.encode(await world.events("client.created")).decode()
    assert made.secret not in told
    assert made.client.name in told


@pytest.mark.anyio
async def test_a_public_client_has_no_secret(world: World) -> None:
    made = await world.client(auth_method="none")
    assert made.secret is None
    with pytest.raises(Refused, match="a public client has no secret"):
        async with world.services.database.transaction() as db:
            await rotate_secret(
                db, world.services, made.client.client_id, keep_old_for=timedelta(), now=world.clock(), actor="cli"
            )


@pytest.mark.anyio
async def test_a_client_keeps_a_few_secrets_at_most(world: World) -> None:
    """S40"""
    client_id = (await world.client()).client.client_id

    async def rotate() -> str:
        async with world.services.database.transaction() as db:
            keep, now = timedelta(hours=1), world.clock()
            return await rotate_secret(db, world.services, client_id, keep_old_for=keep, now=now, actor="cli")

    for _ in range(MAX_SECRETS - 1):
        await rotate()
    with pytest.raises(Refused, match=f"has {MAX_SECRETS} secrets already"):
        await rotate()
    world.clock.move(hours=1, seconds=1)
    newest = await rotate()
    assert len(await world.events("client.secret_added")) == MAX_SECRETS
    await check_event(world, "client.secret_added", outcome="success", hint=newest[-4:])


@pytest.mark.anyio
async def test_each_change_leaves_its_event_with_before_and_after(world: World) -> None:
    """S44"""
    client_id = (await world.client()).client.client_id
    async with world.services.database.transaction() as db:
        now = world.clock()
        await set_client_disabled(db, world.services, client_id, disabled=True, now=now, actor="cli")
    await check_event(world, "client.changed", outcome="success", before={"disabled": False}, after={"disabled": True})
    async with world.services.database.transaction() as db:
        assert [client.disabled for client in await list_clients(db)] == [True]
        await delete_client(db, world.services, client_id, now=world.clock(), actor="cli")
        assert await list_clients(db) == []
    assert len(await world.events("client.deleted")) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("identifier", ["https://no.example.com", "https://api.example.com"])
async def test_an_unknown_api_or_scope_is_refused_and_nothing_is_left(world: World, identifier: str) -> None:
    with pytest.raises(Refused, match=r"there is no API|has no scope"):
        await world.client(apis={identifier: ("no:such",)})
    assert await world.events("client.created") == []


@pytest.mark.anyio
async def test_an_unknown_client_is_refused_by_name(world: World) -> None:
    with pytest.raises(Refused, match="there is no application cli_x"):
        async with world.services.database.transaction() as db:
            await delete_client(db, world.services, "cli_x", now=world.clock(), actor="cli")
