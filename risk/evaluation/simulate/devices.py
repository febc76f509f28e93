"""The devices of one made-up person, and the cookies that their browsers hold."""

from dataclasses import dataclass, field
from random import Random

from risk.evaluation.simulate.parameters import Parameters
from risk.evaluation.simulate.software import Seen, Setup, draw_setup, seen_on


@dataclass(slots=True)
class Device:
    """One device: what is installed, how much it is used, and the cookie of each of its two browsers."""

    setup: Setup
    weight: float
    is_work: bool = False
    tokens: dict[bool, str] = field(default_factory=dict)

    @property
    def is_phone(self) -> bool:
        return self.setup.kind == "mobile"


class Devices:
    """What a person signs in with, as it changes over time."""

    def __init__(self, parameters: Parameters, random: Random, day: float, *, works: bool) -> None:
        self._parameters = parameters
        self._random = random
        self._is_private_person = random.random() < parameters.private_people
        self._last_day = day
        count = 1 + min(int(random.expovariate(1 / max(parameters.devices, 0.01))), 4)
        self.all: list[Device] = []
        for number in range(count):
            # A second device is mostly of another kind than the first.
            had = {device.setup.kind for device in self.all}
            kinds = frozenset({"desktop", "mobile", "tablet"} - had) if number and random.random() < 0.8 else None
            self.all.append(self._new(day, kinds or None, weight=0.6**number * random.uniform(0.4, 1.0)))
        if works and random.random() < 0.6:
            self.all.append(self._new(day, frozenset({"desktop"}), weight=0.8, is_work=True))

    def _new(self, day: float, kinds: frozenset[str] | None, *, weight: float, is_work: bool = False) -> Device:
        setup = draw_setup(self._random, frozen=self._parameters.frozen, day=day, kinds=kinds)
        return Device(setup, weight, is_work)

    def choose(self, day: float, *, at_work: bool, away: bool) -> Device:
        """What is used now; devices that were replaced since the last time are new ones."""
        self._replace(day)
        weights = [device.weight * self._fits(device, at_work=at_work, away=away) for device in self.all]
        return self._random.choices(self.all, weights)[0]

    def sign_in(self, device: Device, day: float) -> tuple[Seen, str | None]:
        """What the browser sends, and the cookie that comes along; the answer sets one where none came."""
        random, parameters = self._random, self._parameters
        other = random.random() < parameters.second_browser
        seen = seen_on(device.setup, day, reduced=parameters.reduced, other_browser=other)
        private = 0.85 if self._is_private_person else parameters.private_habit
        if random.random() < private:
            return seen, None
        if random.random() < parameters.clears:
            device.tokens.pop(other, None)
        token = device.tokens.get(other)
        if token is None:
            device.tokens[other] = f"dev_{random.getrandbits(80):020x}"
        return seen, token

    @staticmethod
    def _fits(device: Device, *, at_work: bool, away: bool) -> float:
        if at_work:
            return 4.0 if device.is_work else 0.5
        if device.is_work:
            return 0.1
        return 2.0 if away and device.is_phone else 1.0

    def _replace(self, day: float) -> None:
        years = (day - self._last_day) / 365
        self._last_day = day
        for place, device in enumerate(self.all):
            if self._random.random() < self._parameters.replaced * years:
                kinds = frozenset({device.setup.kind})
                fresh = self._new(day, kinds, weight=device.weight, is_work=device.is_work)
                # Two in three stay with the maker of their system.
                if fresh.setup.system != device.setup.system and self._random.random() < 0.66:
                    fresh = self._new(day, kinds, weight=device.weight, is_work=device.is_work)
                self.all[place] = fresh
