"""The baseline of the literature: the model of Freeman et al. 2016, as its public implementation computes it.

Equation 7 of "Who Are You? A Statistical Approach to Measuring User Authenticity" (NDSS 2016) without attack data, with
the hierarchies, weights, smoothing and edge cases of the repository das-group/rba-algorithm (2022), which the studies
of Wiefling et al. used. Two things differ, since a sign-in is judged before the next one is known here: every count is
of the past (that implementation takes the smoothing of the first level from the whole file), and a person without
history, whom it leaves out, counts as one with a single sign-in that shares nothing.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field

from risk.evaluation.dataset import Row

# The features with their levels, the finest first, and the weights of the levels.
_ADDRESS_WEIGHTS = (0.6, 0.3, 0.1)
_USER_AGENT_WEIGHTS = (0.5386653840551359, 0.2680451498625666, 0.18818295100109536, 0.0051065150812021525)
WEIGHTS = (_ADDRESS_WEIGHTS, _USER_AGENT_WEIGHTS)
_NEVER_SEEN = 4  # by how much a feature of which no level was seen before raises the risk

Below = frozenset[tuple[int, object]]
Values = tuple[tuple[object, ...], ...]


def values_of(row: Row) -> Values:
    """The values of a sign-in: (address, ASN, country) and (user agent, browser, system, kind of device)."""
    return (row.address, row.asn, row.country), (row.user_agent, row.browser, row.system, row.kind)


@dataclass(slots=True)
class _Person:
    """One person's history: how many sign-ins, and how often each value of each level."""

    signins: int = 0
    counts: dict[tuple[int, int, object], int] = field(default_factory=lambda: defaultdict(int))


class Freeman:
    """Everyone's history so far, and the risk of a sign-in under it."""

    def __init__(self) -> None:
        self._people: dict[str, _Person] = {}
        self._signins = 0
        # (feature, level, value) → how often; (feature, value of its first level) → the values seen below it, of which
        # the same few combinations come again and again.
        self._counts: dict[tuple[int, int, object], int] = defaultdict(int)
        self._distinct: dict[tuple[int, int], int] = defaultdict(int)
        self._below: dict[tuple[int, object], Below] = {}
        self._combinations: dict[Below, Below] = {}

    def score(self, row: Row) -> float:
        """The natural logarithm of the risk score; at least one sign-in was learned before."""
        person = self._people.get(row.person) or _Person(signins=1)
        risk = 0.0
        for feature, (weights, values) in enumerate(zip(WEIGHTS, values_of(row), strict=True)):
            everyone = self._everyones(feature, weights, values)
            own = sum(
                weight * person.counts.get((feature, level, value), 0) / person.signins
                for level, (weight, value) in enumerate(zip(weights, values, strict=True))
            )
            risk += math.log(everyone / own) if own > 0 else math.log(_NEVER_SEEN)
        # p(attacked) is the same for all; p(signs in) is the person's share of all sign-ins.
        return risk - math.log(max(len(self._people), 1)) - math.log(person.signins / max(self._signins, 1))

    def learn(self, row: Row) -> None:
        """Adds a good sign-in to the history."""
        person = self._people.get(row.person)
        if person is None:
            person = self._people[row.person] = _Person()
        person.signins += 1
        self._signins += 1
        for feature, values in enumerate(values_of(row)):
            self._learn_below(feature, values)
            for level, value in enumerate(values):
                key = (feature, level, value)
                if key not in self._counts:
                    self._distinct[feature, level] += 1
                self._counts[key] += 1
                person.counts[key] += 1

    def _learn_below(self, feature: int, values: tuple[object, ...]) -> None:
        known = self._below.get((feature, values[0]), frozenset())
        below = known.union(enumerate(values[1:]))
        if len(below) > len(known):
            self._below[feature, values[0]] = self._combinations.setdefault(below, below)

    def _everyones(self, feature: int, weights: tuple[float, ...], values: tuple[object, ...]) -> float:
        """The weighted likelihood of the values among everyone's sign-ins; only the first level is smoothed."""
        first = self._counts.get((feature, 0, values[0]), 0)
        unseen = 1 + sum(self._distinct[feature, level] for level in range(1, len(values)))
        likelihood = max(first, 1) / (self._signins + unseen)
        if first:
            # How sure the value is of itself: among the sign-ins with it, smoothed by what was seen below it.
            likelihood *= first / (first + len(self._below[feature, values[0]]) + 1)
        total = weights[0] * likelihood
        for level in range(1, len(values)):
            total += weights[level] * self._counts.get((feature, level, values[level]), 0) / max(self._signins, 1)
        return total
