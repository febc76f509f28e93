"""What scoring works with; made once by the composition root."""

from dataclasses import dataclass

from risk.history.crowd import Crowd
from risk.keys import RiskKey
from risk.scoring import Scoring


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskServices:
    """One deployment's parts."""

    key: RiskKey
    crowd: Crowd
    scoring: Scoring
