"""The Merkle tree's stored hashes: 256 a row, leaves at level 0, above them one hash for each full row beneath.

This is the layout of C2SP tlog-tiles. A full row never changes; the last one of each level grows.
"""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.merkle import HASH_BYTES, Node, cover, node_hash
from audit.tables import ledger_tiles
from base.statements import Insert, Prepared
from base.within import store

HEIGHT = 8
WIDTH = 1 << HEIGHT
_KEYS_A_QUERY = 100

_STORE = Insert(
    columns=("level", "number", "hashes"),
    sqlite="INSERT INTO ledger_tiles (level, number, hashes) VALUES (?, ?, ?)"
    " ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
    prepared=Prepared(
        b"INSERT INTO ledger_tiles (level, number, hashes)"
        b" SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])"
        b" ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
        ("smallint", "bigint", "bytea"),
    ),
)


async def append_leaves(db: AsyncConnection, leaves: Sequence[bytes], first: int) -> None:
    """Stores leaf hashes as the numbers from `first` on, in the caller's transaction.

    The growing rows are read each time: what a process remembers of them is wrong after a commit whose outcome it did
    not learn. Raises LookupError where they are missing or too short.
    """
    growing = await _load_growing(db, first)
    changed: dict[Node, bytes] = {}
    for place, leaf in enumerate(leaves, first):
        _push(growing, leaf, place, changed)
    for level, row in enumerate(growing):
        if row:
            changed[level, (first + len(leaves)) >> HEIGHT * (level + 1)] = bytes(row)
    await store(db, _STORE, [(level, number, hashes) for (level, number), hashes in changed.items()])


def _push(growing: list[bytearray], leaf: bytes, place: int, changed: dict[Node, bytes]) -> None:
    joined, level = leaf, 0
    while True:
        if level == len(growing):
            growing.append(bytearray())
        row = growing[level]
        row += joined
        if len(row) < WIDTH * HASH_BYTES:
            return
        full = bytes(row)
        row.clear()
        place >>= HEIGHT
        changed[level, place] = full
        joined, level = _root_of_full(split_hashes(full)), level + 1


async def _load_growing(db: AsyncConnection, size: int) -> list[bytearray]:
    """The rows that the next leaf lengthens, by their levels."""
    held: list[tuple[int, int, int]] = []
    while size:
        held.append((len(held), size >> HEIGHT, size % WIDTH))
        size >>= HEIGHT
    rows = await _load_rows(db, {(level, number) for level, number, count in held if count})
    growing = []
    for level, number, count in held:
        row = rows.get((level, number), b"")[: count * HASH_BYTES]
        if len(row) != count * HASH_BYTES:
            raise LookupError(f"the ledger's row {number} of level {level} is missing or too short")
        growing.append(bytearray(row))
    return growing


def _root_of_full(hashes: list[bytes]) -> bytes:
    """The hash over a power of two of neighbours."""
    while len(hashes) > 1:
        pairs = iter(hashes)
        hashes = [node_hash(left, right) for left, right in zip(pairs, pairs, strict=True)]
    return hashes[0]


def split_hashes(row: bytes) -> list[bytes]:
    """The single hashes of a stored row."""
    return [row[at : at + HASH_BYTES] for at in range(0, len(row), HASH_BYTES)]


async def find_hashes(db: AsyncConnection, nodes: Collection[Node]) -> dict[Node, bytes]:
    """The hashes of complete subtrees; raises LookupError where a row that they need is missing or too short."""
    places = {node: _place(node) for node in nodes}
    rows = await _load_rows(db, {(level, number) for level, number, _, _ in places.values()})
    found = {}
    for node, (level, number, begin, count) in places.items():
        hashes = split_hashes(rows.get((level, number), b"")[begin * HASH_BYTES : (begin + count) * HASH_BYTES])
        if len(hashes) != count or len(hashes[-1]) != HASH_BYTES:
            raise LookupError(f"the ledger's row {number} of level {level} is missing or too short")
        found[node] = _root_of_full(hashes)
    return found


def _place(node: Node) -> tuple[int, int, int, int]:
    """Where a subtree's hashes lie: level and number of the row, first place in it, and how many."""
    level, index = node
    tile_level, inside = divmod(level, HEIGHT)
    first = index << inside
    return tile_level, first >> HEIGHT, first % WIDTH, 1 << inside


async def _load_rows(db: AsyncConnection, keys: Collection[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    rows: dict[tuple[int, int], bytes] = {}
    for some in _in_parts(sorted(keys)):
        wanted = or_(*((ledger_tiles.c.level == level) & (ledger_tiles.c.number == number) for level, number in some))
        for row in await db.execute(select(ledger_tiles).where(wanted)):
            rows[row.level, row.number] = bytes(row.hashes)
    return rows


def _in_parts(keys: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    for begin in range(0, len(keys), _KEYS_A_QUERY):
        yield keys[begin : begin + _KEYS_A_QUERY]


async def leaf_hashes(db: AsyncConnection, first: int, count: int) -> list[bytes]:
    """The hashes of `count` leaves from the number `first` on; fewer where the log ends, or a row is missing."""
    last_row = (first + count - 1) >> HEIGHT
    query = select(ledger_tiles.c.number, ledger_tiles.c.hashes).where(
        ledger_tiles.c.level == 0, ledger_tiles.c.number >= first >> HEIGHT, ledger_tiles.c.number <= last_row
    )
    joined = bytearray()
    expected = first >> HEIGHT
    for number, hashes in await db.execute(query.order_by(ledger_tiles.c.number)):
        if number != expected:
            break
        joined += hashes
        expected += 1
    skipped = first % WIDTH
    return split_hashes(bytes(joined))[skipped : skipped + count]


async def load_root_cover(db: AsyncConnection, size: int) -> list[bytes]:
    """The hashes of the fewest complete subtrees of a tree of `size` leaves, from left to right."""
    nodes = cover(0, size)
    found = await find_hashes(db, nodes)
    return [found[node] for node in nodes]
