"""What the log says of an assessment and of a place."""

from collections.abc import Mapping

from audit.record import RiskNote
from risk.place import Place
from risk.values import Assessment


def note_of(assessment: Assessment | None) -> RiskNote | None:
    """What an event says of an assessment."""
    if assessment is None:
        return None
    reasons = tuple(
        {"signal": each.signal, "log_odds": each.log_odds, "points": each.points, "detail": dict(each.detail)}
        for each in assessment.reasons
    )
    return RiskNote(
        score=assessment.score,
        level=assessment.level.value,
        calibration=assessment.calibration,
        log_odds=assessment.log_odds,
        reasons=reasons,
    )


def place_fields(place: Place) -> Mapping[str, str | int | float] | None:
    """What an event says of a place: what is known of it, None where that is nothing."""
    fields: dict[str, str | int | float | None] = {
        "country": place.country,
        "region": place.region,
        "city": place.city,
        "asn": place.asn,
        "network": place.network_name,
    }
    return {name: value for name, value in fields.items() if value is not None} or None
