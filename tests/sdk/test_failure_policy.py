"""One object says what happens while the feed is late."""

from itertools import product

import pytest

from ostiary.errors import ConfigurationError
from ostiary.failure_policy import Action, FailurePolicy, Sensitivity
from ostiary.feed_lease import LeaseState

FRESH, STALE, LOST = LeaseState
SENSITIVE, ORDINARY, LOW = Sensitivity
TABLE = {
    # (sensitivity, state): (with introspection, without)
    (SENSITIVE, FRESH): (Action.ACCEPT, Action.ACCEPT),
    (SENSITIVE, STALE): (Action.INTROSPECT, Action.UNAVAILABLE),
    (SENSITIVE, LOST): (Action.INTROSPECT, Action.UNAVAILABLE),
    (ORDINARY, FRESH): (Action.ACCEPT, Action.ACCEPT),
    (ORDINARY, STALE): (Action.ACCEPT_AND_INTROSPECT, Action.ACCEPT),
    (ORDINARY, LOST): (Action.INTROSPECT, Action.UNAVAILABLE),
}


@pytest.mark.parametrize(("sensitivity", "state"), list(product(Sensitivity, LeaseState)))
def test_the_table_of_the_lease_is_obeyed(sensitivity: Sensitivity, state: LeaseState) -> None:
    """Issue 4, point 4; what is marked low is ordinary unless the program says otherwise."""
    with_it, without = TABLE[ORDINARY if sensitivity is LOW else sensitivity, state]
    policy = FailurePolicy()
    assert policy.decide(sensitivity, state, can_introspect=True) is with_it
    assert policy.decide(sensitivity, state, can_introspect=False) is without


@pytest.mark.parametrize(("state", "can_introspect"), list(product(LeaseState, [True, False])))
def test_only_what_is_marked_low_runs_to_exp_and_only_where_configured(
    state: LeaseState, *, can_introspect: bool
) -> None:
    policy, usual = FailurePolicy(low_runs_to_exp=True), FailurePolicy()
    assert policy.decide(LOW, state, can_introspect=can_introspect) is Action.ACCEPT
    for sensitivity in (SENSITIVE, ORDINARY):
        decided = policy.decide(sensitivity, state, can_introspect=can_introspect)
        assert decided is usual.decide(sensitivity, state, can_introspect=can_introspect)


def test_the_bounds_can_be_moved_and_decide_the_state() -> None:
    policy = FailurePolicy(fresh_for_s=2.5, lost_after_s=10, introspection_believed_s=1)
    states = [policy.state(age_s) for age_s in (0, 2.4, 2.5, 9.9, 10, float("inf"))]
    assert states == [FRESH, FRESH, STALE, STALE, LOST, LOST]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fresh_for_s": 1.9}, "fresh_for_s must be a number from 2 to 60"),
        ({"fresh_for_s": 61}, "fresh_for_s must be a number from 2 to 60"),
        ({"fresh_for_s": float("nan")}, "fresh_for_s must be"),
        ({"fresh_for_s": True}, "fresh_for_s must be"),
        ({"fresh_for_s": "5"}, "fresh_for_s must be"),
        ({"lost_after_s": float("inf")}, "lost_after_s must be a number from 2 to 3600"),
        ({"lost_after_s": 3601}, "lost_after_s must be a number from 2 to 3600"),
        ({"lost_after_s": 4}, "fresh_for_s must not be above lost_after_s"),
        ({"low_runs_to_exp": 1}, "low_runs_to_exp must be True or False"),
        ({"introspection_believed_s": -1}, "introspection_believed_s must be a number from 0 to 60"),
        ({"introspection_believed_s": 6}, "introspection_believed_s must not be above fresh_for_s"),
        ({"introspection_timeout_s": 0}, "introspection_timeout_s must be a number from 0.1 to 30"),
        ({"introspections_behind": 0}, "introspections_behind must be a whole number from 1 to 256"),
        ({"introspections_behind": 1.5}, "introspections_behind must be a whole number from 1 to 256"),
        ({"retry_after_s": 0}, "retry_after_s must be a whole number from 1 to 3600"),
    ],
)
def test_a_setting_out_of_its_bounds_is_named(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        FailurePolicy(**settings)  # type: ignore[arg-type]
