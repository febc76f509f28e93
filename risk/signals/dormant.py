"""How long the account slept, and whether it has a history at all."""

from risk.chains import Compared
from risk.sighting import Surroundings
from risk.values import Reason

MOST = 0.8
_DAY_S = 86_400.0
_LONG_S, _VERY_LONG_S = 90 * _DAY_S, 365 * _DAY_S
# Long for this person: so many times their usual gap.
_TIMES = 6.0
# Somebody who never signed in has nothing that could be stolen yet, and nothing that could speak for them. Most
# sign-ins are far below this and a thief's above.
FIRST = -2.5


def find_dormant(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`first_signin`, or `account_dormant` after three months that are long for this person."""
    profile = compared.profile
    if not profile.signins:
        # A recovered account is somebody's, and its history may have been forgotten because it was not theirs.
        return () if around.recovered_s is not None else (Reason("first_signin", FIRST),)
    gap = compared.sighting.at_s - profile.last_s
    usual = (profile.last_s - profile.first_s) / max(profile.signins - 1, 1)
    if gap < _LONG_S or gap < _TIMES * usual:
        return ()
    odds = MOST * min(1.0, 0.4 + 0.6 * (gap - _LONG_S) / (_VERY_LONG_S - _LONG_S))
    return (Reason("account_dormant", odds, detail={"days": int(gap // _DAY_S)}),)
