"""Where made-up people sign in from: home, carrier, company, trips, cafés and VPNs, as these change over time."""

from dataclasses import dataclass
from random import Random

from risk.evaluation.simulate.lands import City, Land
from risk.evaluation.simulate.networks import Net, Networks
from risk.evaluation.simulate.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Company:
    """An employer: its country and city, and the few addresses that everybody there shares."""

    land: Land
    city: City
    addresses: tuple[tuple[Net, str], ...]


def draw_company(land: Land, networks: Networks, parameters: Parameters, random: Random) -> Company:
    """An employer in this country."""
    city = draw_city(land, random)
    if random.random() < parameters.proxied_companies:
        nets = [networks.proxy(land, random) for _ in range(random.randint(1, 3))]
    else:
        nets = [random.choice(networks.fixed(land, random.choice(land.fixed), city))] * random.randint(1, 2)
    return Company(land, city, tuple((net, net.address(random)) for net in nets))


def draw_city(land: Land, random: Random) -> City:
    """A city of the country, the larger the likelier."""
    return random.choices(land.cities, [city.weight for city in land.cities])[0]


def draw_operator(operators: tuple[int, ...], random: Random) -> int:
    """One of a country's operators, the first the likeliest."""
    return random.choices(operators, [1 / (place + 1) for place in range(len(operators))])[0]


class Home:
    """A connection at home: its address changes now and then, mostly within the operator's networks of the city."""

    def __init__(
        self, land: Land, city: City, networks: Networks, parameters: Parameters, random: Random, *, day: float
    ) -> None:
        self._parameters, self._random, self._networks = parameters, random, networks
        self.land, self.city = land, city
        self.asn = draw_operator(land.fixed, random)
        self._nets = networks.fixed(land, self.asn, city)
        self._has_six = networks.has_six(self.asn)
        self._six = random.choice(networks.fixed(land, self.asn, city, six=True)) if self._has_six else None
        self._lease = (
            1e9 if random.random() < parameters.static_share else parameters.lease * random.lognormvariate(0, 0.6)
        )
        self._net = random.choice(self._nets)
        self._address = self._net.address(random)
        self._until = day + random.expovariate(1 / self._lease)

    def at(self, day: float) -> tuple[Net, str]:
        """The network and address that are seen now."""
        random = self._random
        if self._six is not None and random.random() < 0.7:
            return self._six, self._six.address(random)
        shared = self._networks.shared_address(self.asn, self._nets, random)
        if shared is not None:
            return shared
        if day >= self._until:
            self._until = day + random.expovariate(1 / self._lease)
            if random.random() >= self._parameters.same_net_after:
                self._net = random.choice(self._nets)
            self._address = self._net.address(random)
        return self._net, self._address


@dataclass(frozen=True, slots=True)
class Trip:
    """Days away, in one hotel; `roams` tells whether the telephone leaves through its home carrier."""

    begins: float
    ends: float
    land: Land
    city: City
    hotel: Net
    roams: bool


class Whereabouts:
    """All the places of one person."""

    def __init__(
        self,
        networks: Networks,
        parameters: Parameters,
        random: Random,
        *,
        land: Land,
        lands: tuple[Land, ...],
        company: Company | None,
        days: tuple[float, float],
    ) -> None:
        self._networks, self._parameters, self._random = networks, parameters, random
        self.company = company
        self._begins, self._ends = days
        city = company.city if company is not None and company.land is land else draw_city(land, random)
        self.home = Home(land, city, networks, parameters, random, day=days[0])
        self._second = None
        if random.random() < parameters.second_homes:
            self._second = Home(land, draw_city(land, random), networks, parameters, random, day=days[0])
        self._carrier = draw_operator(land.mobile, random)
        self._carrier_six = networks.has_six(self._carrier)
        self._over_carrier = min(1.0, parameters.mobile_habit * random.lognormvariate(0, 0.4))
        self._exits: tuple[Net, ...] = ()
        if random.random() < parameters.vpn_people:
            first = land if random.random() < 0.5 else random.choice(lands)
            self._exits = tuple(networks.hosted(first, random) for _ in range(random.randint(1, 4)))
        self._trips = self._draw_trips(lands)
        self._moves_at = self._draw_move()

    def at(self, day: float, *, is_phone: bool, working_hour: bool) -> tuple[Net, str, str]:
        """(Network, address, and where that is: home, work, away, carrier or vpn)."""
        random, parameters = self._random, self._parameters
        if day >= self._moves_at:
            self._move(day)
        if self._exits and random.random() < parameters.vpn_habit:
            net = random.choice(self._exits)
            return net, net.address(random), "vpn"
        trip = next((each for each in self._trips if each.begins <= day < each.ends), None)
        if trip is not None:
            return self._on_trip(trip, is_phone=is_phone)
        if working_hour and self.company is not None and random.random() < 0.7:
            return *random.choice(self.company.addresses), "work"
        if is_phone and random.random() < self._over_carrier:
            return self._by_carrier(self.home.land, self.home.city, self._carrier)
        if random.random() < parameters.cafes:
            asn = random.choice(self.home.land.fixed)
            net = random.choice(self._networks.fixed(self.home.land, asn, self.home.city))
            return net, net.address(random), "away"
        if self._second is not None and random.random() < 0.12:
            return *self._second.at(day), "away"
        return *self.home.at(day), "home"

    def is_away(self, day: float) -> bool:
        """Whether the person travels."""
        return any(each.begins <= day < each.ends for each in self._trips)

    def _by_carrier(self, land: Land, city: City, asn: int) -> tuple[Net, str, str]:
        six = self._networks.has_six(asn) and self._random.random() < 0.6
        nets = self._networks.mobile(land, asn, city, six=six)
        # A telephone is mostly served by the same few gateways.
        place = min(int(self._random.expovariate(4 / len(nets))), len(nets) - 1)
        net = nets[place]
        return net, net.address(self._random), "carrier"

    def _on_trip(self, trip: Trip, *, is_phone: bool) -> tuple[Net, str, str]:
        random = self._random
        if is_phone and random.random() < 0.5:
            if trip.roams or trip.land is self.home.land:
                return self._by_carrier(self.home.land, self.home.city, self._carrier)
            return self._by_carrier(trip.land, trip.city, draw_operator(trip.land.mobile, random))
        return trip.hotel, trip.hotel.address(random), "away"

    def _draw_trips(self, lands: tuple[Land, ...]) -> list[Trip]:
        random, parameters = self._random, self._parameters
        a_year = parameters.trips * random.lognormvariate(-0.5, 1.0)
        trips, day = [], self._begins
        while (day := day + random.expovariate(max(a_year, 0.01) / 365)) < self._ends:
            land = self.home.land
            if random.random() < parameters.abroad:
                # Mostly to where others of this world live as well.
                every = tuple(self._networks.lands.values())
                land = random.choice(lands if random.random() < 0.6 else every)
            city = draw_city(land, random)
            hotel = random.choice(self._networks.fixed(land, draw_operator(land.fixed, random), city))
            ends = day + random.uniform(1, 10)
            trips.append(Trip(day, ends, land, city, hotel, random.random() < parameters.roams_home))
            day = ends
        return trips

    def _draw_move(self) -> float:
        return self._begins + self._random.expovariate(self._parameters.moves / 365)

    def _move(self, day: float) -> None:
        """A new operator or a new home; the telephone's carrier stays."""
        land = self.home.land
        city = self.home.city if self._random.random() < 0.6 else draw_city(land, self._random)
        self.home = Home(land, city, self._networks, self._parameters, self._random, day=day)
        self._moves_at = day + self._random.expovariate(self._parameters.moves / 365)
