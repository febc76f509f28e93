"""What services and operators reported of the person, the session or the address, with bounded weight."""

from math import isfinite

from risk.chains import Compared
from risk.sighting import Surroundings
from risk.values import Reason

MOST, ALTOGETHER = 5.0, 7.0
_MAX_TEXT = 64


def find_reports(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`reported` for each, the heaviest first, together 7 at most; a report never speaks for the person."""
    reasons, left = [], ALTOGETHER
    weighed = [(min(each.weight, MOST), each.kind, each.source) for each in around.reported if isfinite(each.weight)]
    for weight, kind, source in sorted(weighed, reverse=True):
        odds = min(weight, left)
        if odds <= 0.0:
            break
        left -= odds
        reasons.append(Reason("reported", odds, detail={"kind": kind[:_MAX_TEXT], "source": source[:_MAX_TEXT]}))
    return tuple(reasons)
