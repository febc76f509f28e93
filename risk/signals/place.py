"""The city against the person's own cities. The country belongs to the network's chain.

A new network mostly means a new city: the two are one journey. So of two that speak the same way the stronger counts
and a third of the weaker; within a network that is known, another city is only what a database changed its mind about.
"""

from math import log

from risk.chains import Compared
from risk.history import facets
from risk.sighting import Surroundings
from risk.values import Reason

LEAST, MOST = -1.5, 3.0
# Of those who come instead of the person, those in the same city: who takes the trouble of the operator takes the city.
_SAME = 0.4
_SHARED = 0.35


def find_place(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`city_known` or `city_new`, less what the network has said already."""
    known = compared.known[facets.CITY]
    if known is None or (compared.known[facets.COUNTRY] is False and not known):
        return ()
    odds = log(_SAME + (1.0 - _SAME) * compared.ratios[facets.CITY])
    if not known and (compared.known[facets.NETWORK] or compared.known[facets.ADDRESS]):
        return ()
    rest = beside(min(max(odds, LEAST), MOST), compared.network_odds)
    signal = "city_known" if known else "city_new"
    return (Reason(signal, rest, detail={"city": compared.sighting.place.city or ""}),)


def beside(odds: float, other: float) -> float:
    """What is left of one piece of evidence beside another that it goes along with; never less for more odds."""
    if odds >= 0.0 and other >= 0.0:
        return max(odds, other) + _SHARED * min(odds, other) - other
    if odds <= 0.0 and other <= 0.0:
        return min(odds, other) + _SHARED * max(odds, other) - other
    return odds
