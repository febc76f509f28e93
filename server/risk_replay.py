"""What sign-ins of the past would have met under other thresholds, by the rules that decide today.

Each is scored anew from its log-odds by the calibration in use and put before the policies in force, with what was
proven then and with the factors and roles that the person has today. Memory stays flat, however many sign-ins there
were.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from base.ids import PERSON, parse_id
from identity.services import Services
from identity.standing import find_standing
from identity.values import Standing
from policy.assurance import STRONG
from policy.values import Effect, RiskThresholds, SigninFacts
from risk.distinct import Distinct
from risk.past_signins import PastSignin, Told, walk_signins

_KEPT_STANDINGS = 10_000


class Step(StrEnum):
    """What a score leads to."""

    NOTHING = "nothing"
    NOTICE = "notice"
    STEP_UP = "step_up"
    STRONG = "strong"


class Outcome(StrEnum):
    """What would have become of a sign-in that more was demanded of.

    MET: what was proven then is enough. ASKED: the person could prove what is demanded. REFUSED: they could not. GONE:
    the account is there no more, or is closed.
    """

    MET = "met"
    ASKED = "asked"
    REFUSED = "refused"
    GONE = "gone"


DEMANDING = (Step.STEP_UP, Step.STRONG)


@dataclass(frozen=True, slots=True)
class Met:
    """One sign-in and what it would have met; `outcome` is None where nothing was demanded."""

    signin: PastSignin
    score: int
    step: Step
    outcome: Outcome | None = None


@dataclass(slots=True)
class StepTally:
    """What one step would have come to. `with_factor`: sign-ins of people who have a second factor today."""

    signins: int = 0
    people: Distinct = field(default_factory=Distinct)
    with_factor: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    examples: list[Met] = field(default_factory=list)


@dataclass(slots=True)
class Replayed:
    """The whole: `unscored` sign-ins have no log-odds and count nowhere else."""

    signins: int = 0
    unscored: int = 0
    people: Distinct = field(default_factory=Distinct)
    steps: dict[Step, StepTally] = field(default_factory=lambda: {step: StepTally() for step in Step})


def step_of(score: int, thresholds: RiskThresholds) -> Step:
    """What this score leads to."""
    if score >= thresholds.strong:
        return Step.STRONG
    if score >= thresholds.step_up:
        return Step.STEP_UP
    return Step.NOTICE if score >= thresholds.notice else Step.NOTHING


class Replay:
    """Replays sign-ins under `thresholds`; an application's own hold for its sign-ins, unless `client_id` is asked
    about alone."""

    def __init__(
        self, services: Services, thresholds: RiskThresholds, *, client_id: str | None = None, examples: int = 5
    ) -> None:
        self._services = services
        self._thresholds = thresholds
        self._client_id = client_id
        self._examples = examples
        self._standings: OrderedDict[str, Standing | None] = OrderedDict()
        self._scorer = services.risk.scoring.scorer

    async def run(self, *, since: datetime, until: datetime, told: Told | None = None) -> Replayed:
        """What became of all of that time. Raises StorageUnavailable."""
        found = Replayed()
        walk = walk_signins(self._services.database, since=since, until=until, client_id=self._client_id, told=told)
        async for signin in walk:
            found.signins += 1
            found.people.add(signin.person)
            if signin.log_odds is None:
                found.unscored += 1
                continue
            await self._take(found, signin, self._scorer.calibration.score_of(signin.log_odds))
        return found

    async def _take(self, found: Replayed, signin: PastSignin, score: int) -> None:
        thresholds = self._thresholds_of(signin.client_id)
        step = step_of(score, thresholds)
        tally, outcome = found.steps[step], None
        tally.signins += 1
        tally.people.add(signin.person)
        if step in DEMANDING:
            standing = await self._standing_of(signin.person)
            outcome = self._outcome(signin, standing, score, thresholds)
            tally.outcomes[outcome] += 1
            tally.with_factor += standing is not None and bool(standing.factors & STRONG)
        if step is not Step.NOTHING and len(tally.examples) < self._examples:
            tally.examples.append(Met(signin, score, step, outcome))

    def _thresholds_of(self, client_id: str | None) -> RiskThresholds:
        if self._client_id is not None or client_id is None:
            return self._thresholds
        client = self._services.catalogue.find_client(client_id)
        return (client.risk_thresholds if client else None) or self._thresholds

    async def _standing_of(self, person: str) -> Standing | None:
        if person in self._standings:
            self._standings.move_to_end(person)
            return self._standings[person]
        person_id, services = parse_id(PERSON, person), self._services
        found = None
        if person_id is not None:
            found = await find_standing(services.database, person_id, mail_code=services.settings.has_mail)
        self._standings[person] = found
        if len(self._standings) > _KEPT_STANDINGS:
            self._standings.popitem(last=False)
        return found

    def _outcome(
        self, signin: PastSignin, standing: Standing | None, score: int, thresholds: RiskThresholds
    ) -> Outcome:
        if standing is None or standing.state != "active":
            return Outcome.GONE
        decision = self._services.decide(
            SigninFacts(
                person_state=standing.state,
                methods=signin.methods,
                factors=standing.factors,
                is_admin=standing.is_admin,
                client_id=signin.client_id,
                risk_score=score,
                thresholds=thresholds,
                person=standing.sub,
                memberships=standing.memberships,
                at=signin.at,
            )
        )
        if decision.effect is Effect.DENY:
            return Outcome.REFUSED
        is_asked = any(each.kind == "prove" for each in decision.obligations)
        return Outcome.ASKED if is_asked else Outcome.MET
