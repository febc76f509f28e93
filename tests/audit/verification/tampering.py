"""Ways to change a log unseen, for somebody who can write everywhere in the database (S45).

Each takes a random place and returns where the finding must lie: the first and the last event, or words about what is
at no event's place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import msgspec
from sqlalchemy import Column, cast, delete, insert, literal, select, update
from sqlalchemy import Text as TextType
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.checkpoints import root_of, sign_checkpoint
from audit.ledger.merkle import leaf_hash
from audit.ledger.numbering import LEDGER
from audit.ledger.tiles import append_leaves
from audit.services import AuditServices
from audit.tables import checkpoints, events, ledger_tiles
from base.tables import sequences
from tests.audit.verification.kept_log import COVERED, SIZE

Place = tuple[int, int] | str
Tampering = Callable[[AsyncConnection, AuditServices, Random], Awaitable[Place]]

_TEXTS = ("name", "family", "severity", "outcome", "actor", "subject", "client_id", "request_id", "source")
_EMPTY = ("place", "risk_score", "risk_reasons", "policy_revision")
_INDEXES = ("person_index", "address_index", "network_index")


async def flip_body(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """A byte of a body."""
    number = draw.randrange(SIZE)
    body = (await _value(db, number, events.c.body)).encode()  # type: ignore[attr-defined]
    changed = bytearray(body)
    if db.dialect.name == "sqlite":
        # Any bit: it need not be text any more.
        changed[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
        await _set(db, number, body=cast(literal(bytes(changed)), TextType))
    else:
        place = draw.randrange(len(body))
        changed[place] = draw.choice([byte for byte in range(32, 127) if byte != body[place]])
        await _set(db, number, body=changed.decode())
    return number, number


async def change_column(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """A column beside the body."""
    number = draw.randrange(SIZE)
    name = draw.choice((*_TEXTS, *_EMPTY, "at", "session_id", "device_id", "version", "id"))
    value = await _value(db, number, events.c[name])
    changed: object = draw.choice("xyz")
    if name in ("risk_score", "policy_revision"):
        changed = draw.choice([each for each in (None, 1, 2, 50) if each != value])
    elif name in ("session_id", "device_id", "id"):
        changed = draw.randbytes(16)
    elif name == "version":
        # Another version, which the body is not of, or one that there is not.
        changed = draw.choice([each for each in (1, 2, 3, 4) if each != value])
    elif name == "at":
        changed = value - (audit.clock() - audit.clock().replace(microsecond=0)) * 7  # type: ignore[operator]
    await _set(db, number, **{name: changed})
    return number, number


async def change_version(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """The version of a body, in the column too: a score is put in, taken out, or made another; the policies are left
    out."""
    number = draw.randrange(SIZE)
    row = (await db.execute(select(events.c.body, events.c.risk_score).where(events.c.seq == number))).one()
    stated = msgspec.json.decode(row.body, type=dict[str, object])
    risk = {"score": 1, "level": "low", "calibration": "x", "log_odds": 0.5}
    if stated.pop("risk", None) is None or draw.random() < 0.5:
        stated["risk"] = {**risk, "score": 2 if row.risk_score == 1 else 1}
    stated.pop("policy", None)
    stated["v"] = 2 if "risk" in stated else 1
    body = msgspec.json.encode(stated, order="sorted").decode()
    score = stated["risk"]["score"] if "risk" in stated else None  # type: ignore[index]
    await _set(db, number, version=stated["v"], body=body, risk_score=score, policy_revision=None)
    return number, number


async def flip_sealed(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """A byte of the sealed personal fields."""
    number = draw.randrange(SIZE)
    await _set(db, number, sealed=_flipped(await _value(db, number, events.c.sealed), draw))
    return number, number


async def change_index(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """A keyed index value: flipped, removed, or put where there was none."""
    number, name = draw.randrange(SIZE), draw.choice(_INDEXES)
    value = await _value(db, number, events.c[name])
    changed = draw.randbytes(32) if value is None else draw.choice((None, _flipped(value, draw)))
    await _set(db, number, **{name: changed})
    return number, number


async def seal_for_another(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """Whom the personal fields are about."""
    number = draw.randrange(SIZE)
    own = await _value(db, number, events.c.sealed_for)
    others = select(events.c.sealed_for).where(events.c.sealed_for != own).distinct().order_by(events.c.sealed_for)
    found = (await db.execute(others)).scalars().all()
    await _set(db, number, sealed_for=draw.choice(found))
    return number, number


async def edit_time(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """When it happened, in the column and in the body alike."""
    number = draw.randrange(SIZE)
    row = (await db.execute(select(events.c.body, events.c.at).where(events.c.seq == number))).one()
    earlier = row.at.replace(microsecond=(row.at.microsecond + 1 + draw.randrange(999_998)) % 1_000_000)
    before, after = (f'"at":{round(at.timestamp() * 1_000_000)}' for at in (row.at, earlier))
    assert before in row.body
    await _set(db, number, at=earlier, body=row.body.replace(before, after))
    return number, number


async def flip_tile(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """A byte of the ledger's hashes."""
    rows = (await db.execute(select(ledger_tiles).order_by(ledger_tiles.c.level, ledger_tiles.c.number))).all()
    row = draw.choice(rows)
    place = draw.randrange(len(row.hashes))
    changed = bytearray(row.hashes)
    changed[place] ^= 1 << draw.randrange(8)
    here = (ledger_tiles.c.level == row.level, ledger_tiles.c.number == row.number)
    await db.execute(update(ledger_tiles).where(*here).values(hashes=bytes(changed)))
    each = 256**row.level
    number = (row.number * 256 + place // 32) * each
    return number, number + each - 1


async def change_checkpoint(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """A stored checkpoint: its note, or a column."""
    size = draw.choice(COVERED)
    row = (await db.execute(select(checkpoints).where(checkpoints.c.size == size))).one()
    at = row.at.replace(second=(row.at.second + 1) % 60)
    changed = draw.choice(({"note": _other_text(row.note, draw)}, {"root": _flipped(row.root, draw)}, {"at": at}))
    await db.execute(update(checkpoints).where(checkpoints.c.size == size).values(changed))
    return f"the stored checkpoint of {size} events: "


async def change_outside(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """A character of the checkpoints outside."""
    file = audit.settings.checkpoint_file
    text = file.read_text()
    # The line's end behind the last note says nothing.
    file.write_text(_other_text(text[:-1], draw) + text[-1])
    return f"{file} (checkpoint "


async def delete_row(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """An event."""
    number = draw.randrange(SIZE)
    await db.execute(delete(events).where(events.c.seq == number))
    return number, number


async def delete_and_close_up(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """An event, and those behind it move up."""
    number = draw.randrange(SIZE - 1)
    await db.execute(delete(events).where(events.c.seq == number))
    for sign in (-1, 1):
        # In two steps, since each number is there once.
        moved = (events.c.seq > number, -1 - events.c.seq) if sign < 0 else (events.c.seq < 0, -2 - events.c.seq)
        await db.execute(update(events).where(moved[0]).values(seq=moved[1]))
    return number, number


async def cut_tail(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """The newest events, and every trace of them in the database."""
    size = draw.randrange(1, COVERED[-1])
    await db.execute(delete(events).where(events.c.seq >= size))
    await db.execute(delete(checkpoints).where(checkpoints.c.size > size))
    await _grow_anew(db, size)
    return size, size


async def swap(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """Two events take each other's place."""
    one, other = sorted(draw.sample(range(SIZE), 2))
    for before, after in ((one, -1), (other, one), (-1, other)):
        await db.execute(update(events).where(events.c.seq == before).values(seq=after))
    return one, one


async def duplicate(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """An event once more: in another's place, behind the last one, or as one that waits for its number."""
    number = draw.randrange(SIZE)
    row = dict((await db.execute(select(events).where(events.c.seq == number))).mappings().one())
    row["id"] = draw.randbytes(16)
    row["seq"] = draw.choice((None, SIZE, draw.choice([each for each in range(SIZE) if each != number])))
    await db.execute(delete(events).where(events.c.seq == row["seq"]))
    await db.execute(insert(events).values(row))
    if row["seq"] is None:
        return f"the event evt_{row['id'].hex()}, which has no number yet: id in its columns and in its body differ"
    return int(row["seq"]), int(row["seq"])


async def stamp_anew(db: AsyncConnection, audit: AuditServices, draw: Random) -> Place:
    """A changed event, with all hashes made anew and all checkpoints signed again by the log's own key."""
    number = draw.randrange(COVERED[-1])
    row = (await db.execute(select(events.c.body, events.c.source).where(events.c.seq == number))).one()
    source = f"{row.source}-{draw.randrange(10**6)}"
    await _set(db, number, source=source, body=row.body.replace(f'"{row.source}"', f'"{source}"'))
    await _grow_anew(db, SIZE)
    for stored in (await db.execute(select(checkpoints))).all():
        signed = sign_checkpoint(audit, stored.size, await root_of(db, stored.size), stored.at)
        changed = update(checkpoints).where(checkpoints.c.size == stored.size)
        await db.execute(changed.values(root=signed.root, note=signed.note))
    begin = max((size for size in COVERED if size <= number), default=0)
    # The event's own fields do not open any more, either; where it is the first of those in doubt, that comes first.
    return begin, number if number == begin else next(size for size in COVERED if size > number) - 1


TAMPERINGS: tuple[Tampering, ...] = (
    flip_body, change_column, change_version, flip_sealed, change_index, seal_for_another, edit_time, flip_tile,
    change_checkpoint, change_outside, delete_row, delete_and_close_up, cut_tail, swap, duplicate, stamp_anew,
)  # fmt: skip


async def _value(db: AsyncConnection, number: int, column: Column[object]) -> object:
    return (await db.execute(select(column).where(events.c.seq == number))).scalar_one()


async def _set(db: AsyncConnection, number: int, **values: object) -> None:
    await db.execute(update(events).where(events.c.seq == number).values(values))


async def _grow_anew(db: AsyncConnection, size: int) -> None:
    """The tree over the events as they are, and the numbering at its end."""
    await db.execute(delete(ledger_tiles))
    bodies = (await db.execute(select(events.c.body).order_by(events.c.seq).limit(size))).scalars().all()
    await append_leaves(db, [leaf_hash(body.encode()) for body in bodies], 0)
    await db.execute(update(sequences).where(sequences.c.name == LEDGER).values(next=size))


def _flipped(value: object, draw: Random) -> bytes:
    assert isinstance(value, bytes)
    changed = bytearray(value)
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _other_text(text: str, draw: Random) -> str:
    place = draw.randrange(len(text))
    return text[:place] + draw.choice([char for char in "xyzXYZ" if char != text[place]]) + text[place + 1 :]
