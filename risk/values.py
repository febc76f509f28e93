"""What an assessment is: how sure we are that this is the person, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

# Where a level begins. One good sign-in in twenty, in a hundred and in a thousand reaches them (`risk.calibration`).
MEDIUM_FROM, HIGH_FROM, CRITICAL_FROM = 30, 60, 90

Detail = Mapping[str, str | int | float]
Refusal = Literal["address_blocked", "taken_over"]


class Level(StrEnum):
    """The score in a word."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Reason:
    """One signal's part in a score.

    `signal` is a message id (`risk.sentences`), `detail` the values of its sentence. `log_odds` (natural logarithm)
    above zero speak for somebody else, below zero for the person; `points` is its share of the score, never negative.
    """

    signal: str
    log_odds: float
    points: int = 0
    detail: Detail = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessment:
    """A score from 0 (nothing unusual) to 100 with its reasons, the heaviest first; their points sum to the score.

    `log_odds` is the sum behind the score, `calibration` the id of what made points of it. `missing` names the
    signals that could not be asked: none of them lowered the score (S35). `refusal` is what no score outweighs: an
    operator's block, or a report that the account was taken over.
    """

    score: int
    reasons: tuple[Reason, ...] = ()
    log_odds: float = 0.0
    calibration: str = ""
    missing: tuple[str, ...] = ()
    refusal: Refusal | None = None

    @property
    def level(self) -> Level:
        """The score in a word."""
        return level_of(self.score)


def level_of(score: int) -> Level:
    """The level that a score stands in."""
    if score >= CRITICAL_FROM:
        return Level.CRITICAL
    if score >= HIGH_FROM:
        return Level.HIGH
    return Level.MEDIUM if score >= MEDIUM_FROM else Level.LOW
