"""Database files of places and networks (MaxMind DB format 2.0): opened safely, tested, looked up.

Two things would let a bad file kill the process (docs/decisions/0017): the library's reader in C, which damaged data
makes read what is not its own; and a memory map of the operator's file, which somebody may shorten in place (SIGBUS).
So the reader in Python is used, which remembers what it decoded, over a private copy that nobody can touch.
"""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import IO, BinaryIO, cast

from maxminddb import MODE_MMAP, InvalidDatabaseError, Reader
from maxminddb.types import Record

from risk.place import NOWHERE, Place
from risk.places.flat_databases import place_in
from risk.places.place_values import Address
from risk.places.watched_files import FileRefused

MAX_BYTES = 4 << 30
KNOWN_RECORDS = 8192
# Between a point and the next network are at most as many gaps as an address has bits, unless the file is damaged.
_MOST_GAPS = 200
# What a damaged file makes the reader and the models raise; none of it leaves this module (S35).
DAMAGE = (
    InvalidDatabaseError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
)


class _PlaceReader(Reader):
    """The library's reader, giving places; many addresses share a record, and decoding one takes 90 microseconds."""

    def __init__(self, path: str) -> None:
        super().__init__(path, MODE_MMAP)
        self._place_at = lru_cache(maxsize=KNOWN_RECORDS)(self._decode)

    def _decode(self, pointer: int) -> Place:
        return place_in(super()._resolve_data_pointer(pointer))

    def _resolve_data_pointer(self, pointer: int) -> Record:
        return cast(Record, self._place_at(pointer))


class PlaceDatabase:
    """One open file. `kind` is what it calls itself, `built_at` when it was made."""

    def __init__(self, path: str) -> None:
        self._reader = _PlaceReader(path)
        told = self._reader.metadata()
        self._is_v4_only = told.ip_version == 4
        self.kind = str(told.database_type)
        self.built_at = datetime.fromtimestamp(told.build_epoch, UTC)

    def find(self, address: Address) -> Place:
        """What the file says of an address, NOWHERE where it has none; raises FileRefused where it is damaged."""
        if self._is_v4_only and address.version == 6:
            return NOWHERE
        try:
            return _place(self._reader.get(address))
        except DAMAGE as damage:
            raise FileRefused(f"is damaged ({type(damage).__name__} at an address that was looked up)") from damage

    def probe(self, probes: int) -> Iterator[Place]:
        """What the file says at points spread over it, going on from each to the next network that it knows.

        Raises one of DAMAGE. Gaps are stepped over, so that a file with a single network is found to have one.
        """
        width = 32 if self._is_v4_only else 128
        spread = random.Random(0)  # noqa: S311 - points, no secrets
        for point in range(probes):
            # Three of four within IPv4's part of the tree and IPv6's global one, where nearly everything is.
            start = (0, spread.getrandbits(32), 1 << 125 | spread.getrandbits(125))[point % 3] if point else 0
            yield self._next_place(start % (1 << width), width)

    def _next_place(self, start: int, width: int) -> Place:
        for _ in range(_MOST_GAPS):
            address = IPv4Address(start) if width == 32 else IPv6Address(start)
            record, prefix = self._reader.get_with_prefix_len(address)
            if record is not None:
                return _place(record)
            # On behind the gap, whose size the prefix tells.
            size = 1 << (width - prefix)
            start = (start // size + 1) * size
            if start >> width:
                break
        return NOWHERE


def open_place_database(path: Path, *, scratch_dir: Path | None = None, probes: int) -> PlaceDatabase:
    """A database, tested; raises OSError where it cannot be read, and FileRefused where it cannot be used.

    The copy goes into `scratch_dir` (the system's temporary folder where None) and is gone when the process ends.
    """
    with path.open("rb") as source, _private_copy(source, scratch_dir) as copy:
        try:
            # The map outlives the descriptor, and the copy lives as long as the map.
            database = PlaceDatabase(f"/dev/fd/{copy.fileno()}")
            _check(database, probes)
        except DAMAGE as damage:
            raise FileRefused(f"is not a whole MaxMind DB file ({type(damage).__name__})") from damage
    return database


def _private_copy(source: BinaryIO, scratch_dir: Path | None) -> IO[bytes]:
    if os.fstat(source.fileno()).st_size > MAX_BYTES:
        raise FileRefused("is larger than 4 GiB")
    where = scratch_dir if scratch_dir is not None and scratch_dir.is_dir() else Path(tempfile.gettempdir())
    copy: IO[bytes] | None = None
    try:
        copy = tempfile.TemporaryFile(dir=where)  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(source, copy, 1 << 20)
        copy.flush()
    except OSError as error:
        if copy is not None:
            copy.close()
        raise FileRefused(f"cannot be copied into {where} ({error.strerror or error})") from error
    return copy


def _place(record: object) -> Place:
    # Should another version of the library never call what gives places, the record itself comes.
    return record if isinstance(record, Place) else place_in(record)


def _check(database: PlaceDatabase, probes: int) -> None:
    if all(found == NOWHERE for found in database.probe(probes)):
        kind = database.kind[:60]
        raise FileRefused(f"calls itself {kind!r} and holds no country, city or network that is known here")
