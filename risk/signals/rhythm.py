"""The hour of the day in the person's own rhythm: a smooth curve over their hours, shrunk to everyone's."""

from math import cos, exp, log, pi
from operator import mul

from risk.chains import Compared
from risk.history.profile import DAY_HOURS
from risk.sighting import Surroundings
from risk.values import Reason

LEAST, MOST = -0.4, 0.7
# A von Mises kernel: most of a sign-in's weight lies within two hours around it, on a clock that has no midnight.
_CONCENTRATION = 8.0
# Everyone's curve weighs as much as so many sign-ins; every hour has at least this part of its even share.
_STRENGTH = 8.0
_EVEN = 0.15


def _kernel() -> tuple[float, ...]:
    heights = [exp(_CONCENTRATION * (cos(2 * pi * hour / DAY_HOURS) - 1.0)) for hour in range(DAY_HOURS)]
    return tuple(height / sum(heights) for height in heights)


# Twice around, so that every hour finds its part of it in one slice.
_AROUND = _kernel() * 2


def find_rhythm(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`hour_usual` or `hour_unusual`, with the hour in UTC."""
    mine = sum(compared.profile.hours)
    if not mine:
        return ()
    hour = int(compared.sighting.at_s // 3600) % DAY_HOURS
    everyone = _density(compared.population.hours, hour)
    weight = mine * compared.faded
    person = (weight * _density(compared.profile.hours, hour) + _STRENGTH * everyone) / (weight + _STRENGTH)
    odds = min(max(0.5 * log(everyone / person), LEAST), MOST)
    return (Reason("hour_unusual" if odds > 0.0 else "hour_usual", odds, detail={"hour": hour}),)


def _density(hours: list[float], hour: int) -> float:
    total = sum(hours)
    if not total:
        return 1.0 / DAY_HOURS
    start = DAY_HOURS - hour
    near: float = sum(map(mul, hours, _AROUND[start : start + DAY_HOURS])) / total
    return _EVEN / DAY_HOURS + (1.0 - _EVEN) * near
