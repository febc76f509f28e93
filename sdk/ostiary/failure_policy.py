"""What is done with a token that was verified here while the feed is late: one object says it all. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from ostiary.errors import ConfigurationError
from ostiary.feed_lease import FRESH_FOR_S, LOST_AFTER_S, LeaseState, lease_state


class Sensitivity(StrEnum):
    """What a route can do: harm at once, the usual, or only show what few would mind."""

    SENSITIVE = "sensitive"
    ORDINARY = "ordinary"
    LOW = "low"


class Action(StrEnum):
    """What is to be done with a token that nothing known refuses."""

    ACCEPT = "accept"
    ACCEPT_AND_INTROSPECT = "accept_and_introspect"
    INTROSPECT = "introspect"
    UNAVAILABLE = "unavailable"


# Each field's least and greatest value, both allowed. A heartbeat comes every second, so a lease below two flickers.
_BOUNDS: dict[str, tuple[float, float]] = {
    "fresh_for_s": (2, 60),
    "lost_after_s": (2, 3600),
    "introspection_believed_s": (0, 60),
    "introspection_timeout_s": (0.1, 30),
    "introspections_behind": (1, 256),
    "retry_after_s": (1, 3600),
}
_WHOLE = ("introspections_behind", "retry_after_s")


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """The bounds that hold when the feed is cut off; ConfigurationError names a field that is out of its range.

    What is known counts as fresh under `fresh_for_s`, as lost from `lost_after_s` on; a revocation is obeyed after the
    first at the latest on sensitive routes, after the second on ordinary ones. `low_runs_to_exp` lets routes marked
    low accept until a token's `exp`, whatever happens. An introspection may take `introspection_timeout_s`, its answer
    is believed for `introspection_believed_s`, and `introspections_behind` of them run at most at once behind
    accepted requests. Who is refused for our own trouble hears 503 and `Retry-After`: `retry_after_s`, and by chance up
    to half of it more, so that not all come back at once.
    """

    fresh_for_s: float = FRESH_FOR_S
    lost_after_s: float = LOST_AFTER_S
    low_runs_to_exp: bool = False
    introspection_believed_s: float = 5
    introspection_timeout_s: float = 3
    introspections_behind: int = 8
    retry_after_s: int = 5

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            _check_number(name, getattr(self, name), least=least, most=most)
        if type(self.low_runs_to_exp) is not bool:
            raise ConfigurationError("FailurePolicy: low_runs_to_exp must be True or False")
        if self.fresh_for_s > self.lost_after_s:
            raise ConfigurationError("FailurePolicy: fresh_for_s must not be above lost_after_s")
        # Otherwise a sensitive route would obey an old answer for longer than it trusts the feed.
        if self.introspection_believed_s > self.fresh_for_s:
            raise ConfigurationError("FailurePolicy: introspection_believed_s must not be above fresh_for_s")

    def state(self, age_s: float) -> LeaseState:
        """What knowledge of that age is under this policy."""
        return lease_state(age_s, fresh_for_s=self.fresh_for_s, lost_after_s=self.lost_after_s)

    def decide(self, sensitivity: Sensitivity, state: LeaseState, *, can_introspect: bool) -> Action:
        """What to do with a token that is proven and that nothing known refuses; never a 401 for our own trouble."""
        if state is LeaseState.FRESH:
            return Action.ACCEPT
        if sensitivity is Sensitivity.LOW and self.low_runs_to_exp:
            return Action.ACCEPT
        if sensitivity is Sensitivity.SENSITIVE or state is LeaseState.LOST:
            return Action.INTROSPECT if can_introspect else Action.UNAVAILABLE
        return Action.ACCEPT_AND_INTROSPECT if can_introspect else Action.ACCEPT


def _check_number(name: str, value: object, *, least: float, most: float) -> None:
    is_number = type(value) is int if name in _WHOLE else type(value) in (int, float)
    if not is_number or not isinstance(value, int | float) or not isfinite(value) or not least <= value <= most:
        kind = "a whole number" if name in _WHOLE else "a number"
        raise ConfigurationError(f"FailurePolicy: {name} must be {kind} from {least:g} to {most:g}")
