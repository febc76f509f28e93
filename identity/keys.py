"""Signing keys: made, published ahead of use, retired, revoked (S39), and held in memory by every process.

A key is `next` (published, not yet signing), `active` (signs), `retired` (verifies for a while) or `revoked`.
Private keys are sealed under the master key; the associated data binds the key id.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import KEY_ADDED, KEY_CHANGED, KEY_REVOKED
from audit.emit import Emitter
from audit.record import Event, Origin
from base.database import Database
from base.sealing import Sealer
from base.tables import revisions
from feed.entries import KEY_REMEMBERED, Entry, Kind, publish
from identity.catalogue import find_revision, touch
from identity.errors import Refused
from identity.proven_tokens import ProvenTokens
from identity.tables import signing_keys

ALGORITHMS = ("ES256", "RS256")
Jwk = ECKey | RSAKey


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """How long a key is published before it signs, and after the last token that it signed has expired.

    `hint_after`: how long a retired key still proves an `id_token_hint`, published or not.
    """

    publish_before: timedelta
    publish_after: timedelta
    hint_after: timedelta


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key as lists show it; `public_jwk` is what the key set publishes."""

    kid: str
    alg: str
    state: str
    public_jwk: Mapping[str, str]
    created_at: datetime
    active_at: datetime | None
    retired_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one private key; `sign` gives the raw JWS signature of the signing input (RFC 7515 §5.1)."""

    kid: str
    alg: str
    sign: Callable[[bytes], bytes]


def make_signer(kid: str, alg: str, der: bytes) -> Signer:
    """The signer of an unsealed private key (PKCS #8)."""
    # The seal is authenticated, so the 50 ms of checking an RSA key's numbers again would find nothing.
    private = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        ecdsa = ec.ECDSA(hashes.SHA256())

        def sign_es256(message: bytes) -> bytes:
            r, s = decode_dss_signature(private.sign(message, ecdsa))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

        return Signer(kid, alg, sign_es256)
    if isinstance(private, rsa.RSAPrivateKey):
        pkcs1, sha256 = padding.PKCS1v15(), hashes.SHA256()
        return Signer(kid, alg, lambda message: private.sign(message, pkcs1, sha256))
    raise ValueError(f"key {kid} holds no private key")


class KeyRing:
    """The keys in memory: a signer an algorithm, the published set as ready bytes, and every key for verifying."""

    def __init__(
        self, database: Database, sealer: Sealer, times: KeyTimes, *, longest_token: Callable[[], timedelta]
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._times = times
        self._longest_token = longest_token
        self._revision = -1
        self._keys: Sequence[SigningKey] = ()
        self._signers: dict[str, Signer] = {}
        self._verifying: dict[str, Jwk] = {}
        self._published_until: datetime | None = None
        self.jwks: bytes = b'{"keys":[]}'
        self.proven = ProvenTokens()

    def signer(self, alg: str) -> Signer:
        """The key that signs this algorithm now. Raises LookupError where there is none."""
        return self._signers[alg]

    def find_verifying(self, kid: str, *, now: datetime) -> tuple[Jwk, str] | None:
        """A key and its algorithm for tokens of our own, published or not; None for unknown and revoked keys."""
        for key in self._keys:
            if key.kid == kid and key.state != "revoked":
                if key.retired_at is not None and key.retired_at + self._times.hint_after < now:
                    return None
                return self._verifying[kid], key.alg
        return None

    async def poll(self, now: datetime) -> None:
        """Reloads where a key changed, and drops keys from the published set whose time is over."""
        changed = await find_revision(self._database, "keys") != self._revision
        if changed or (self._published_until is not None and now >= self._published_until):
            await self.refresh(now)

    async def refresh(self, now: datetime) -> None:
        """Reads every key anew."""
        async with self._database.reading() as db:
            revision = (await db.execute(select(revisions.c.number).where(revisions.c.name == "keys"))).scalar_one()
            rows = (await db.execute(select(signing_keys).order_by(signing_keys.c.created_at))).all()
        keys = [_key_of(row) for row in rows]
        sealed = {row.kid: row.sealed for row in rows}
        self._signers = {key.alg: self._signer_of(key, sealed[key.kid]) for key in keys if key.state == "active"}
        self._verifying = {key.kid: self._verifying.get(key.kid) or import_jwk(key.public_jwk) for key in keys}
        published = [key for key in keys if self._is_published(key, now)]
        self.jwks = msgspec.json.encode({"keys": [key.public_jwk for key in reversed(published)]})
        ends = [self._published_to(key.retired_at) for key in published if key.retired_at]
        self._published_until = min(ends, default=None)
        self._keys = keys
        self._revision = revision

    def _is_published(self, key: SigningKey, now: datetime) -> bool:
        if key.state == "revoked":
            return False
        return key.retired_at is None or now < self._published_to(key.retired_at)

    def _published_to(self, retired_at: datetime) -> datetime:
        return retired_at + self._longest_token() + self._times.publish_after

    def _signer_of(self, key: SigningKey, sealed: bytes) -> Signer:
        known = self._signers.get(key.alg)
        if known is not None and known.kid == key.kid:
            return known
        return make_signer(key.kid, key.alg, self._sealer.unseal(sealed, aad=_aad(key.kid)))


def import_jwk(jwk: Mapping[str, str]) -> Jwk:
    """The joserfc key of a JWK."""
    return ECKey.import_key(dict(jwk)) if jwk["kty"] == "EC" else RSAKey.import_key(dict(jwk))


def _key_of(row: object) -> SigningKey:
    names = SigningKey.__dataclass_fields__
    return SigningKey(**{name: getattr(row, name) for name in names})


def _aad(kid: str) -> bytes:
    return b"signing key " + kid.encode()


async def list_keys(db: AsyncConnection) -> list[SigningKey]:
    """Every key, oldest first."""
    return [_key_of(row) for row in await db.execute(select(signing_keys).order_by(signing_keys.c.created_at))]


async def add_key(
    db: AsyncConnection,
    sealer: Sealer,
    emitter: Emitter,
    alg: str,
    *,
    state: str,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> str:
    """Makes a key in state `next` or `active`; returns its kid, the JWK thumbprint (RFC 7638)."""
    made: Jwk = ECKey.generate_key("P-256") if alg == "ES256" else RSAKey.generate_key(2048)
    kid = made.thumbprint()
    public = {**cast(dict[str, str], made.as_dict(private=False)), "kid": kid, "alg": alg, "use": "sig"}
    private = made.as_der(private=True)
    await db.execute(
        insert(signing_keys).values(
            kid=kid,
            alg=alg,
            state=state,
            public_jwk=public,
            sealed=sealer.seal(private, aad=_aad(kid)),
            created_at=now,
            active_at=now if state == "active" else None,
        )
    )
    await touch(db, "keys")
    data = {"kid": kid, "alg": alg, "state": state}
    await emitter.emit(db, Event(type=KEY_ADDED, actor=actor, subject=kid, origin=origin, data=data), now=now)
    return kid


async def ensure_keys(db: AsyncConnection, sealer: Sealer, emitter: Emitter, *, now: datetime) -> None:
    """Makes an active and a next key for each algorithm that has none; run at every start, safe to repeat."""
    have = {(key.alg, key.state) for key in await list_keys(db)}
    for alg in ALGORITHMS:
        for state in ("active", "next"):
            if (alg, state) not in have:
                await add_key(db, sealer, emitter, alg, state=state, now=now, actor="system")


async def rotate_key(
    db: AsyncConnection,
    sealer: Sealer,
    emitter: Emitter,
    alg: str,
    *,
    times: KeyTimes,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> str:
    """Retires the active key, lets the next one sign, and publishes a new next one; returns the kid that signs now.

    Raises Refused while the next key has not been published for one cache lifetime: verifiers would not know it.
    """
    if alg not in ALGORITHMS:
        raise Refused("alg", f"expected one of {', '.join(ALGORITHMS)}")
    # Whoever else changes keys waits here, and then sees what this transaction did.
    await touch(db, "keys")
    keys = {key.state: key for key in await list_keys(db) if key.alg == alg}
    following = keys.get("next")
    if following is None or following.created_at + times.publish_before > now:
        ready = following and (following.created_at + times.publish_before).isoformat(timespec="seconds")
        raise Refused("alg", f"the next {alg} key may sign from {ready} on: verifiers need that time to fetch it")
    if "active" in keys:
        await _set_state(db, emitter, keys["active"], "retired", now=now, actor=actor, origin=origin)
    await _set_state(db, emitter, following, "active", now=now, actor=actor, origin=origin)
    await add_key(db, sealer, emitter, alg, state="next", now=now, actor=actor, origin=origin)
    return following.kid


async def revoke_key(
    db: AsyncConnection,
    sealer: Sealer,
    emitter: Emitter,
    kid: str,
    *,
    times: KeyTimes,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Withdraws a key at once: nothing that it signed is accepted any more. Raises Refused.

    Where it was the active one the next key signs from now on, published long enough or not: an emergency.
    """
    await touch(db, "keys")
    keys = await list_keys(db)
    found = next((key for key in keys if key.kid == kid), None)
    if found is None or found.state == "revoked":
        raise Refused("kid", f"there is no key {kid} to revoke")
    change = update(signing_keys).where(signing_keys.c.kid == kid)
    await db.execute(change.values(state="revoked", revoked_at=now, sealed=b""))
    await publish(db, Entry(Kind.KEY, kid, now + max(times.hint_after, KEY_REMEMBERED)), now=now)
    data = {"kid": kid, "alg": found.alg, "before": found.state}
    await emitter.emit(db, Event(type=KEY_REVOKED, actor=actor, subject=kid, origin=origin, data=data), now=now)
    following = next((key for key in keys if key.alg == found.alg and key.state == "next"), None)
    if found.state == "active" and following is not None:
        await _set_state(db, emitter, following, "active", now=now, actor=actor, origin=origin)
    await ensure_keys(db, sealer, emitter, now=now)


async def _set_state(
    db: AsyncConnection, emitter: Emitter, key: SigningKey, state: str, *, now: datetime, actor: str, origin: Origin
) -> None:
    moment = {"active": "active_at", "retired": "retired_at"}[state]
    change = update(signing_keys).where(signing_keys.c.kid == key.kid)
    await db.execute(change.values({"state": state, moment: now}))
    await touch(db, "keys")
    data = {"kid": key.kid, "alg": key.alg, "before": key.state, "after": state}
    await emitter.emit(db, Event(type=KEY_CHANGED, actor=actor, subject=key.kid, origin=origin, data=data), now=now)
