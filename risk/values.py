"""What an assessment is: how sure we are, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assessment:
    """A score from 0 (nothing unusual) to 100, with the reasons that made it (message ids)."""

    score: int
    reasons: tuple[str, ...] = ()
