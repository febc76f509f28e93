"""A day that a report is made of: a hundred thousand events of a few thousand people, and attacks among them.

`python -m benchmarks.report_events DATA_DIR` fills the embedded database of a data folder.
"""

import asyncio
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit.catalogue import (
    CLIENT_CHANGED,
    DEVICE_ADDED,
    LOCKOUT_STARTED,
    LOGIN_FAILED,
    LOGIN_SUCCEEDED,
    MFA_FAILED,
    PERSON_STATE_CHANGED,
    SESSION_STARTED,
    TOKEN_ISSUED,
    TOKEN_REFRESHED,
)
from audit.ledger.keeping import LedgerKeeping
from audit.record import INSERT_EVENT, Event, Origin
from base.ids import PERSON, show_id
from base.within import store
from identity.accounts import create_person
from identity.person_values import NewPerson
from identity.services import Services
from server.composition import open_services
from server.master_key import load_master_keys, prepare_data_dir
from server.schema import prepare_database
from server.settings import load_settings

DAY = datetime(2026, 11, 21, tzinfo=UTC)
_BATCH = 1000
_SPRAYERS = tuple(f"203.0.{third}.{fourth}" for third in (113, 114) for fourth in (7, 9, 200))


async def fill_day(services: Services, events: int, people: int, *, day: datetime = DAY) -> None:
    """Stores so many events at random times of the day, numbers them all and signs the log."""
    draw = random.Random(f"{events} {people}")
    ids = await _make_people(services, people, day)
    made = list(_events(draw, ids, events))
    times = sorted(day + timedelta(seconds=draw.triangular(0, 86399, 50000)) for _ in made)
    for start in range(0, len(made), _BATCH):
        rows = []
        for event, at in zip(made[start : start + _BATCH], times[start : start + _BATCH], strict=True):
            rows.append((await services.emitter.row(event, now=at))[1])
        async with services.database.transaction() as db:
            await store(db, INSERT_EVENT, rows)
    ledger = LedgerKeeping(services.audit)
    for _ in range(events // 1000 + 20):
        await ledger.number()
    await ledger.sign()


async def _make_people(services: Services, people: int, day: datetime) -> list[bytes]:
    made = []
    for start in range(0, people, 200):
        async with services.database.transaction() as db:
            for number in range(start, min(start + 200, people)):
                new = NewPerson(username=f"person{number}", email=f"person{number}@example.com", name=_name(number),
                                is_admin=number < 4)  # fmt: skip
                at = day - timedelta(days=30)
                made.append(await create_person(db, services, new, now=at, actor="cli", via="cli"))
    return made


def _name(number: int) -> str:
    first = ("Ada", "Çağla", "Çiğdem", "Dimitri", "Elif", "Farid", "Gülşen", "Håkon")[number % 8]
    return f"{first} {('Byron', 'Kaya', 'Öztürk', 'Ivanov', 'Nowak', 'Şahin')[number % 6]}"


def _events(draw: random.Random, ids: list[bytes], count: int) -> Iterator[Event]:
    """Mostly tokens and sign-ins; one in twelve a failure, most of those from a few networks at a few accounts."""
    for number in range(count):
        who = ids[int(draw.random() ** 2 * len(ids))]
        me, chance = show_id(PERSON, who), draw.random()
        origin = Origin(f"198.51.{draw.randrange(256)}.{draw.randrange(1, 255)}", "Mozilla/5.0 Firefox/140.0")
        if chance < 0.40:
            yield Event(type=TOKEN_REFRESHED, actor=me, subject=me, person=who, client_id="cli_orders", origin=origin,
                        data={"number": number})  # fmt: skip
        elif chance < 0.60:
            yield Event(type=TOKEN_ISSUED, actor=me, subject=me, person=who, client_id="cli_orders", origin=origin)
        elif chance < 0.80:
            yield Event(type=LOGIN_SUCCEEDED, actor=me, subject=me, person=who, origin=origin)
        elif chance < 0.90:
            yield Event(type=SESSION_STARTED, actor=me, subject=me, person=who, origin=origin)
        elif chance < 0.985:
            yield _failure(draw, ids)
        else:
            yield _rare(draw, ids, who, origin)


def _failure(draw: random.Random, ids: list[bytes]) -> Event:
    origin = Origin(draw.choice(_SPRAYERS), "curl/8.1")
    if draw.random() < 0.3:
        digest = f"{draw.randrange(400):064x}"
        data = {"reason": "unknown_account", "typed_digest": digest}
        return Event(type=LOGIN_FAILED, actor="anonymous", outcome="failure", origin=origin, data=data)
    target = ids[min(int(draw.expovariate(0.02)), len(ids) - 1)]
    kind, reason = (LOGIN_FAILED, "wrong_password") if draw.random() < 0.9 else (MFA_FAILED, "wrong_code")
    return Event(type=kind, actor="anonymous", outcome="failure", subject=show_id(PERSON, target), person=target,
                 origin=origin, data={"reason": reason})  # fmt: skip


def _rare(draw: random.Random, ids: list[bytes], who: bytes, origin: Origin) -> Event:
    me, chance = show_id(PERSON, who), draw.random()
    admin = show_id(PERSON, ids[draw.randrange(4)])
    if chance < 0.3:
        until = int((DAY + timedelta(hours=12)).timestamp())
        return Event(type=LOCKOUT_STARTED, actor="anonymous", outcome="denied", subject=me, person=who, origin=origin,
                     data={"failures": 5, "until": until, "scope": "person"})  # fmt: skip
    if chance < 0.9:
        return Event(type=DEVICE_ADDED, actor=me, subject=me, person=who, origin=origin,
                     personal={"label": "Firefox on Linux"})  # fmt: skip
    if chance < 0.96:
        return Event(type=CLIENT_CHANGED, actor=admin, subject="cli_orders", client_id="cli_orders", origin=origin,
                     data={"before": {}, "after": {}})  # fmt: skip
    return Event(type=PERSON_STATE_CHANGED, actor=admin, subject=me, person=who, origin=origin,
                 data={"before": "active", "after": "disabled"})  # fmt: skip


async def _fill(folder: Path, events: int, people: int) -> None:
    settings = load_settings({"data_dir": str(folder)}, environ={}).settings
    prepare_data_dir(folder)
    master_keys = load_master_keys(settings)
    await asyncio.to_thread(prepare_database, settings)
    async with open_services(settings, master_keys) as services:
        await fill_day(services, events, people)


def fill_folder(folder: Path, *, events: int, people: int) -> None:
    """The same, in the embedded database of a data folder."""
    asyncio.run(_fill(folder, events, people))


if __name__ == "__main__":
    fill_folder(Path(sys.argv[1]), events=100_000, people=2_000)
