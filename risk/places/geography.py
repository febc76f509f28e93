"""Where an address is: the operator's database files and lists, asked together, never failing (S35, F9)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from risk.place import NOWHERE, Place
from risk.places.address_lists import AddressList, AddressLists, ListKind, network_kind
from risk.places.place_values import plain_address
from risk.places.watched_files import LOOK_EVERY_S, FileRefused, WatchedFile

if TYPE_CHECKING:
    from risk.places.place_databases import PlaceDatabase

KNOWN_ADDRESSES = 8192
# Points at which a new version of a database is tested before it is used.
PROBES = 64

DatabaseFile: TypeAlias = "WatchedFile[PlaceDatabase]"
PlaceFile: TypeAlias = "DatabaseFile | WatchedFile[AddressList]"


class Geography:
    """Answers where an address is; may be asked from any thread.

    `city` are databases of cities or countries, `asn` of networks; several of a kind are for files that hold IPv4 and
    IPv6 apart. The first that knows something about an address is believed, for the place and for the network. With
    no files everything is unknown.
    """

    def __init__(
        self,
        city: Sequence[Path] = (),
        asn: Sequence[Path] = (),
        *,
        lists: Mapping[ListKind, Path] | None = None,
        scratch_dir: Path | None = None,
        look_every_s: float = LOOK_EVERY_S,
        probes: int = PROBES,
    ) -> None:
        self.lists = AddressLists(lists or {}, look_every_s=look_every_s)
        self.databases: tuple[DatabaseFile, ...] = ()
        self._find: Callable[[str], Place] = _nowhere
        named = [*_named("city", city), *_named("asn", asn)]
        if named:
            # The libraries are not small, and most commands of a deployment ask for no place.
            from risk.places.place_databases import open_place_database

            read = partial(open_place_database, scratch_dir=scratch_dir, probes=probes)
            watched = partial(WatchedFile, read=read, on_change=self._renew, look_every_s=look_every_s)
            self.databases = tuple(watched(name, path) for name, path in named)
            self._renew()

    @property
    def files(self) -> tuple[PlaceFile, ...]:
        """Every file that is used, databases first."""
        return (*self.databases, *self.lists.files.values())

    def look_now(self) -> None:
        """Reads every file that was not read yet, or is new: a start does, so that no request waits for it."""
        for file in self.files:
            file.look_now()

    def place_of(self, address: str | None) -> Place:
        """What is known of an address: nothing, where it is none, reserved or private. Never raises."""
        if address is None:
            return NOWHERE
        for file in self.databases:
            file.look()
        place = self._find(address)
        kind = network_kind(self.lists.kinds_of(address, place.asn)) if self.lists.files else None
        return place if kind is None else replace(place, network_kind=kind)

    def kinds_of(self, address: str | None) -> frozenset[str] | None:
        """The lists that hold an address or its network; None where no list can be asked. Never raises."""
        if address is None or not self.lists.files:
            return None
        return self.lists.kinds_of(address, self._find(address).asn)

    def _renew(self) -> None:
        # A new memory for what was found: a lookup still under way fills the old one, which nobody asks again.
        self._find = lru_cache(maxsize=KNOWN_ADDRESSES)(partial(_find, self.databases))


def _named(name: str, paths: Sequence[Path]) -> list[tuple[str, Path]]:
    return [(name if number == 1 else f"{name}_{number}", path) for number, path in enumerate(paths, start=1)]


def _nowhere(_: str) -> Place:
    return NOWHERE


def _find(files: Sequence[DatabaseFile], text: str) -> Place:
    address = plain_address(text)
    if address is None:
        return NOWHERE
    place = NOWHERE
    for file in files:
        database = file.content
        if database is None:
            continue
        try:
            found = database.find(address)
        except FileRefused as damage:
            file.blame(str(damage))
            continue
        if found != NOWHERE:
            place = found if place == NOWHERE else _joined(place, found)
    return place


def _joined(place: Place, other: Place) -> Place:
    """What the first does not know is taken from the other: the whole place, or the whole network."""
    if place.country is None and other.country is not None:
        place = replace(other, asn=place.asn, network_name=place.network_name)
    if place.asn is None and other.asn is not None:
        place = replace(place, asn=other.asn, network_name=other.network_name)
    return place
