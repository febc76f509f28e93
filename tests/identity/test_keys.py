"""Signing keys at rest and in memory; their life is told in tests/oauth/test_key_rotation.py (S36, S39, S40)."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from joserfc import jws
from sqlalchemy import select, update

from base.sealing import SealBroken
from identity.catalogue import touch
from identity.keys import KeyRing, ensure_keys, import_jwk, list_keys, make_signer
from identity.tables import signing_keys
from server.composition import key_times
from tests.oauth.tokens_read import encode
from tests.world import World


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
@pytest.mark.anyio
async def test_a_signature_is_one_that_other_libraries_verify(world: World, alg: str) -> None:
    """S36"""
    signer = world.services.keys.signer(alg)
    found = world.services.keys.find_verifying(signer.kid, now=world.clock())
    assert found
    key, its_alg = found
    assert its_alg == alg
    message = encode(b'{"alg":"' + alg.encode() + b'"}') + "." + encode(b"payload")
    token = f"{message}.{encode(signer.sign(message.encode()))}"
    assert jws.deserialize_compact(token, key, algorithms=[alg]).payload == b"payload"


@pytest.mark.anyio
async def test_private_keys_are_sealed_and_bound_to_their_id(world: World) -> None:
    """S40"""
    async with world.services.database.reading() as db:
        rows = (await db.execute(select(signing_keys))).all()
    sealer = world.services.sealer
    assert len(rows) == 4
    for row in rows:
        assert set(row.public_jwk) & {"d", "p", "q"} == set()
        opened = sealer.unseal(row.sealed, aad=b"signing key " + row.kid.encode())
        assert isinstance(load_der_private_key(opened, None), EllipticCurvePrivateKey | RSAPrivateKey)
        assert opened not in row.sealed
    with pytest.raises(SealBroken):
        sealer.unseal(rows[0].sealed, aad=b"signing key " + rows[1].kid.encode())


@pytest.mark.anyio
async def test_a_key_moved_to_another_row_does_not_sign(world: World) -> None:
    """S40: whoever can write the table cannot make the server sign with a key of their choice."""
    services = world.services
    async with services.database.transaction() as db:
        rows = (await db.execute(select(signing_keys).where(signing_keys.c.alg == "ES256"))).all()
        for row, other in zip(rows, rows[::-1], strict=True):
            change = update(signing_keys).where(signing_keys.c.kid == row.kid)
            await db.execute(change.values(sealed=other.sealed))
        await touch(db, "keys")
    starting = KeyRing(services.database, services.sealer, key_times(services.settings), longest_token=timedelta)
    with pytest.raises(SealBroken):
        await starting.refresh(world.clock())


@pytest.mark.anyio
async def test_making_keys_again_makes_none(world: World) -> None:
    services = world.services
    async with services.database.transaction() as db:
        before = await list_keys(db)
        await ensure_keys(db, services.sealer, services.emitter, now=world.clock())
        assert await list_keys(db) == before


@pytest.mark.anyio
async def test_an_rsa_key_has_2048_bits_and_a_thumbprint_for_its_id(world: World) -> None:
    """S37"""
    services = world.services
    async with services.database.reading() as db:
        for key in await list_keys(db):
            public = import_jwk(key.public_jwk)
            assert public.thumbprint() == key.kid
            assert public.private_key is None
            if key.alg == "RS256":
                assert isinstance(public.public_key, RSAPublicKey)
                assert public.public_key.key_size >= 2048


def test_only_a_key_for_signing_becomes_a_signer() -> None:
    agreement = X25519PrivateKey.generate()
    der = agreement.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="holds no private key"):
        make_signer("kid", "ES256", der)
