"""How well scores tell attacks from good sign-ins: pure functions over lists of scores, higher meaning riskier."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import median

# The shares of good sign-ins and of attacks at which figures are given.
FALSE_POSITIVES = (0.01, 0.05, 0.10)
DETECTIONS = (0.98, 0.995)
HISTORY = 12
"""The history length at which a re-authentication rate is given as one number."""
LONGEST_HISTORY = 50


def area_under_curve(good: Sequence[float], attacks: Sequence[float]) -> float:
    """How likely an attack scores above a good sign-in, a tie counting half (Mann and Whitney). `good` is sorted."""
    twice = sum(bisect_left(good, score) + bisect_right(good, score) for score in attacks)
    return twice / (2 * len(good) * len(attacks))


def roc(good: Sequence[float], attacks: Sequence[float]) -> list[tuple[float, float]]:
    """(false-positive rate, true-positive rate) at every threshold that tells something apart, from (0, 0) to (1, 1).

    Equal scores fall on the same side of a threshold, so that a tie is one step up and right.
    """
    steps = sorted([(score, 0) for score in good] + [(score, 1) for score in attacks], reverse=True)
    points = [(0.0, 0.0)]
    false = true = 0
    for _, tied in groupby(steps, key=lambda step: step[0]):
        for _, is_attack in tied:
            true += is_attack
            false += 1 - is_attack
        points.append((false / len(good), true / len(attacks)))
    return points


def detection_at(good: Sequence[float], attacks: Sequence[float], false_positives: float) -> float:
    """The share of attacks caught by a threshold that asks at most this share of good sign-ins. Both are sorted.

    A threshold stands at a score: where the share cannot be met exactly, the stricter side counts (nothing is
    interpolated).
    """
    allowed = math.floor(false_positives * len(good) + 1e-9)
    if allowed >= len(good):
        return 1.0
    # Everything above this good sign-in may be asked; whatever ties with it may not.
    barrier = good[len(good) - 1 - allowed]
    return (len(attacks) - bisect_right(attacks, barrier)) / len(attacks)


def threshold_for(attacks: Sequence[float], detection: float) -> float:
    """The highest threshold (asked are scores at or above it) that catches this share of attacks. Sorted."""
    missed = math.floor((1 - detection) * len(attacks) + 1e-9)
    return attacks[min(missed, len(attacks) - 1)]


def reauthentication(
    people: Iterable[Sequence[float]], threshold: float, longest: int = LONGEST_HISTORY
) -> list[float | None]:
    """The median rate at which people are asked, at history lengths 1 to `longest`; None where nobody has so many.

    `people` holds each person's scores in time order, the first of them given with a history of one sign-in. At length
    L stand those with at least L scores, each with the share of their first L scores at or above the threshold.
    """
    rates: list[list[float]] = [[] for _ in range(longest)]
    for scores in people:
        asked = 0
        for length, score in enumerate(scores[:longest], start=1):
            asked += score >= threshold
            rates[length - 1].append(asked / length)
    return [median(each) if each else None for each in rates]
