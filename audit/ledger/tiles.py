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


class TileWriter:
    """Appends leaves. Keeps the growing rows in memory, and reads them anew where another process wrote meanwhile."""

    def __init__(self) -> None:
        self._size = -1
        self._growing: list[bytearray] = []

    async def append(self, db: AsyncConnection, leaves: Sequence[bytes], first: int) -> None:
        """Stores leaf hashes as the numbers from `first` on, in the caller's transaction."""
        if self._size != first:
            self._growing = await _load_growing(db, first)
        # Until these rows are committed nothing in memory is to be believed.
        self._size = -1
        changed: dict[Node, bytes] = {}
        for place, leaf in enumerate(leaves, first):
            self._push(leaf, place, changed)
        for level, growing in enumerate(self._growing):
            if growing:
                changed[level, (first + len(leaves)) >> HEIGHT * (level + 1)] = bytes(growing)
        await store(db, _STORE, [(level, number, hashes) for (level, number), hashes in changed.items()])
        self._size = first + len(leaves)

    def _push(self, leaf: bytes, place: int, changed: dict[Node, bytes]) -> None:
        joined, level = leaf, 0
        while True:
            if level == len(self._growing):
                self._growing.append(bytearray())
            growing = self._growing[level]
            growing += joined
            if len(growing) < WIDTH * HASH_BYTES:
                return
            full = bytes(growing)
            growing.clear()
            place >>= HEIGHT
            changed[level, place] = full
            joined, level = _root_of_full(split_hashes(full)), level + 1


async def _load_growing(db: AsyncConnection, size: int) -> list[bytearray]:
    growing: list[bytearray] = []
    while size:
        held, number = size % WIDTH, size >> HEIGHT
        row = b""
        if held:
            level = len(growing)
            query = select(ledger_tiles.c.hashes).where(ledger_tiles.c.level == level, ledger_tiles.c.number == number)
            row = bytes((await db.execute(query)).scalar_one())
        growing.append(bytearray(row[: held * HASH_BYTES]))
        size = number
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
