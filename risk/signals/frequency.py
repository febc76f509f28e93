"""How often the account signs in.

Whoever takes accounts over chooses accounts, not sign-ins: of two sign-ins that look alike, the one at an account that
seldom signs in is likelier to be theirs (the prior of Freeman et al. 2016, here within bounds).
"""

from math import log

from risk.chains import Compared
from risk.history import facets
from risk.sighting import Surroundings
from risk.values import Reason

LEAST, MOST = -0.5, 0.7


def find_frequency(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`signs_in_often` or `signs_in_seldom`, against the history that stands behind everyone's sign-ins."""
    profile = compared.profile
    if not profile.signins:
        return ()
    length = sum(profile.hours) * compared.faded
    usual = compared.population.usual_length(facets.ADDRESS, compared.unit)
    odds = min(max(0.5 * log((1.0 + usual) / (1.0 + length)), LEAST), MOST)
    return (Reason("signs_in_seldom" if odds > 0.0 else "signs_in_often", odds),)
