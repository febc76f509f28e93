"""Parts of a question's context, in the shapes of the schema (`policy/ostiary.cedarschema`); plain JSON values."""

from collections.abc import Iterable
from datetime import datetime

from policy.assurance import acr_of, met_by

# Where a level of risk begins; the same as in the risk room.
_LEVELS = ((90, "critical"), (60, "high"), (30, "medium"))


def risk_of(score: int, reasons: Iterable[str] = ()) -> dict[str, object]:
    """A score from 0 to 100 with its level, and the ids of the signals that raised it."""
    level = next((name for begins, name in _LEVELS if score >= begins), "low")
    return {"score": score, "level": level, "reasons": sorted(set(reasons))}


def authentication_of(methods: frozenset[str], *, age_s: int) -> dict[str, object]:
    """What these methods of ours amount to, `age_s` seconds after the sign-in."""
    return {"acr": acr_of(methods), "classes": sorted(met_by(methods)), "methods": sorted(methods), "age_s": age_s}


def time_of(now: datetime) -> dict[str, object]:
    """An instant in UTC: `now` is aware and in UTC."""
    return {
        "epoch_s": int(now.timestamp()),
        "hour": now.hour,
        "minute": now.minute,
        "weekday": now.isoweekday(),
        "day": now.year * 10_000 + now.month * 100 + now.day,
    }
