"""Signatures that were checked before: remembered only for the very same text under the very same key."""

from datetime import timedelta

import pytest

from identity import keys
from identity.proven_tokens import ProvenTokens
from identity.tokens import ACCESS_TYPE, AccessToken, mint_access_token, verify_own_token
from server.composition import key_times
from tests.world import ISSUER, World

pytestmark = pytest.mark.anyio


def mint(world: World) -> str:
    token = AccessToken(ISSUER, "cli_orders", ISSUER, "cli_orders", "orders:read")
    signer = world.services.keys.signer("ES256")
    return mint_access_token(signer, token, issued_at=world.clock(), ttl=timedelta(seconds=60)).text


def claims(world: World, token: str, *, issuer: str = ISSUER, kind: str = ACCESS_TYPE) -> dict[str, object] | None:
    now = world.clock()
    return verify_own_token(token, world.services.keys, expected_type=kind, expected_issuer=issuer, now=now)


async def test_a_known_token_is_checked_anew_for_all_but_its_signature(world: World) -> None:
    """S18: what was proven once opens nothing that is closed now."""
    token = mint(world)
    first = claims(world, token)
    assert first is not None
    first["sub"] = "somebody else"
    again = claims(world, token)
    assert again is not None
    assert again["sub"] == "cli_orders"
    assert claims(world, token, issuer="https://other.example") is None
    assert claims(world, token, kind="JWT") is None
    world.clock.move(seconds=61)
    assert claims(world, token) is None


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_no_changed_token_is_taken_for_the_one_that_was_proven(world: World, part: int) -> None:
    token = mint(world)
    assert claims(world, token) is not None
    parts = token.split(".")
    middle = len(parts[part]) // 2
    parts[part] = parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
    assert claims(world, ".".join(parts)) is None


async def test_a_revoked_key_takes_the_tokens_that_were_proven_by_it(world: World) -> None:
    """S39"""
    services, token = world.services, mint(world)
    assert claims(world, token) is not None
    kid = services.keys.signer("ES256").kid
    async with services.database.transaction() as db:
        await keys.revoke_key(
            db,
            services.sealer,
            services.emitter,
            kid,
            times=key_times(services.settings),
            now=world.clock(),
            actor="cli",
        )
    await services.keys.refresh(world.clock())
    assert claims(world, token) is None


async def test_the_oldest_gives_way_and_another_key_proves_nothing(world: World) -> None:
    ring = world.services.keys
    kids = [ring.signer(alg).kid for alg in ("ES256", "RS256")]
    (one, other) = (found[0] for kid in kids if (found := ring.find_verifying(kid, now=world.clock())))
    proven = ProvenTokens()
    for number in range(513):
        proven.add(f"token {number}", one, b"{}")
    assert [proven.find(f"token {number}", one) for number in (0, 1, 512)] == [None, b"{}", b"{}"]
    assert proven.find("token 512", other) is None
