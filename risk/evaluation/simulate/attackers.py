"""Attackers with the right password: from one who knows nothing else to one who holds the device's cookie.

The first four are the models of Wiefling et al. (2021, 2022) as the issue of this score names them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from risk.evaluation.dataset import Row
from risk.evaluation.simulate.homes import draw_city, draw_operator
from risk.evaluation.simulate.lands import LANDS, Land
from risk.evaluation.simulate.networks import Net, Networks
from risk.evaluation.simulate.parameters import Parameters
from risk.evaluation.simulate.people import DAY_S, Person, row_of
from risk.evaluation.simulate.software import Seen, Setup, draw_setup, script, seen_on

KINDS = ("naive", "vpn", "targeted", "very_targeted", "stolen_cookie")
_LATELY = 30

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Victim:
    """A person with what could be known of them: their good sign-ins up to now, and with which device and network."""

    person: Person
    rows: Sequence[Row]
    nets: Sequence[Net]
    setups: Sequence[Setup]


class Attackers:
    """Makes takeovers, with the failed tries that come before some of them."""

    def __init__(self, networks: Networks, parameters: Parameters, random: Random) -> None:
        self._networks, self._parameters, self._random = networks, parameters, random
        self._base = random.choice(LANDS)

    def take_over(self, kind: str, victim: Victim, at_s: float) -> list[Row]:
        """The rows of one takeover; its last row is the one that got in."""
        random = self._random
        day = at_s / DAY_S
        make = {
            "naive": self._naive,
            "vpn": self._vpn,
            "targeted": self._targeted,
            "very_targeted": self._very_targeted,
            "stolen_cookie": self._stolen_cookie,
        }[kind]
        net, address, seen, token = make(victim, day)
        rows = []
        if random.random() < (0.4 if kind in {"naive", "vpn"} else 0.15):
            for before in range(random.randint(1, 4), 0, -1):
                failed_s = round(at_s - 30.0 * before, 3)
                rows.append(row_of(failed_s, victim.person.name, net, address, seen, token, succeeded=False))
        rows.append(row_of(at_s, victim.person.name, net, address, seen, token, attacker=kind))
        return rows

    def hour_for(self, kind: str, victim: Victim) -> float:
        """The hour (UTC) at which such an attacker tries."""
        careful = kind in {"targeted", "very_targeted", "stolen_cookie"}
        if careful and self._random.random() < self._parameters.day_hours:
            land = victim.person.whereabouts.home.land
            return (victim.person.rhythm.hour() - land.hours_from_utc) % 24
        return self._random.uniform(0, 24)

    def outside(self, land: Land) -> Net:
        """Some network in a country: a rented machine's, or somebody's home or telephone."""
        random = self._random
        if random.random() >= self._parameters.residential:
            return self._networks.hosted(land, random)
        city = draw_city(land, random)
        if random.random() < 0.3:
            return random.choice(self._networks.mobile(land, draw_operator(land.mobile, random), city))
        return random.choice(self._networks.fixed(land, draw_operator(land.fixed, random), city))

    def popular(self, day: float) -> Seen:
        """The user agent of somebody, as popular ones go."""
        setup = draw_setup(self._random, frozen=0.05, day=day)
        return seen_on(setup, day, reduced=self._parameters.reduced)

    def _naive(self, victim: Victim, day: float) -> tuple[Net, str, Seen, str | None]:
        random = self._random
        land = self._base if random.random() < 0.3 else random.choice(LANDS)
        net = self.outside(land)
        seen = script(random) if random.random() < self._parameters.scripted else self.popular(day)
        return net, net.address(random), seen, None

    def _vpn(self, victim: Victim, day: float) -> tuple[Net, str, Seen, str | None]:
        """The right country, a popular user agent."""
        net = self.outside(victim.person.whereabouts.home.land)
        return net, net.address(self._random), self.popular(day), None

    def _targeted(self, victim: Victim, day: float) -> tuple[Net, str, Seen, str | None]:
        """The operator that the person uses, mostly their city, and a browser as theirs."""
        random = self._random
        known = self._lately(victim.nets)
        home = victim.person.whereabouts.home
        land = self._networks.lands[known.land]
        right_city = random.random() < self._parameters.same_city
        city = home.city if right_city and land is home.land else draw_city(land, random)
        of = self._networks.mobile if known.asn in land.mobile and known.asn not in land.fixed else self._networks.fixed
        net = random.choice(of(land, known.asn, city))
        return net, net.address(random), self._fitting(victim, day), None

    def _very_targeted(self, victim: Victim, day: float) -> tuple[Net, str, Seen, str | None]:
        """The network that the person uses most, sometimes their address, and their browser."""
        random = self._random
        lately = victim.rows[-_LATELY:]
        network = Counter(row.network for row in lately).most_common(1)[0][0]
        net = next(net for net, row in zip(victim.nets[-_LATELY:], lately, strict=True) if row.network == network)
        address = net.address(random)
        if random.random() < self._parameters.same_address:
            address = Counter(row.address for row in lately if row.network == network).most_common(1)[0][0]
        return net, address, self._fitting(victim, day), None

    def _stolen_cookie(self, victim: Victim, day: float) -> tuple[Net, str, Seen, str | None]:
        """The cookie of a device, out of another network."""
        random = self._random
        place = max(
            (place for place, row in enumerate(victim.rows) if row.token is not None), default=len(victim.rows) - 1
        )
        seen = self.popular(day)
        if random.random() < self._parameters.copied_browser:
            seen = seen_on(victim.setups[place], day, reduced=self._parameters.reduced)
        in_land = random.random() < self._parameters.thief_in_land
        net = self.outside(victim.person.whereabouts.home.land if in_land else random.choice(LANDS))
        return net, net.address(random), seen, victim.rows[place].token

    def _fitting(self, victim: Victim, day: float) -> Seen:
        """A browser of the family and system that the person uses, of the very version or of another one."""
        setup = self._lately(victim.setups)
        if self._random.random() < self._parameters.same_version:
            return seen_on(setup, day, reduced=self._parameters.reduced)
        for _ in range(40):
            other = draw_setup(self._random, frozen=0.05, day=day, kinds=frozenset({setup.kind}))
            if other.family is setup.family and other.system == setup.system:
                return seen_on(other, day, reduced=self._parameters.reduced)
        return seen_on(setup, day, reduced=self._parameters.reduced)

    def _lately(self, values: Sequence[T]) -> T:
        return self._random.choice(values[-_LATELY:])
