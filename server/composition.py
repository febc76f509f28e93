"""The parts of one deployment, put together: this is where every room gets what it works with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import select, text

import audit
import identity
from audit.emit import Emitter
from audit.ledger.notes import LedgerKey, origin_of
from audit.record import NOBODY
from audit.services import AuditServices
from audit.tables import subject_keys
from base.cache import InProcess, KeyValue, RedisStore
from base.clock import Clock, utc_now
from base.data_keys import load_data_key
from base.database import Database
from base.errors import NotReady
from base.outbound import Outbound
from base.pages import Pages
from base.rates import RateLimiter
from base.sealing import SealBroken, Sealer
from feed.numbering import ensure_epoch
from identity.argon2_hashes import STANDARD, Argon2Hasher, Argon2Parameters
from identity.breached import BreachedList, InvalidBreachedList
from identity.catalogue import Catalogue
from identity.keys import KeyRing, KeyTimes, ensure_keys
from identity.password_hashes import HashPool
from identity.services import Services
from identity.settings import IdentitySettings
from policy.active import ActivePolicies
from policy.sets import ensure_policies
from policy.signin import SigninPolicy
from server import demo
from server.places import make_geography
from server.risk import make_risk
from server.settings import Settings

_FIRST_START_LOCK = 0x6F737469617279
_IDENTITY = Path(identity.__file__).parent
_ROOMS_OF_IDENTITY = (_IDENTITY, *(_IDENTITY / name for name in ("factors", "account", "recovery", "mail")))
# The pages tell events in the catalogue's own sentences, too.
PAGE_FOLDERS = (*_ROOMS_OF_IDENTITY, Path(audit.__file__).parent, Path(demo.__file__).parent)


@asynccontextmanager
async def open_services(
    settings: Settings,
    master_keys: tuple[bytes, ...],
    *,
    hashing: Argon2Parameters = STANDARD,
    clock: Clock = utc_now,
) -> AsyncIterator[Services]:
    """Everything the rooms need, closed at the end; makes missing keys. The database must be migrated.

    `hashing`: tests hand in cheap parameters of the password hash. Raises NotReady and StorageUnavailable.
    """
    told = settings.for_identity()
    database, store = Database(settings.database), open_store(settings)
    breached = _open_breached(settings.password.breached_file)
    hashes = HashPool(Argon2Hasher(hashing))
    try:
        sealer, catalogue = Sealer(master_keys), Catalogue(database, told.issuer)
        keys = await _make_keys(database, sealer, now=clock())
        policies = ActivePolicies(database, keys.emitter, clock)
        services = Services(
            settings=told,
            database=database,
            emitter=keys.emitter,
            audit=_audit_services(settings, database, sealer, keys, clock),
            sealer=sealer,
            catalogue=catalogue,
            keys=_key_ring(database, sealer, told, catalogue),
            hashes=hashes,
            breached=breached,
            rates=RateLimiter(store),
            pages=Pages(service_name=settings.service_name, folders=PAGE_FOLDERS),
            policies=policies,
            decide=SigninPolicy(lambda: policies.engine, settings.signin_rules(), clock).decide,
            risk=make_risk(database, keys.risk),
            clock=clock,
            form_key=keys.form,
            geography=make_geography(settings),
        )
        await _read_what_is_kept_in_memory(services)
        yield services
    finally:
        await _close(store, database, hashes, breached)


async def _close(store: KeyValue, database: Database, hashes: HashPool, breached: BreachedList | None) -> None:
    await store.close()
    await database.close()
    hashes.close()
    if breached is not None:
        breached.close()


async def _read_what_is_kept_in_memory(services: Services) -> None:
    await services.catalogue.refresh()
    await services.keys.refresh(services.clock())
    await services.policies.refresh()
    await services.risk.scoring.refresh()
    await services.risk.crowd.round(services.clock())


def _audit_services(
    settings: Settings, database: Database, sealer: Sealer, keys: "_Keys", clock: Clock
) -> AuditServices:
    return AuditServices(
        settings=settings.for_audit(),
        database=database,
        emitter=keys.emitter,
        sealer=sealer,
        clock=clock,
        key=LedgerKey(origin_of(settings.issuer), keys.ledger),
        outbound=Outbound(allow=settings.outbound.allow, timeout_s=settings.outbound.timeout_s),
    )


def open_store(settings: Settings) -> KeyValue:
    """Redis where it is set, else its twin in this process."""
    return RedisStore(settings.redis_url) if settings.redis_url else InProcess()


def _key_ring(database: Database, sealer: Sealer, told: IdentitySettings, catalogue: Catalogue) -> KeyRing:
    longest = partial(catalogue.longest_token, told.access_token_ttl)
    return KeyRing(database, sealer, key_times(told), longest_token=longest)


def key_times(told: IdentitySettings) -> KeyTimes:
    """How long keys are published (S39): a cache lifetime before, and one after the last token expired."""
    return KeyTimes(
        publish_before=max(told.key_publish_before, told.key_cache),
        publish_after=told.key_cache,
        hint_after=told.session_absolute,
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    emitter: Emitter
    form: bytes
    ledger: bytes
    risk: bytes


async def _make_keys(database: Database, sealer: Sealer, *, now: datetime) -> _Keys:
    try:
        async with database.transaction() as db:
            if not database.is_sqlite:
                # Two processes that start together would both find nothing and both make keys.
                await db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _FIRST_START_LOCK})
            index_key = await load_data_key(db, sealer, "index", now)
            form_key = await load_data_key(db, sealer, "form", now)
            ledger_key = await load_data_key(db, sealer, "ledger", now)
            risk_key = await load_data_key(db, sealer, "risk", now)
            emitter = Emitter(database, sealer, index_key)
            if (await db.execute(select(subject_keys).where(subject_keys.c.subject_id == NOBODY))).first() is None:
                await emitter.begin_subject(db, NOBODY, now=now)
            await ensure_keys(db, sealer, emitter, now=now)
            await ensure_policies(db, now=now)
            await ensure_epoch(db, now=now)
    except SealBroken as broken:
        raise NotReady(
            "the master key does not open this database: put the key that it was made with into OSTIARY_MASTER_KEY"
            " (or DATA_DIR/master.key); a new key goes before the old one in the list"
        ) from broken
    return _Keys(emitter, form_key, ledger_key, risk_key)


def _open_breached(path: Path | None) -> BreachedList | None:
    if path is None:
        return None
    try:
        return BreachedList(path)
    except (OSError, InvalidBreachedList) as error:
        raise NotReady(f"OSTIARY_PASSWORD__BREACHED_FILE: {error}") from error
