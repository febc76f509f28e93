"""A site's own calibration: what its good sign-ins of the last days say a threshold should be."""

import random
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from base.database import Database
from risk.calibration import Calibration
from risk.past_signins import Told, walk_signins

# So many are drawn where there are more: two hundred of them lie beyond the highest quantile that is asked for.
MOST_SAMPLED = 200_000
# Of one person, so that nobody decides by an account of their own what is usual for everyone.
MOST_A_DAY = 4


class Sample:
    """Some of many values, each as likely as any other (reservoir sampling); `seen` is how many there were."""

    def __init__(self, draw: random.Random, most: int = MOST_SAMPLED) -> None:
        self.values = array("d")
        self.seen = 0
        self._draw = draw
        self._most = most

    def add(self, value: float) -> None:
        """Takes in one."""
        self.seen += 1
        if len(self.values) < self._most:
            self.values.append(value)
        elif (place := self._draw.randrange(self.seen)) < self._most:
            self.values[place] = value


@dataclass(slots=True)
class PastScores:
    """The log-odds of good sign-ins, and how many others there were: doubted ones, ones without a score, and those
    beyond what one person may add in a day."""

    good: Sample
    doubted: int = 0
    unscored: int = 0
    beyond: int = 0


async def read_scores(
    database: Database, *, since: datetime, until: datetime, draw: random.Random, told: Told | None = None
) -> PastScores:
    """What a calibration is fitted to: the good sign-ins of that time, one value each. Raises StorageUnavailable.

    A sign-in is good where it led to a session and nothing doubts it (`risk.past_signins`). Of each person the last
    four of a day (UTC) count.
    """
    found = PastScores(Sample(draw))
    day, counted = until.date(), Counter[str]()
    async for signin in walk_signins(database, since=since, until=until, told=told):
        if signin.log_odds is None:
            found.unscored += 1
        elif signin.is_doubted:
            found.doubted += 1
        else:
            if signin.at.date() != day:
                day, counted = signin.at.date(), Counter()
            counted[signin.person] += 1
            if counted[signin.person] > MOST_A_DAY:
                found.beyond += 1
            else:
                found.good.add(signin.log_odds)
    return found


def share_meeting(calibration: Calibration, log_odds: Sequence[float], threshold: int) -> float:
    """Which part of these sign-ins has at least so many points; 0 of none."""
    if not log_odds:
        return 0.0
    return sum(calibration.score_of(each) >= threshold for each in log_odds) / len(log_odds)
