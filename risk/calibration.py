"""From log-odds to points: a threshold is a chosen friction, whatever a site's sign-ins look like.

Points are quantiles of good sign-ins: one in twenty reaches 30, one in a hundred 60, one in a thousand 90.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, log

import msgspec

LEAST_SAMPLE = 1000
# Points by the part of good sign-ins below them.
QUANTILES = ((0.05, 0), (0.5, 10), (0.95, 30), (0.99, 60), (0.999, 90))
_TOP = 100
# Anchors stand at least so far apart: a site whose sign-ins all look the same must not turn a trifle into 60 points.
_LEAST_STEP = 0.3
# A quantile that fewer sign-ins than this lie beyond is not read off alone.
_ENOUGH_BEYOND = 20


class TooFewSignIns(Exception):
    """Quantiles of fewer than a thousand sign-ins would be guesses."""


class CalibrationRefused(Exception):
    """A stored calibration that is none."""


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    anchors: tuple[tuple[float, int], ...]
    learned_from: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes points of log-odds: straight lines between anchors (log-odds, points), both rising.

    `learned_from`: how many good sign-ins; 0 for the shipped one.
    """

    id: str
    anchors: tuple[tuple[float, int], ...]
    learned_from: int = 0

    def __post_init__(self) -> None:
        rising = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(self.anchors))
        fitting = all(isfinite(odds) and 0 <= points <= _TOP for odds, points in self.anchors)
        if len(self.anchors) < 2 or not (rising and fitting):
            raise ValueError("anchors: expected two or more, rising in log-odds and in points from 0 to 100")

    @property
    def body(self) -> str:
        """All but the id, as JSON: what is stored."""
        return msgspec.json.encode(_Body(self.anchors, self.learned_from)).decode()

    @classmethod
    def of_body(cls, id: str, body: str | bytes) -> "Calibration":  # noqa: A002
        """A stored calibration; raises CalibrationRefused."""
        try:
            stored = msgspec.json.decode(body, type=_Body)
            return cls(id, stored.anchors, stored.learned_from)
        except (msgspec.MsgspecError, ValueError) as failure:
            raise CalibrationRefused(f"expected anchors and the number of sign-ins behind them: {failure}") from None

    def score_of(self, log_odds: float) -> int:
        """The points of this sum, from 0 to 100."""
        below_odds, below_points = self.anchors[0]
        if not log_odds > below_odds:
            return below_points
        for odds, points in self.anchors[1:]:
            if log_odds <= odds:
                part = (log_odds - below_odds) / (odds - below_odds)
                return int(below_points + part * (points - below_points) + 1e-9)
            below_odds, below_points = odds, points
        return below_points

    @classmethod
    def shipped(cls) -> "Calibration":
        """What a new installation starts from: the middle of many made-up companies (`docs/risk.md`)."""
        return cls("shipped-1", ((-8.0, 0), (-5.3, 10), (0.5, 30), (3.2, 60), (5.7, 90), (8.2, 100)))

    @classmethod
    def fit(cls, log_odds: Sequence[float], *, id: str) -> "Calibration":  # noqa: A002
        """A site's own, from the log-odds of its good sign-ins; raises TooFewSignIns below a thousand."""
        known = sorted(each for each in log_odds if isfinite(each))
        if len(known) < LEAST_SAMPLE:
            raise TooFewSignIns(f"expected at least {LEAST_SAMPLE} good sign-ins, found {len(known)}")
        found: list[float] = []
        for share, _ in QUANTILES:
            odds = _quantile(known, share)
            if len(found) > 1:
                odds = max(odds, _by_tail(found, share) if (1.0 - share) * len(known) < _ENOUGH_BEYOND else odds)
            found.append(max(odds, found[-1] + _LEAST_STEP) if found else odds)
        found.append(found[-1] + max(found[-1] - found[-2], 1.0))
        points = [*(points for _, points in QUANTILES), _TOP]
        anchors = tuple((round(odds, 4), each) for odds, each in zip(found, points, strict=True))
        return cls(id, anchors, len(known))


def _quantile(known: Sequence[float], share: float) -> float:
    """Between the two nearest."""
    place = share * (len(known) - 1)
    below = int(place)
    above = min(below + 1, len(known) - 1)
    return known[below] + (place - below) * (known[above] - known[below])


def _by_tail(found: Sequence[float], share: float) -> float:
    """Where the quantile lies if the tail goes on as it began: evenly in the logarithm of what is beyond."""
    (before, _), (last, _) = QUANTILES[len(found) - 2], QUANTILES[len(found) - 1]
    step = (found[-1] - found[-2]) / log((1.0 - before) / (1.0 - last))
    return found[-1] + step * log((1.0 - last) / (1.0 - share))
