"""Everyone's sign-ins together: how common a network, a place or a browser is, and how often something new is usual.

Counts halve every 90 days, as a person's do, so that somebody's own part can be taken out of them. Nothing here names a
person. Each process learns into an empty one of its own and adds that to the shared one now and then (`merge`).
"""

from collections.abc import Sequence
from math import exp, isfinite
from operator import mul

import msgspec

from risk.history import facets
from risk.history.novelty import BUCKETS, LOG_LENGTHS, PRIOR_NOVEL, PRIOR_TRIALS, bucket_of, novelties
from risk.history.packing import Unreadable, pack_counts, pack_numbers, unpack_counts, unpack_numbers
from risk.history.profile import DAY_HOURS, HALF_LIFE_S, MAX_WEIGHT, Profile
from risk.sighting import Browser, Sighting

# How many values of each facet are kept; what was seen least goes first.
LIMITS = (300, 8_000, 20_000, 20_000, 8_000, 8, 100, 500, 3_000, 8_000, 500, 500, 500, 200, 2_000)
_SLACK = 1.1
# New sign-ins weigh more instead of old ones less; before the numbers grow large, all are brought down again.
_REBASE = 1024.0
_LAYOUT = 1
_RATES = facets.FACETS * BUCKETS
_PRIOR_LENGTH = 4
# What people use, in rough shares, worth fifty sign-ins: only until a site's own are seen.
_BROWSERS = (
    (15.0, Browser("Chrome", None, "Windows", None, "desktop")),
    (4.0, Browser("Edge", None, "Windows", None, "desktop")),
    (2.0, Browser("Firefox", None, "Windows", None, "desktop")),
    (3.0, Browser("Chrome", None, "Mac OS X", None, "desktop")),
    (3.0, Browser("Safari", None, "Mac OS X", None, "desktop")),
    (1.0, Browser("Chrome", None, "Linux", None, "desktop")),
    (1.0, Browser("Firefox", None, "Linux", None, "desktop")),
    (11.0, Browser("Chrome Mobile", None, "Android", None, "mobile")),
    (2.0, Browser("Samsung Internet", None, "Android", None, "mobile")),
    (7.0, Browser("Mobile Safari", None, "iOS", None, "mobile")),
    (1.0, Browser("Chrome Mobile iOS", None, "iOS", None, "mobile")),
)


class _Stored(msgspec.Struct, array_like=True, frozen=True):
    layout: int
    base_s: float
    last_s: float
    counts: list[bytes]
    totals: bytes
    hours: bytes
    novel: bytes
    tested: bytes


_DECODER = msgspec.msgpack.Decoder(_Stored)
_ENCODER = msgspec.msgpack.Encoder()


class Population:
    """Everyone's counts. All are in units of a sign-in at `base_s`: `unit(at_s)` is what one of them is worth later."""

    __slots__ = ("base_s", "counts", "hours", "last_s", "novel", "tested", "totals")

    def __init__(self) -> None:
        self.base_s = self.last_s = 0.0
        self.counts: list[dict[int, float]] = [{} for _ in range(facets.DEVICE)]
        self.totals = [0.0] * facets.FACETS
        self.hours = [0.0] * DAY_HOURS
        self.novel = [0.0] * _RATES
        self.tested = [0.0] * _RATES

    @classmethod
    def empty(cls) -> "Population":
        """Nobody's sign-ins: what a process collects into."""
        return cls()

    @classmethod
    def shipped(cls) -> "Population":
        """What a new installation starts from."""
        population = cls()
        for weight, browser in _BROWSERS:
            for facet, key in zip(facets.BROWSER_CHAIN, facets.browser_keys(browser), strict=False):
                if key is not None:
                    population._add(facet, key, weight)
        return population

    def unit(self, at_s: float) -> float:
        """What a count of this population is worth at the moment."""
        return 0.5 ** (max(0.0, at_s - self.base_s) / HALF_LIFE_S) if self.base_s else 1.0

    def rate(self, facet: int, bucket: int, unit: float) -> float:
        """How often a value of the facet is new to people with a history of this length."""
        place = facet * BUCKETS + bucket
        return (self.novel[place] * unit + PRIOR_NOVEL[place]) / (self.tested[place] * unit + PRIOR_TRIALS)

    def usual_length(self, facet: int, unit: float) -> float:
        """The length of the history behind a sign-in of everyone's: the geometric mean, 12 before anything was seen."""
        tested = self.tested[facet * BUCKETS : (facet + 1) * BUCKETS]
        logs = sum(map(mul, tested, LOG_LENGTHS)) * unit + PRIOR_TRIALS * LOG_LENGTHS[_PRIOR_LENGTH]
        return exp(logs / (sum(tested) * unit + PRIOR_TRIALS))

    def learn(self, sighting: Sighting, *, before: Profile | None = None, weight: float = 1.0) -> "Population":
        """Takes in a good sign-in of somebody. Gives itself back.

        `before`: the person's history as it was before it learned from this one; with it, the population learns how
        often something new is usual, too.
        """
        at_s = sighting.at_s
        if not (isfinite(at_s) and isfinite(weight) and weight > 0.0):
            return self
        worth = min(weight, MAX_WEIGHT) * self._worth(at_s)
        for facet, key in enumerate(facets.keys_of(sighting)):
            if key is not None:
                self._add(facet, key, worth)
        self.hours[int(at_s // 3600) % DAY_HOURS] += worth
        if before is not None and before.signins:
            self._learn_rates(sighting, before, worth)
        self.last_s = max(self.last_s, at_s)
        return self

    def _learn_rates(self, sighting: Sighting, before: Profile, worth: float) -> None:
        faded = before.faded(sighting.at_s)
        version = None if sighting.browser is None else sighting.browser.version
        tested = novelties(facets.keys_of(sighting), before.counts, before.latest, version)
        if before.devices and sighting.device is not None:
            tested.append((facets.DEVICE, facets.device_key(sighting.device) not in before.devices))
        for facet, is_new in tested:
            place = facet * BUCKETS + bucket_of(before.totals[facet] * faded)
            self.tested[place] += worth
            self.novel[place] += worth * is_new

    def _worth(self, at_s: float) -> float:
        """What a sign-in of that moment adds, in units of `base_s`."""
        if not self.base_s:
            self.base_s = at_s
        worth: float = 2.0 ** (min(at_s - self.base_s, HALF_LIFE_S * 100) / HALF_LIFE_S)
        if worth > _REBASE:
            self._rebase(at_s)
            worth = 1.0
        return worth

    def _rebase(self, at_s: float) -> None:
        self._scale(self.unit(at_s))
        self.base_s = at_s

    def _scale(self, factor: float) -> None:
        self.counts = [{key: count * factor for key, count in table.items()} for table in self.counts]
        for numbers in (self.totals, self.hours, self.novel, self.tested):
            numbers[:] = [number * factor for number in numbers]

    def _add(self, facet: int, key: int, worth: float) -> None:
        table = self.counts[facet]
        self.totals[facet] += worth
        table[key] = table.get(key, 0.0) + worth
        if len(table) > LIMITS[facet] * _SLACK:
            self.counts[facet] = _trimmed(table, LIMITS[facet])

    def merge(self, other: "Population") -> "Population":
        """Adds what another process saw. Gives itself back."""
        if not other.base_s:
            return self
        if not self.base_s:
            self.base_s = other.base_s
        if self.base_s < other.base_s:
            self._rebase(other.base_s)
        factor = other.unit(self.base_s)
        for facet, table in enumerate(other.counts):
            mine = self.counts[facet]
            for key, count in table.items():
                mine[key] = mine.get(key, 0.0) + count * factor
            self.counts[facet] = _trimmed(mine, LIMITS[facet])
        pairs: Sequence[tuple[list[float], list[float]]] = (
            (self.totals, other.totals),
            (self.hours, other.hours),
            (self.novel, other.novel),
            (self.tested, other.tested),
        )
        for numbers, theirs in pairs:
            numbers[:] = [number + each * factor for number, each in zip(numbers, theirs, strict=True)]
        self.last_s = max(self.last_s, other.last_s)
        return self

    def to_bytes(self) -> bytes:
        """Everyone's counts in bytes: 0.8 MB at most."""
        return _ENCODER.encode(
            _Stored(
                layout=_LAYOUT,
                base_s=self.base_s,
                last_s=self.last_s,
                counts=[pack_counts(_trimmed(table, limit)) for table, limit in zip(self.counts, LIMITS, strict=True)],
                totals=pack_numbers(self.totals),
                hours=pack_numbers(self.hours),
                novel=pack_numbers(self.novel),
                tested=pack_numbers(self.tested),
            )
        )

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Population":
        """What the bytes hold; raises Unreadable, and whoever asked goes on with the shipped one."""
        try:
            return cls._of(_DECODER.decode(stored))
        except (msgspec.MsgspecError, ValueError) as failure:
            raise Unreadable(f"expected a population: {failure}") from None

    @classmethod
    def _of(cls, stored: _Stored) -> "Population":
        if stored.layout != _LAYOUT or len(stored.counts) > len(LIMITS):
            raise Unreadable(f"expected a population of layout {_LAYOUT}, found {stored.layout}")
        if not (isfinite(stored.base_s) and isfinite(stored.last_s)):
            raise Unreadable("expected times")
        population = cls()
        population.base_s, population.last_s = stored.base_s, stored.last_s
        for facet, packed in enumerate(stored.counts):
            population.counts[facet] = unpack_counts(packed, limit=LIMITS[facet])
        population.totals = unpack_numbers(stored.totals, count=facets.FACETS)
        population.hours = unpack_numbers(stored.hours, count=DAY_HOURS)
        population.novel = unpack_numbers(stored.novel, count=_RATES)
        population.tested = unpack_numbers(stored.tested, count=_RATES)
        return population


def _trimmed(table: dict[int, float], limit: int) -> dict[int, float]:
    if len(table) <= limit:
        return table
    # Ties go by the key, so that every process forgets the same.
    return dict(sorted(table.items(), key=lambda each: (-each[1], each[0]))[:limit])
