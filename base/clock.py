"""Time: aware UTC datetimes inside, whole microseconds since 1970 in the database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def to_micros(at: datetime) -> int:
    """Whole microseconds since 1970 of an aware datetime."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime of whole microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def to_seconds(at: datetime) -> int:
    """Whole seconds since 1970, rounded down: a JWT NumericDate (RFC 7519 §2)."""
    return to_micros(at) // 1_000_000
