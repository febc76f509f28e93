"""The sign-ins of one made-up person: when, where from, and with what."""

from collections.abc import Iterator
from random import Random

from risk.evaluation.dataset import Row
from risk.evaluation.simulate.devices import Devices
from risk.evaluation.simulate.homes import Whereabouts
from risk.evaluation.simulate.networks import Net
from risk.evaluation.simulate.parameters import Parameters
from risk.evaluation.simulate.software import Seen, Setup

DAY_S = 86_400.0
MOST_SIGNINS = 600


class Rhythm:
    """When a person signs in: two humps of the local day, weekdays more or less, and weeks away."""

    def __init__(self, parameters: Parameters, random: Random, *, works: bool) -> None:
        self._random = random
        shift = random.uniform(8, 14) if random.random() < parameters.night_share else 0.0
        width = (0.6 + 2.4 * (1 - parameters.regularity)) * random.uniform(0.7, 1.5)
        # (middle hour, width, weight)
        self._humps = (
            ((random.gauss(9.5, 1.0) + shift) % 24, width, 2.0 if works else 0.7),
            ((random.gauss(20.0, 1.8) + shift) % 24, width * 1.3, 1.0),
            (random.uniform(0, 24), 6.0, 0.12 + 0.5 * (1 - parameters.regularity)),
        )
        self._weekend = random.uniform(0.1, 0.6) if works else random.uniform(0.7, 1.3)

    def hour(self) -> float:
        """A local hour of the day, with its fraction."""
        middle, width, _ = self._random.choices(self._humps, [hump[2] for hump in self._humps])[0]
        return self._random.gauss(middle, width) % 24

    def takes(self, day: int) -> bool:
        """Whether a sign-in that was drawn for this day (since 1970) happens, by the day of the week."""
        # The first of January 1970 was a Thursday.
        is_weekend = (day + 3) % 7 >= 5
        return not is_weekend or self._random.random() < self._weekend


class Person:
    """One person and all that they do."""

    def __init__(
        self,
        name: str,
        parameters: Parameters,
        random: Random,
        whereabouts: Whereabouts,
        *,
        begins: float,
        ends: float,
    ) -> None:
        self.name = name
        self._parameters, self._random = parameters, random
        self.whereabouts = whereabouts
        self._begins, self._ends = begins, ends
        works = whereabouts.company is not None
        self.rhythm = Rhythm(parameters, random, works=works)
        self.devices = Devices(parameters, random, begins, works=works)
        self._failing = min(0.5, parameters.failing * random.lognormvariate(-0.3, 0.8))
        self._count = self._draw_count()

    def signins(self) -> Iterator[tuple[Row, Net, Setup]]:
        """Every good sign-in with the failed ones before it, in time order, each with its network and device."""
        offset = self.whereabouts.home.land.hours_from_utc / 24
        for local in self._moments():
            hour = (local % 1) * 24
            day = local - offset
            is_weekday = (int(local) + 3) % 7 < 5
            working_hour = is_weekday and 8 <= hour < 18
            device = self.devices.choose(
                day, at_work=working_hour and self.whereabouts.company is not None, away=self.whereabouts.is_away(day)
            )
            net, address, _ = self.whereabouts.at(day, is_phone=device.is_phone, working_hour=working_hour)
            seen, token = self.devices.sign_in(device, day)
            at_s = round(day * DAY_S, 3)
            if self._random.random() < self._failing:
                for before in range(self._random.choice((1, 1, 1, 2, 3)), 0, -1):
                    failed_s = round(at_s - 12.0 * before, 3)
                    failed = row_of(failed_s, self.name, net, address, seen, token, succeeded=False)
                    yield failed, net, device.setup
            yield row_of(at_s, self.name, net, address, seen, token), net, device.setup

    def _draw_count(self) -> int:
        """How many sign-ins: heavy-tailed, from one to hundreds."""
        drawn = self._parameters.signins_median * self._random.lognormvariate(0, self._parameters.signins_spread)
        return max(1, min(int(drawn), MOST_SIGNINS))

    def _moments(self) -> list[float]:
        """Local days since 1970 with their fraction, sorted; a person stays away for some weeks, or not."""
        random = self._random
        away_from = away_until = 0.0
        if random.random() < self._parameters.break_share:
            away_from = random.uniform(self._begins, self._ends)
            away_until = away_from + random.uniform(20, 90)
        moments: list[float] = []
        for _ in range(self._count):
            day = int(random.uniform(self._begins, self._ends))
            for _ in range(10):
                if self.rhythm.takes(day) and not away_from <= day < away_until:
                    break
                day = int(random.uniform(self._begins, self._ends))
            moments.append(day + self.rhythm.hour() / 24)
        moments.sort()
        return moments


def row_of(
    at_s: float,
    person: str,
    net: Net,
    address: str,
    seen: Seen,
    token: str | None,
    *,
    succeeded: bool = True,
    attacker: str | None = None,
) -> Row:
    """A sign-in as a row of a data set."""
    return Row(
        at_s=at_s,
        person=person,
        address=address,
        network=f"{net.prefix}::/48" if net.is_six else f"{net.prefix}.0/24",
        succeeded=succeeded,
        country=net.land,
        region=net.region,
        city=net.city,
        asn=net.asn,
        user_agent=seen.user_agent,
        browser=seen.browser,
        system=seen.system,
        kind=seen.kind,
        token=token,
        attacker=attacker,
    )
