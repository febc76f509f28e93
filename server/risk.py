"""The risk room's parts of one deployment, and its work beside requests."""

from base.database import Database
from identity.services import Services
from risk.crowd import Crowd
from risk.keys import RiskKey
from risk.scoring import Scoring
from risk.services import RiskServices

# How often what this process saw is added to what all know, and another calibration is looked for.
ROUND_S = 30.0


def make_risk(database: Database, key: bytes) -> RiskServices:
    """The scorer, and what it knows of everyone."""
    return RiskServices(
        key=RiskKey(key),
        crowd=Crowd(database),
        scoring=Scoring(database),
    )


async def risk_round(services: Services) -> None:
    """Adds what this process saw to what everyone knows, and takes another calibration into use."""
    await services.risk.crowd.round(services.clock())
    await services.risk.scoring.refresh()
