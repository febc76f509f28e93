"""Joint evidence of facts that explain each other: an address, its network, its operator, its country.

A chain goes from coarse to fine. At each level the question is how much likelier the value is for somebody else, given
the level before: `ratio = p(value | everyone, coarser) / p(value | person, coarser)`, where the person's probability
backs off to everyone's by the rate at which new values are usual for them (`risk.history.novelty`). A new value so has
the ratio 1 / rate, once, at the coarsest level that is new; what is finer must then be new as well and says no more.

Who comes instead of the person is a mixture: somebody with nothing in common, somebody of the same country, operator,
network, address. With the share `w[k]` of those who match the person down to level k, the evidence is
log(sum over k of w[k] * product of the ratios finer than k). The product over all levels is the joint ratio, and the
share of those who match everything is what bounds how far a chain can reassure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from risk.history import facets
from risk.history.novelty import STRENGTH, bucket_of, is_newer
from risk.history.population import Population
from risk.history.profile import DeviceMemory, Profile
from risk.sighting import Sighting

# Within a value of the coarser level, how many values to expect before any were seen.
_FAN_OUT = (60.0, 40.0, 300.0, 60.0, 60.0, 3.0, 4.0, 6.0, 12.0, 6.0)
_UNSEEN = 0.5
# Half of those who come instead are spread as everyone is; the other half sits where few good sign-ins come from. So a
# rare new value weighs up to this many times more than one that is common to everyone.
_RAREST = 5.0
# A person's own rate is never below this part of everyone's: thirty quiet sign-ins do not make the next journey a
# theft.
_LEAST_OF_USUAL = 0.35
_SMALLEST_RATIO = 1e-4
# Of those who come instead of the person: nothing in common; the same country, operator, network, address.
NETWORK_SHARES = (0.25, 0.15, 0.4, 0.16, 0.04)


# How much oftener a browser is new where the device is new as well. About half of the devices that come without their
# cookie are new ones (somebody's next telephone, a second browser), the others only lost it.
_WITH_NEW_DEVICE = {facets.KIND: 0.12, facets.SYSTEM: 0.15, facets.FAMILY: 0.22, facets.VERSION: 0.3, facets.AGENT: 0.5}
# Of the versions that are new to somebody though not newer than theirs.
_OLDER = 0.4
_RARE_COUNTS = frozenset({facets.COUNTRY, facets.OPERATOR, facets.FAMILY})
# Each with the level above it that belongs to another chain.
_CHAINS = ((None, facets.NETWORK_CHAIN), (None, facets.BROWSER_CHAIN), (facets.COUNTRY, facets.PLACE_CHAIN[1:]))


@dataclass(slots=True)
class Compared:
    """A sighting beside a history: what every signal looks at, computed once.

    `known[facet]`: True or False, or None where there is nothing to compare. `mine` and `others`: how many sign-ins of
    the person and of everyone else had the value. `ratios[facet]` as above, 1 where there is nothing to compare or
    where a coarser level is new. `device` is what is remembered of the device, where it is one of this person;
    `is_device_new`: the person has others, and came without one of them. `is_updated`: the browser's version is newer
    than every one of this family before.
    """

    sighting: Sighting
    profile: Profile
    population: Population
    keys: facets.Keys
    faded: float
    unit: float
    known: list[bool | None]
    mine: list[float]
    others: list[float]
    ratios: list[float]
    device: DeviceMemory | None
    is_device_new: bool
    is_updated: bool
    network_odds: float = 0.0

    def rate(self, facet: int) -> float:
        """How often a value of the facet is new to this person: their own rate, shrunk to everyone's."""
        profile = self.profile
        usual = self.population.rate(facet, bucket_of(profile.totals[facet] * self.faded), self.unit)
        own = (profile.novel[facet] + STRENGTH * usual) / (profile.tested[facet] + STRENGTH)
        least = _LEAST_OF_USUAL * usual
        return own if own > least else least

    def deepest(self, chain: Sequence[int]) -> int | None:
        """The finest level of the chain that is known to the person."""
        known = self.known
        for facet in reversed(chain):
            if known[facet]:
                return facet
        return None

    def first_new(self, chain: Sequence[int]) -> int | None:
        """The coarsest level of the chain that is new and has no finer one that is known."""
        known, new = self.known, None
        for facet in reversed(chain):
            if known[facet]:
                break
            if known[facet] is False:
                new = facet
        return new


def compare(sighting: Sighting, profile: Profile, population: Population) -> Compared:
    """Everything that the signals share."""
    keys, at_s = facets.keys_of(sighting), sighting.at_s
    faded, unit = profile.faded(at_s), population.unit(at_s)
    known: list[bool | None] = []
    mine, others = [], []
    for key, seen, everyone in zip(keys, profile.counts, population.counts, strict=True):
        own = seen.get(key, 0.0) if key is not None else 0.0
        rest = everyone.get(key, 0.0) * unit - own * faded if key is not None else 0.0
        known.append(own > 0.0 if seen and key is not None else None)
        mine.append(own)
        others.append(rest if rest > 0.0 else 0.0)
    device = None if sighting.device is None else profile.devices.get(facets.device_key(sighting.device))
    version = None if sighting.browser is None else sighting.browser.version
    compared = Compared(
        sighting=sighting,
        profile=profile,
        population=population,
        keys=keys,
        faded=faded,
        unit=unit,
        known=known,
        mine=mine,
        others=others,
        ratios=[1.0] * len(keys),
        device=device,
        is_device_new=device is None and bool(profile.devices),
        is_updated=known[facets.VERSION] is False and is_newer(keys[facets.FAMILY], version, profile.latest),
    )
    for above, chain in _CHAINS:
        _fill(compared, above, chain)
    compared.network_odds = joint(compared, facets.NETWORK_CHAIN, NETWORK_SHARES)
    return compared


def joint(compared: Compared, chain: Sequence[int], shares: Sequence[float]) -> float:
    """The log-odds of a chain; `shares` begins with those who have nothing in common with the person."""
    product, before, total, ratios = 1.0, 1.0, 0.0, compared.ratios
    for place in range(len(chain), 0, -1):
        facet = chain[place - 1]
        if compared.known[facet] is None:
            # Nobody knows how much of the finer level's ratio belongs here: all of it where it reassures (S35).
            total += shares[place] * max(product, before)
        else:
            total += shares[place] * product
            before, product = product, product * ratios[facet]
    return log(max(total + shares[0] * product, _SMALLEST_RATIO))


def _fill(compared: Compared, above: int | None, chain: Sequence[int]) -> None:
    """The ratios of one chain."""
    known, mine, profile = compared.known, compared.mine, compared.profile
    # A finer level that is known carries the coarser ones: databases move networks about.
    weights, heaviest = {}, 0.0
    for facet in reversed(chain):
        heaviest = mine[facet] if mine[facet] > heaviest else heaviest
        weights[facet] = heaviest
    outer, everyone, is_open = -1.0, 0.0, True
    if above is not None and known[above] is not None:
        outer, everyone, is_open = max(mine[above], heaviest), compared.others[above], bool(known[above])
    for facet in chain:
        if known[facet] is None:
            continue
        weight = weights[facet]
        if outer < 0.0:
            outer = profile.totals[facet]
            everyone = max(0.0, compared.population.totals[facet] * compared.unit - outer * compared.faded)
        # Within a value that is new, everything is new as well, and says no more.
        if is_open or weight:
            compared.ratios[facet] = _ratio(compared, facet, weight, max(outer, weight), everyone)
        outer, everyone, is_open = weight, compared.others[facet], bool(known[facet])


def _ratio(compared: Compared, facet: int, weight: float, outer: float, everyone: float) -> float:
    others = (compared.others[facet] + _UNSEEN) / (everyone + _UNSEEN * _FAN_OUT[facet])
    others = others if others < 1.0 else 1.0
    rate = compared.rate(facet)
    if compared.is_device_new and facet in _WITH_NEW_DEVICE:
        rate = 1.0 - (1.0 - rate) * (1.0 - _WITH_NEW_DEVICE[facet])
    if weight:
        return others / ((1.0 - rate) * weight / outer + rate * others)
    if facet == facets.VERSION:
        return 1.0 if compared.is_updated else 1.0 / (rate * _OLDER)
    if facet in _RARE_COUNTS:
        rarity = min(_RAREST, 0.5 + 0.5 / (others * _FAN_OUT[facet]))
        # Who often comes from new ones comes from rare ones, too.
        return (1.0 + (rarity - 1.0) * (1.0 - rate) if rarity > 1.0 else rarity) / rate
    return 1.0 / rate
