"""One person's history: what their sign-ins looked like, bounded and fading; only the last place can be read in it.

Counts halve every 90 days. A history learns from sign-ins that were low-risk or stepped up, and from nothing else:
whoever writes into it decides what is usual. `learn` touches nothing but the history itself.
"""

from dataclasses import dataclass
from math import inf, isfinite
from struct import error as StructError
from struct import iter_unpack, pack

import msgspec

from risk.history import facets
from risk.history.novelty import MEMORY, novelties
from risk.history.packing import Unreadable, pack_counts, pack_numbers, unpack_counts, unpack_numbers
from risk.place import NOWHERE, NetworkKind, Place
from risk.sighting import Sighting

HALF_LIFE_S = 90 * 86_400.0
DAY_HOURS = 24
# How many values of each facet are kept; what was seen least goes first.
LIMITS = (12, 16, 32, 32, 16, 5, 8, 12, 24, 24, 6, 6, 8, 6, 8)
MAX_DEVICES = 12
MAX_WEIGHT = 10.0
# Below this a value has faded: one sign-in of nineteen months ago.
_FADED = 0.0125
_MAX_NAME = 48
# What a number of 4 bytes holds exactly.
_MAX_VERSION = 2**24 - 1
_LAYOUT = 1
_DEVICE = "<QfQQQI"


class _Stored(msgspec.Struct, array_like=True, frozen=True):
    """What the bytes hold. Members are added at the end, with a default, so that older bytes stay readable."""

    layout: int
    signins: int
    first_s: float
    last_s: float
    counts: list[bytes]
    totals: bytes
    novel: bytes
    tested: bytes
    hours: bytes
    latest: bytes
    devices: bytes
    place: tuple[str | None, str | None, float | None, float | None, float | None, int | None, NetworkKind | None]


_DECODER = msgspec.msgpack.Decoder(_Stored)
_ENCODER = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class DeviceMemory:
    """What a device looked like when it was last here; keys of `risk.history.facets`, 0 where they were not known."""

    count: float = 0.0
    operator: int = 0
    network: int = 0
    family: int = 0
    version: int = 0


class Profile:
    """A person's history. `counts` holds for each facet the faded number of sign-ins with each value, by its key.

    `totals`: sign-ins with any value of the facet. `novel` and `tested`: for each facet, how often lately its value was
    new, and out of how many (`risk.history.novelty`). `hours`: by the hour of the day in UTC. `latest`: the newest
    version of each browser family. `last_place` and `last_s` are of the newest sign-in, `first_s` of the oldest.
    """

    __slots__ = (
        *("counts", "devices", "first_s", "hours", "last_place", "last_s", "latest", "novel", "signins", "tested"),
        "totals",
    )

    def __init__(self) -> None:
        self.counts: list[dict[int, float]] = [{} for _ in range(facets.DEVICE)]
        self.devices: dict[int, DeviceMemory] = {}
        self.latest: dict[int, int] = {}
        self.totals = [0.0] * facets.FACETS
        self.novel = [0.0] * facets.FACETS
        self.tested = [0.0] * facets.FACETS
        self.hours = [0.0] * DAY_HOURS
        self.signins = 0
        self.first_s = self.last_s = 0.0
        self.last_place: Place = NOWHERE

    @classmethod
    def empty(cls) -> "Profile":
        """The history of somebody who never signed in."""
        return cls()

    def to_bytes(self) -> bytes:
        """The history in bytes: 4,096 at most, the same in every process."""
        place = self.last_place
        return _ENCODER.encode(
            _Stored(
                layout=_LAYOUT,
                signins=self.signins,
                first_s=self.first_s,
                last_s=self.last_s,
                counts=[pack_counts(each) for each in self.counts],
                totals=pack_numbers(self.totals),
                novel=pack_numbers(self.novel),
                tested=pack_numbers(self.tested),
                hours=pack_numbers(self.hours),
                latest=pack_counts(self.latest),
                devices=b"".join(
                    pack(_DEVICE, key, min(each.count, 3e38), each.operator, each.network, each.family, each.version)
                    for key, each in self.devices.items()
                ),
                place=(
                    *(place.country, place.city, place.latitude, place.longitude, place.radius_km),
                    *(place.asn, place.network_kind),
                ),
            )
        )

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Profile":
        """The history that the bytes hold; raises Unreadable, and whoever asked goes on without one (S35)."""
        try:
            return cls._of(_DECODER.decode(stored))
        except (msgspec.MsgspecError, StructError, TypeError, ValueError) as failure:
            raise Unreadable(f"expected a history: {failure}") from None

    @classmethod
    def _of(cls, stored: _Stored) -> "Profile":
        if stored.layout != _LAYOUT or len(stored.counts) > len(LIMITS) or stored.signins < 0:
            raise Unreadable(f"expected a history of layout {_LAYOUT}, found {stored.layout}")
        if not (abs(stored.first_s) < inf and abs(stored.last_s) < inf):
            raise Unreadable("expected times of the first and the last sign-in")
        profile = cls()
        for facet, packed in enumerate(stored.counts):
            profile.counts[facet] = unpack_counts(packed, limit=LIMITS[facet])
        profile.totals = unpack_numbers(stored.totals, count=facets.FACETS)
        profile.novel = unpack_numbers(stored.novel, count=facets.FACETS)
        profile.tested = unpack_numbers(stored.tested, count=facets.FACETS)
        profile.hours = unpack_numbers(stored.hours, count=DAY_HOURS)
        profile.latest = {
            key: int(version) for key, version in unpack_counts(stored.latest, limit=LIMITS[facets.FAMILY]).items()
        }
        devices = {key: DeviceMemory(*memory) for key, *memory in iter_unpack(_DEVICE, stored.devices)}
        if len(devices) > MAX_DEVICES or not all(0.0 <= each.count < inf for each in devices.values()):
            raise Unreadable(f"expected at most {MAX_DEVICES} devices with counts of zero or more")
        profile.devices = devices
        profile.signins, profile.first_s, profile.last_s = stored.signins, stored.first_s, stored.last_s
        country, city, latitude, longitude, radius_km, asn, kind = stored.place
        profile.last_place = Place(country, None, city, latitude, longitude, radius_km, asn, None, kind)
        return profile

    def faded(self, at_s: float) -> float:
        """What a count of this history is worth at the moment, from 0 to 1."""
        return 0.5 ** (max(0.0, at_s - self.last_s) / HALF_LIFE_S) if self.signins else 1.0

    def learn(self, sighting: Sighting, *, weight: float = 1.0, trial: float = 1.0) -> "Profile":
        """Takes a sign-in in; `device` is the one that the browser has from now on, with a new cookie too.

        `weight`: how sure it is that this was the person, 0 to 10. `trial`: how much it tells of how often something
        new is usual, 0 to 1; ten new devices within an hour are one test of that, not ten. Gives itself back.
        """
        at_s = sighting.at_s if isfinite(sighting.at_s) else self.last_s
        weight = min(max(weight, 0.0), MAX_WEIGHT) if isfinite(weight) else 0.0
        if self.signins and at_s < self.last_s:
            weight *= 0.5 ** ((self.last_s - at_s) / HALF_LIFE_S)
        if weight <= 0.0:
            return self
        self._fade(at_s)
        keys = facets.keys_of(sighting)
        self._learn_novelty(keys, sighting, trial)
        self._learn_counts(keys, weight)
        self._learn_device(keys, sighting, weight)
        self.hours[int(at_s // 3600) % DAY_HOURS] += weight
        self._learn_last(at_s, sighting.place)
        self.signins += 1
        return self

    def _fade(self, at_s: float) -> None:
        factor = self.faded(at_s)
        if factor > 0.999:
            return
        self.counts = [
            {key: less for key, count in table.items() if (less := count * factor) > _FADED} for table in self.counts
        ]
        self.totals = [total * factor for total in self.totals]
        self.hours = [hour * factor for hour in self.hours]
        for device in self.devices.values():
            device.count *= factor
        self.devices = {key: device for key, device in self.devices.items() if device.count > _FADED}
        self.latest = {key: version for key, version in self.latest.items() if key in self.counts[facets.FAMILY]}
        self.last_s = max(self.last_s, at_s)

    def _learn_novelty(self, keys: facets.Keys, sighting: Sighting, trial: float) -> None:
        version = None if sighting.browser is None else sighting.browser.version
        for facet, is_new in novelties(keys, self.counts, self.latest, version):
            self._learn_rate(facet, is_new, trial)
        if self.devices and (sighting.device is not None or sighting.has_cookie):
            is_known = sighting.device is not None and facets.device_key(sighting.device) in self.devices
            self._learn_rate(facets.DEVICE, not is_known, trial)

    def _learn_rate(self, facet: int, is_new: bool, trial: float) -> None:
        kept = MEMORY**trial
        self.novel[facet] = self.novel[facet] * kept + is_new * trial
        self.tested[facet] = self.tested[facet] * kept + trial

    def _learn_counts(self, keys: facets.Keys, weight: float) -> None:
        for facet, key in enumerate(keys):
            if key is not None:
                self.totals[facet] += weight
                _add(self.counts[facet], key, weight, LIMITS[facet])

    def _learn_device(self, keys: facets.Keys, sighting: Sighting, weight: float) -> None:
        browser, family = sighting.browser, keys[facets.FAMILY]
        version = 0 if browser is None else min(max(browser.version or 0, 0), _MAX_VERSION)
        if family is not None:
            self.latest[family] = max(version, self.latest.get(family, 0))
            self.latest = {key: each for key, each in self.latest.items() if key in self.counts[facets.FAMILY]}
        if sighting.device is None:
            return
        key = facets.device_key(sighting.device)
        device = self.devices.get(key)
        if device is None:
            device = self.devices[key] = DeviceMemory()
        self.totals[facets.DEVICE] += weight
        device.count += weight
        device.operator = keys[facets.OPERATOR] or device.operator
        device.network = keys[facets.NETWORK] or device.network
        if family is not None:
            device.family, device.version = family, version
        if len(self.devices) > MAX_DEVICES:
            others = (each for each in self.devices if each != key)
            del self.devices[min(others, key=lambda each: (self.devices[each].count, each))]

    def _learn_last(self, at_s: float, place: Place) -> None:
        self.first_s = min(self.first_s, at_s) if self.signins else at_s
        if not self.signins or at_s >= self.last_s:
            self.last_s, self.last_place = at_s, _short(place)


def _add(table: dict[int, float], key: int, weight: float, limit: int) -> None:
    table[key] = table.get(key, 0.0) + weight
    if len(table) > limit:
        # Ties go by the key, so that every process forgets the same.
        del table[min((each for each in table if each != key), key=lambda each: (table[each], each))]


def _short(place: Place) -> Place:
    """What of a place a history keeps: enough for a distance and a sentence."""
    latitude, longitude, radius = place.latitude, place.longitude, place.radius_km
    if latitude is None or longitude is None or not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0):
        latitude = longitude = radius = None
    return Place(
        country=place.country[:8] if place.country else None,
        city=place.city[:_MAX_NAME] if place.city else None,
        latitude=None if latitude is None else float(latitude),
        longitude=None if longitude is None else float(longitude),
        radius_km=float(radius) if radius is not None and isfinite(radius) else None,
        asn=place.asn,
        network_kind=place.network_kind,
    )
