"""A PostgreSQL deployment with a long past, as far as a score reads it: histories, devices, sessions, credentials.

A sign-in of the past stands in its person's history and nowhere else that the read looks at; the log, where its event
stands, is not read, and not filled here.
"""

import asyncio
import random
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import psycopg

from base.clock import to_micros
from identity.assessing.reading import PROFILE_AAD
from identity.assessing.seen import Seen, seal_seen
from identity.services import Services
from migrations.run import upgrade
from risk.history.profile import Profile
from risk.sighting import Sighting
from server.composition import open_services
from server.master_key import load_master_keys, prepare_data_dir
from server.settings import load_settings

_BATCH = 2_000
_TABLES = {
    "people": "id, sub, state, is_admin, profile, created_at, updated_at, version",
    "risk_profiles": "person_id, sealed, updated_at, version",
    "devices": "id, person_id, cookie_digest, label, created_at, last_seen_at, version",
    "credentials": "id, person_id, kind, attributes, created_at, version",
    "sessions": "id, digest, person_id, seen, auth_time, keep, created_at, last_seen_at, idle_expires_at, expires_at",
    "risk_activity": "key, failures, successes, people, people_before, began_at",
}


@dataclass(frozen=True, slots=True)
class PastPerson:
    """Somebody with a history; `cookie` is the digest of their device's."""

    id: bytes
    cookie: bytes


@dataclass(slots=True)
class Past:
    """A deployment, and how much of a past it has."""

    services: Services
    url: str
    bodies: Iterator[tuple[bytes, int]]
    people: list[PastPerson] = field(default_factory=list)
    signins: int = 0
    _some: random.Random = field(default_factory=lambda: random.Random(23))

    def grow(self, signins: int) -> None:
        """Adds people with their histories until there are so many sign-ins of the past."""
        with psycopg.connect(self.url) as db:
            while self.signins < signins:
                rows = self._rows(signins)
                for table, columns in _TABLES.items():
                    with db.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                        for row in rows[table]:
                            copy.write_row(row)
                db.commit()
            db.autocommit = True
            # What its own housekeeping does to tables that grew.
            db.execute(f"VACUUM ANALYZE {', '.join(_TABLES)}")

    def _rows(self, signins: int) -> dict[str, list[tuple[object, ...]]]:
        rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in _TABLES}
        services, now = self.services, self.services.clock()
        at, later = to_micros(now), to_micros(now + timedelta(days=1))
        seen = Sighting(at_s=now.timestamp())
        while len(rows["people"]) < _BATCH and self.signins < signins:
            person, cookie = self._some.randbytes(16), self._some.randbytes(32)
            body, known = next(self.bodies)
            sealed, session = services.sealer.seal(body, aad=PROFILE_AAD + person), self._some.randbytes(16)
            rows["people"].append((person, person.hex(), "active", False, "{}", at, at, 1))
            rows["risk_profiles"].append((person, sealed, at, 1))
            rows["devices"].append((self._some.randbytes(16), person, cookie, "A browser", at, at, 1))
            for kind in ("password", "totp"):
                rows["credentials"].append((self._some.randbytes(16), person, kind, "{}", at, 1))
            look = seal_seen(services.sealer, session, Seen(seen, seen))
            rows["sessions"].append((session, cookie, person, look, at, False, at, at, later, later))
            rows["risk_activity"].append((services.risk.key.digest("account", person), 0, 1000, 0, 0, at))
            self.people.append(PastPerson(person, cookie))
            self.signins += known
        return rows


@asynccontextmanager
async def open_past(url: str, folder: Path, profiles: Sequence[Profile]) -> AsyncIterator[Past]:
    """A new deployment over an empty database; its people's histories are those of `profiles` in turn."""
    key = b64encode(secrets.token_bytes(32)).decode()
    environ = {"OSTIARY_DATABASE_URL": url, "OSTIARY_DATA_DIR": str(folder), "OSTIARY_MASTER_KEY": key}
    settings = load_settings(environ=environ).settings
    prepare_data_dir(settings.data_dir)
    keys = load_master_keys(settings)
    await asyncio.to_thread(upgrade, url)
    async with open_services(settings, keys) as services:
        yield Past(services, url, cycle([(each.to_bytes(), each.signins) for each in profiles]))
