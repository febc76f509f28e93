"""One made-up world: everybody's sign-ins, the sprays and the takeovers, in time order."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from risk.evaluation.dataset import Row
from risk.evaluation.simulate.attackers import KINDS, Attackers, Victim
from risk.evaluation.simulate.homes import Company, Whereabouts, draw_company
from risk.evaluation.simulate.lands import LANDS, Land
from risk.evaluation.simulate.networks import Net, Networks
from risk.evaluation.simulate.parameters import Parameters, draw_parameters
from risk.evaluation.simulate.people import DAY_S, Person, row_of
from risk.evaluation.simulate.software import Setup

Told = Callable[[int, int], None]


@dataclass(slots=True)
class World:
    """What a seed made: its parameters, its rows in time order, and the addresses that a list of attackers knows."""

    parameters: Parameters
    rows: list[Row] = field(default_factory=list)
    attack_addresses: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Life:
    """What one person did, for those who study them."""

    person: Person
    rows: list[Row] = field(default_factory=list)
    nets: list[Net] = field(default_factory=list)
    setups: list[Setup] = field(default_factory=list)


def make_world(
    seed: int, *, people: int = 500, days: int = 240, takeovers: int | None = None, told: Told | None = None
) -> World:
    """The world of a seed, always the same one.

    `takeovers` are for each kind of attacker: where not given, a sixth of the people and 100 at least. `told` hears how
    many of the people are done.
    """
    random = Random(f"ostiary world {seed}")  # noqa: S311 - a simulation, no secret
    society = _Society(draw_parameters(random), random, days)
    world = World(society.parameters)
    lives = []
    for number in range(people):
        lives.append(_live(society.new_person(f"{number + 1}"), world))
        if told is not None:
            told(number + 1, people)
    attackers = Attackers(society.networks, society.parameters, random)
    _spray(world, attackers, lives, random, days)
    _take_over(world, attackers, lives, random, max(100, people // 6) if takeovers is None else takeovers)
    world.rows.sort(key=lambda row: row.at_s)
    return world


class _Society:
    """The countries, networks and companies of a world, into which people are born."""

    def __init__(self, parameters: Parameters, random: Random, days: int) -> None:
        self.parameters, self._random, self._days = parameters, random, days
        self.networks = Networks(parameters, random)
        # The first is where most people live.
        self._lands: tuple[Land, ...] = tuple(random.sample(LANDS, parameters.lands))
        self._companies: list[Company] = [self._new_company() for _ in range(parameters.companies)]

    def new_person(self, name: str) -> Person:
        """Somebody with a home, with or without an employer."""
        random, parameters = self._random, self.parameters
        first = float(parameters.first_day)
        # Half of the people are there from the beginning, the others join.
        begins = first if random.random() < 0.5 else first + random.uniform(0, 0.7 * self._days)
        company = random.choice(self._companies) if random.random() < parameters.company_share else None
        land = self._lands[0] if random.random() < parameters.home_land_share else random.choice(self._lands)
        if company is not None and random.random() < 0.85:
            land = company.land
        days = (begins, first + self._days)
        whereabouts = Whereabouts(
            self.networks, parameters, random, land=land, lands=self._lands, company=company, days=days
        )
        return Person(name, parameters, random, whereabouts, begins=begins, ends=days[1])

    def _new_company(self) -> Company:
        land = self._lands[0] if self._random.random() < 0.7 else self._random.choice(self._lands)
        return draw_company(land, self.networks, self.parameters, self._random)


def _live(person: Person, world: World) -> _Life:
    life = _Life(person)
    for row, net, setup in person.signins():
        world.rows.append(row)
        if row.succeeded:
            life.rows.append(row)
            life.nets.append(net)
            life.setups.append(setup)
    return life


def _spray(world: World, attackers: Attackers, lives: list[_Life], random: Random, days: int) -> None:
    """Campaigns that try one password on many accounts, out of a few addresses, and mostly fail."""
    parameters = world.parameters
    for _ in range(round(parameters.sprays * days / 30)):
        at_s = (parameters.first_day + random.uniform(0, days)) * DAY_S
        sources = []
        for _ in range(random.randint(1, 20)):
            net = attackers.outside(random.choice(LANDS))
            sources.append((net, net.address(random)))
        if random.random() < 0.5:
            world.attack_addresses.update(address for _, address in sources)
        seen = attackers.popular(at_s / DAY_S)
        every_s = random.uniform(0.2, 120)
        for life in lives:
            if random.random() < parameters.spray_people:
                at_s += random.expovariate(1 / every_s)
                net, address = random.choice(sources)
                world.rows.append(row_of(round(at_s, 3), life.person.name, net, address, seen, None, succeeded=False))


def _take_over(world: World, attackers: Attackers, lives: list[_Life], random: Random, takeovers: int) -> None:
    """Takeovers of people with a history, spread over them and over time."""
    known = [life for life in lives if len(life.rows) >= 2]
    if not known:
        return
    for kind in KINDS:
        for _ in range(takeovers):
            life = random.choice(known)
            # Some moment between their second sign-in and their last.
            day = int(random.uniform(life.rows[1].at_s, life.rows[-1].at_s) / DAY_S)
            whole = Victim(life.person, life.rows, life.nets, life.setups)
            at_s = max((day + attackers.hour_for(kind, whole) / 24) * DAY_S, life.rows[1].at_s + 60)
            at_s = round(at_s, 3)
            count = bisect_left(life.rows, at_s, key=lambda row: row.at_s)
            victim = Victim(life.person, life.rows[:count], life.nets[:count], life.setups[:count])
            rows = attackers.take_over(kind, victim, at_s)
            world.rows.extend(rows)
            if kind in {"naive", "vpn"} and random.random() < 0.3:
                world.attack_addresses.add(rows[-1].address)
