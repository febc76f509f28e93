"""What follows where the score of a running session moves; the thresholds are the applications' or the deployment's.

No policy is asked: what has become of a session is told to all that hold its tokens, and must not depend on which
question was asked last. Who steps up afterwards is asked by the policies again.
"""

from typing import Literal

from policy.values import RiskThresholds


def within_session(before: int | None, now: int, thresholds: RiskThresholds) -> Literal["keep", "step_up", "end"]:
    """What follows where the score moves from `before` to `now`; only a threshold that is crossed counts, so that a
    person who has met a demand is not asked at every turn.

    Whatever was proven before, a passkey too: whoever holds the cookie now did not prove it.
    """
    was = -1 if before is None else before
    if was < thresholds.strong <= now:
        return "end"
    return "step_up" if was < thresholds.step_up <= now else "keep"
