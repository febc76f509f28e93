"""Another live session of the person, too far away for one person to be in both."""

from risk.chains import Compared
from risk.history import facets
from risk.sighting import Elsewhere, Surroundings
from risk.signals.travel import travel_odds
from risk.values import Reason

MOST = 1.5
_MAX_LOOKED_AT = 20
_KNOWN_THERE = 0.3
_COUNTRY_WITHIN_S, _COUNTRY = 1800.0, 0.5


def find_sessions(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`sessions_apart` for the farthest; what the last sign-in's place has said already is not said twice."""
    if not around.elsewhere:
        return ()
    far = max(_odds(compared, each) for each in around.elsewhere[:_MAX_LOOKED_AT])
    sighting, profile = compared.sighting, compared.profile
    seconds = abs(sighting.at_s - profile.last_s)
    said = (travel_odds(profile.last_place, sighting.place, seconds) or 0.0) if profile.signins else 0.0
    odds = min(MOST, max(far - 0.65 * said, 0.35 * far))
    if compared.known[facets.CITY] or compared.known[facets.OPERATOR]:
        odds *= _KNOWN_THERE
    return (Reason("sessions_apart", odds, detail={"sessions": len(around.elsewhere)}),) if odds else ()


def _odds(compared: Compared, other: Elsewhere) -> float:
    sighting = compared.sighting
    seconds = abs(sighting.at_s - other.at_s)
    odds = travel_odds(other.place, sighting.place, seconds)
    if odds is not None:
        return odds
    here, there = sighting.place.country, other.place.country
    return _COUNTRY if here and there and here != there and seconds < _COUNTRY_WITHIN_S else 0.0
