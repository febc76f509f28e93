"""Networks and addresses of a made-up world: each belongs to one operator and, as a database would say, to a city."""

from dataclasses import dataclass
from random import Random

from risk.evaluation.simulate.lands import EGRESS, HOSTING, LANDS, City, Land
from risk.evaluation.simulate.parameters import Parameters

# First octets that hold no reserved ranges.
_FIRST_OCTETS = tuple(octet for octet in range(2, 223) if octet not in {10, 100, 127, 169, 172, 192, 198, 203})


@dataclass(frozen=True, slots=True)
class Net:
    """One network: `prefix` is "a.b.c" of a /24 or "x:y:z" of a /48; the place is what a database says of it."""

    prefix: str
    land: str
    region: str | None
    city: str | None
    asn: int
    is_six: bool = False

    def address(self, random: Random) -> str:
        """Some address in it."""
        if self.is_six:
            parts = (random.getrandbits(16) for _ in range(5))
            return f"{self.prefix}:{':'.join(f'{max(part, 1):x}' for part in parts)}"
        return f"{self.prefix}.{random.randint(1, 254)}"


class Networks:
    """The operators' networks by city, made when first asked for."""

    def __init__(self, parameters: Parameters, random: Random) -> None:
        self._parameters = parameters
        self._random = random
        self._blocks: dict[int, list[str]] = {}
        self._taken: set[str] = set()
        self._nets: dict[tuple[str, int, str, str, bool], tuple[Net, ...]] = {}
        self.lands = {land.code: land for land in LANDS}
        # Drawn for every operator in turn, whoever is asked for first.
        self._carrier_nat: dict[int, tuple[int, ...]] = {}
        self._with_six: set[int] = set()
        for land in LANDS:
            for asn in dict.fromkeys((*land.fixed, *land.mobile)):
                if random.random() < parameters.six_share:
                    self._with_six.add(asn)
                if random.random() < parameters.carrier_nat_share:
                    self._carrier_nat[asn] = tuple(random.randint(1, 254) for _ in range(random.randint(2, 12)))

    def has_six(self, asn: int) -> bool:
        """Whether the operator gives IPv6."""
        return asn in self._with_six

    def shared_address(self, asn: int, nets: tuple[Net, ...], random: Random) -> tuple[Net, str] | None:
        """An address that many of the operator's people share, or None where each home has its own."""
        hosts = self._carrier_nat.get(asn)
        if hosts is None:
            return None
        net = nets[random.randrange(min(3, len(nets)))]
        return net, f"{net.prefix}.{random.choice(hosts)}"

    def fixed(self, land: Land, asn: int, city: City, *, six: bool = False) -> tuple[Net, ...]:
        """The operator's networks in a city."""
        return self._of("fixed", land, asn, city, self._parameters.nets_a_city, six)

    def mobile(self, land: Land, asn: int, city: City, *, six: bool = False) -> tuple[Net, ...]:
        """What telephones near a city leave through: large cities serve the smaller ones around them."""
        hub = max(land.cities[:4], key=lambda each: (each.name == city.name, each.weight))
        return self._of("mobile", land, asn, hub, 2 * self._parameters.nets_a_city, six)

    def hosted(self, land: Land, random: Random) -> Net:
        """A network of rented machines in a country."""
        asn = random.choice(HOSTING)
        return random.choice(self._of("hosted", land, asn, land.cities[0], 10, six=False))

    def proxy(self, land: Land, random: Random) -> Net:
        """A filtering proxy's network."""
        return random.choice(self._of("proxy", land, random.choice(EGRESS), land.cities[0], 4, six=False))

    def _of(self, kind: str, land: Land, asn: int, city: City, about: int, six: bool) -> tuple[Net, ...]:
        key = (kind, asn, land.code, city.name, six)
        nets = self._nets.get(key)
        if nets is None:
            count = max(2, round(about * self._random.lognormvariate(0, 0.5)))
            nets = self._nets[key] = tuple(self._net(kind, land, asn, city, six) for _ in range(count))
        return nets

    def _net(self, kind: str, land: Land, asn: int, city: City, six: bool) -> Net:
        shown: City | None = city
        drawn = self._random.random()
        unknown = self._parameters.city_unknown * (2 if kind == "mobile" else 1)
        if drawn < unknown:
            shown = None
        elif drawn < unknown + self._parameters.city_error * (2 if kind == "mobile" else 1):
            shown = self._random.choice(land.cities)
        region, name = (shown.region, shown.name) if shown else (None, None)
        prefix = self._six_prefix(asn) if six else self._prefix(asn)
        return Net(prefix, land.code, region, name, asn, is_six=six)

    def _prefix(self, asn: int) -> str:
        while True:
            blocks = self._blocks.setdefault(asn, [])
            if len(blocks) < 3 or self._random.random() < 0.02:
                blocks.append(f"{self._random.choice(_FIRST_OCTETS)}.{self._random.randint(0, 255)}")
            prefix = f"{self._random.choice(blocks)}.{self._random.randint(0, 255)}"
            if prefix not in self._taken:
                self._taken.add(prefix)
                return prefix

    def _six_prefix(self, asn: int) -> str:
        while True:
            prefix = f"2a{asn % 16:x}{asn % 11:x}:{(asn * 7919) % 65521 or 1:x}:{self._random.randint(1, 65535):x}"
            if prefix not in self._taken:
                self._taken.add(prefix)
                return prefix
