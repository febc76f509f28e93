"""What must be proven before retention removes anything: whoever can write to the database must not make it a tool.

Events go only where a checkpoint that this log's key signed commits to their bodies and these say what the columns say;
what is said to be gone already counts only where an event tells of it that opens under the key of events about nobody.
"""

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import ColumnElement, case
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import AUDIT_PRUNED
from audit.ledger.checkpoints import StoredCheckpoint, log_size
from audit.ledger.merkle import Frontier, cover, leaf_hash
from audit.ledger.tiles import find_hashes, leaf_hashes
from audit.removal.archive import Kept
from audit.removal.limits import first_kept
from audit.services import AuditServices
from audit.verification.reading import EVENTS, load_keys, load_numbered, load_rows
from audit.verification.row_checks import StoredRow, differing_columns, is_blob, parse_body
from audit.verification.rows import RowCheck
from audit.verification.values import Findings

_PAGE = 64


class LogDamaged(Exception):
    """What would be removed, or is said to be gone, is not proven; the message names the first event."""


async def load_told_first(db: AsyncConnection, audit: AuditServices) -> int:
    """The number of the first event that is left; raises LogDamaged where no event tells of what is gone."""
    first = await first_kept(db)
    if first == 0:
        return 0
    size = await log_size(db)
    check = RowCheck(audit.sealer, lambda person: audit.emitter.index("person", person.hex()), Findings(), size=size)
    # The newest first, which tells of everything on a sound log.
    waits: ColumnElement[object] = case((EVENTS.c.seq.is_(None), 0), else_=1)
    seen = 0
    while check.told.removed < first - 1:
        rows = await load_rows(
            db,
            EVENTS.c.name == AUDIT_PRUNED.name,
            order=(waits, EVENTS.c.seq.desc(), EVENTS.c.id),
            limit=_PAGE,
            skip=seen,
        )
        if not rows:
            begin = check.told.removed + 1
            raise LogDamaged(f"events {begin} to {first - 1} are said to be removed, but no event tells of it")
        check.listen(rows, await load_keys(db, rows), size=size)
        seen += len(rows)
    return first


async def load_proven(db: AsyncConnection, first: int, end: int, signed: StoredCheckpoint) -> list[Kept]:
    """The events from `first` to before `end`, as the signed checkpoint commits to them; raises LogDamaged."""
    rows = await load_numbered(db, first, end)
    _check_rows(rows, await leaf_hashes(db, first, end - first), first, end)
    left, right = cover(0, first), cover(end, signed.size)
    try:
        known = await find_hashes(db, [*left, *right])
    except LookupError as missing:
        raise LogDamaged(str(missing)) from None
    # The stored hashes lie beside the events: what changed both is told by the root.
    tree = Frontier(first, [known[node] for node in left])
    for row in rows:
        tree.push(leaf_hash(row.body))
    for node in right:
        tree.push_subtree(node[0], known[node])
    if tree.root() != signed.root:
        raise LogDamaged(f"events {first} to {end - 1} do not give the root of the checkpoint of {signed.size} events")
    return [Kept(number, each.body.decode(), each.sealed_for, each.sealed) for number, each in enumerate(rows, first)]


def _check_rows(rows: Sequence[StoredRow], leaves: Sequence[bytes], first: int, end: int) -> None:
    for number, row in enumerate(rows, first):
        if row.seq != number:
            raise LogDamaged(f"event {number} is missing")
        if number - first >= len(leaves) or leaf_hash(row.body) != leaves[number - first]:
            raise LogDamaged(f"event {number}: its body does not give its hash in the ledger")
        if not _says_the_same(row):
            raise LogDamaged(f"event {number}: its columns and its body differ")
    if len(rows) != end - first:
        raise LogDamaged(f"event {first + len(rows)} is missing")


def _says_the_same(row: StoredRow) -> bool:
    body = parse_body(row.body)
    # SQLite keeps a value of another kind, if somebody puts it there.
    with suppress(AttributeError, TypeError):
        return body is not None and not differing_columns(row, body) and is_blob(row.sealed_for) and is_blob(row.sealed)
    return False
