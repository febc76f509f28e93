"""How often something new is nothing unusual: learned from each person, and before that from everyone.

Somebody who always comes from new networks has taught us that a new one says little. A level counts as tried only where
the coarser one was known, so that one new place is counted once and not once a level.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import log

from risk.history import facets

# How many sign-ins a person's own rate remembers, and how many of them the rate of everyone weighs as much as.
MEMORY = 0.96
STRENGTH = 5.0
# A history's length, in sign-ins that have not faded, is looked up in these classes.
LENGTHS = (1.5, 2.5, 4.5, 8.5, 16.5, 40.5)
BUCKETS = len(LENGTHS) + 1
_TYPICAL = (1, 2, 3.5, 6.5, 12, 26, 80)
LOG_LENGTHS = tuple(map(log, _TYPICAL))
# Before anything was seen of everyone: how often a value is new to somebody in the long run, and how much more often
# while the history is short. Orders of magnitude, kept wide: a site's own sign-ins soon weigh more than these.
_USUAL = (
    (0.01, 0.06),  # COUNTRY
    (0.05, 0.5),  # OPERATOR
    (0.15, 0.6),  # NETWORK
    (0.35, 0.6),  # ADDRESS
    (0.05, 0.4),  # CITY
    (0.01, 0.4),  # KIND
    (0.01, 0.15),  # SYSTEM
    (0.02, 0.2),  # FAMILY
    (0.05, 0.2),  # VERSION
    (0.08, 0.2),  # AGENT
    (0.02, 0.2),  # LANGUAGE
    (0.03, 0.15),  # TIME_ZONE
    (0.05, 0.3),  # SCREEN
    (0.02, 0.3),  # PLATFORM
    (0.08, 0.3),  # TLS
    (0.05, 0.5),  # DEVICE
)
# What everyone's rate starts from weighs as much as so many sign-ins of theirs.
PRIOR_TRIALS = 60.0

Seen = Sequence[Mapping[int, float]]


def bucket_of(length: float) -> int:
    """The class of a history's length."""
    return bisect_right(LENGTHS, length)


# How often a value is new before anything was learned, of so many sign-ins, by facet and bucket.
PRIOR_NOVEL = tuple(
    PRIOR_TRIALS * min(0.9, long_run + early / (1.0 + length)) for long_run, early in _USUAL for length in _TYPICAL
)


def novelties(keys: facets.Keys, seen: Seen, latest: Mapping[int, int], version: int | None) -> list[tuple[int, bool]]:
    """Each facet that was put to the test by these keys, and whether its value was new.

    A facet that the person has no history of is not tested; nor is a newer version of a browser (`latest` holds the
    newest one of each family), which everybody gets.
    """
    tested = []
    for facet, key in enumerate(keys):
        if key is None or not seen[facet]:
            continue
        if key in seen[facet]:
            tested.append((facet, False))
        elif is_within_known(facet, keys, seen) and not (
            facet == facets.VERSION and is_newer(keys[facets.FAMILY], version, latest)
        ):
            tested.append((facet, True))
    return tested


def is_within_known(facet: int, keys: facets.Keys, seen: Seen) -> bool:
    """Whether the nearest coarser level that can be compared is known; True where there is none."""
    for parent in facets.PARENTS.get(facet, ()):
        key = keys[parent]
        if key is not None and seen[parent]:
            return key in seen[parent]
    return True


def is_newer(family: int | None, version: int | None, latest: Mapping[int, int]) -> bool:
    """Whether the version is newer than the newest that was seen of this family."""
    newest = None if family is None else latest.get(family)
    return newest is not None and version is not None and version > newest
