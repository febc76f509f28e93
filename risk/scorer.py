"""The score: the sum of bounded log-odds, made points by a calibration, with its reasons.

No signal knows how it is added, the order of adding does not matter (`fsum`), and the sum is rounded before anything is
made of it, so that both databases and every process agree. What is missing adds nothing that lowers (S35).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum

from risk.calibration import Calibration
from risk.chains import Compared, compare
from risk.history import facets
from risk.history.population import Population
from risk.history.profile import Profile
from risk.shares import with_points
from risk.sighting import Sighting, Surroundings
from risk.signals.browser import find_browser
from risk.signals.bursts import find_bursts
from risk.signals.changes import find_changes
from risk.signals.credentials import find_credentials
from risk.signals.device import find_device
from risk.signals.dormant import find_dormant
from risk.signals.frequency import find_frequency
from risk.signals.network import find_network
from risk.signals.place import find_place
from risk.signals.reports import find_reports
from risk.signals.reputation import find_reputation
from risk.signals.rhythm import find_rhythm
from risk.signals.sessions import find_sessions
from risk.signals.traits import find_traits
from risk.signals.travel import find_travel
from risk.values import Assessment, Reason, Refusal

Signal = Callable[[Compared, Surroundings], tuple[Reason, ...]]

SIGNALS: tuple[Signal, ...] = (
    find_device,
    find_network,
    find_place,
    find_travel,
    find_browser,
    find_traits,
    find_rhythm,
    find_frequency,
    find_dormant,
    find_bursts,
    find_reputation,
    find_credentials,
    find_sessions,
    find_changes,
    find_reports,
)
_DIGITS = 6
UNREADABLE = Reason("history_unreadable", 4.5)
_NOTHING = Surroundings()
_NOBODY = Profile()


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores sign-ins and requests of sessions by one calibration."""

    calibration: Calibration
    signals: Sequence[Signal] = SIGNALS

    def assess(
        self,
        sighting: Sighting,
        profile: Profile | None,
        population: Population,
        surroundings: Surroundings = _NOTHING,
    ) -> Assessment:
        """How sure we are; without a history (`profile` None: it could not be read) nothing speaks for the person."""
        compared = compare(sighting, profile or _NOBODY, population)
        reasons = [reason for signal in self.signals for reason in signal(compared, surroundings)]
        if profile is None:
            # Whatever the history would have said against this sign-in: none of it can be asked (S35).
            reasons = [UNREADABLE, *(each for each in reasons if each.log_odds > 0.0)]
        parts = [each.log_odds for each in reasons]
        log_odds = round(fsum(parts), _DIGITS)
        without = round(fsum([each for each in parts if each < 0.0]), _DIGITS)
        score = self.calibration.score_of(log_odds)
        return Assessment(
            score=score,
            reasons=with_points(reasons, score, self.calibration.score_of(without)),
            log_odds=log_odds,
            calibration=self.calibration.id,
            missing=_missing(compared, profile, surroundings),
            refusal=_refusal(surroundings),
        )


def _refusal(around: Surroundings) -> Refusal | None:
    """What no score outweighs."""
    if around.lists is not None and "blocked" in around.lists:
        return "address_blocked"
    return "taken_over" if any(each.kind == "taken_over" for each in around.reported) else None


_ASKED = (
    (facets.COUNTRY, "country"),
    (facets.OPERATOR, "operator"),
    (facets.NETWORK, "network"),
    (facets.ADDRESS, "address"),
    (facets.CITY, "city"),
    (facets.FAMILY, "browser"),
)


def _missing(compared: Compared, profile: Profile | None, around: Surroundings) -> tuple[str, ...]:
    """What could not be asked, by name."""
    names = [name for facet, name in _ASKED if compared.keys[facet] is None]
    if profile is None:
        names.append("history")
    if around.account is None:
        names.append("account_activity")
    if around.address is None:
        names.append("address_activity")
    if around.network is None:
        names.append("network_activity")
    if around.lists is None:
        names.append("lists")
    return tuple(names)
