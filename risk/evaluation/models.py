"""The two that are compared: our scorer with all that a deployment keeps, and the baseline."""

import time
from collections import OrderedDict
from collections.abc import Set
from dataclasses import replace

from risk.calibration import Calibration
from risk.evaluation.activity import Tallies
from risk.evaluation.cookies import Cookies, Look
from risk.evaluation.dataset import Row
from risk.evaluation.sightings import sighting_of
from risk.history.population import Population
from risk.history.profile import Profile
from risk.scorer import Scorer
from risk.sighting import Sighting, Surroundings
from risk.values import Assessment

LIVE_PROFILES = 50_000


class Histories:
    """Everyone's history: those used last at hand, the others in the bytes in which a deployment stores them."""

    def __init__(self, live: int = LIVE_PROFILES) -> None:
        self._live: OrderedDict[str, Profile] = OrderedDict()
        self._stored: dict[str, bytes] = {}
        self._most = live

    def of(self, person: str) -> Profile:
        """The person's history, an empty one where there is none."""
        profile = self._live.get(person)
        if profile is not None:
            self._live.move_to_end(person)
            return profile
        stored = self._stored.pop(person, None)
        profile = Profile.empty() if stored is None else Profile.from_bytes(stored)
        self._live[person] = profile
        if len(self._live) > self._most:
            name, oldest = self._live.popitem(last=False)
            self._stored[name] = oldest.to_bytes()
        return profile


class Ostiary:
    """The real scorer, with histories, everyone's counts, cookies and what happened of late.

    `returning`: each (person, cookie) that the file shows more than once (`risk.evaluation.cookies`).
    """

    def __init__(
        self,
        scorer: Scorer | None = None,
        *,
        histories: Histories | None = None,
        returning: Set[tuple[str, str]] = frozenset(),
    ) -> None:
        self._scorer = scorer or Scorer(Calibration.shipped())
        self._histories = histories or Histories()
        self._population = Population.shipped()
        self._cookies = Cookies(returning)
        self._tallies = Tallies()
        self.assessed = 0
        self.cpu_s = 0.0

    def assess(self, row: Row) -> Assessment:
        """The assessment of a row, before anything is learned from it."""
        sighting, _ = self._sighting(row)
        around = Surroundings(
            account=self._tallies.at(f"p {row.person}", row.at_s),
            address=self._tallies.at(row.address, row.at_s),
            network=self._tallies.at(row.network, row.at_s),
        )
        profile = self._histories.of(row.person)
        began_s = time.process_time()
        assessment = self._scorer.assess(sighting, profile, self._population, around)
        self.cpu_s += time.process_time() - began_s
        self.assessed += 1
        return assessment

    def score(self, row: Row) -> float:
        """The log-odds of a row, not rounded to points."""
        return self.assess(row).log_odds

    def learn(self, row: Row) -> None:
        """Takes a good sign-in into the person's history and everyone's."""
        sighting, look = self._sighting(row)
        learned = replace(sighting, device=self._cookies.learn(row.person, row.token, look))
        profile = self._histories.of(row.person)
        self._population.learn(learned, before=profile)
        profile.learn(learned)
        for key in (f"p {row.person}", row.address, row.network):
            self._tallies.count_success(key, row.at_s)

    def fail(self, row: Row) -> None:
        """Counts a failed try."""
        for key in (f"p {row.person}", row.address, row.network):
            self._tallies.count_failure(key, row.person, row.at_s)

    @property
    def score_us(self) -> float:
        """Microseconds of processor time for one score."""
        return self.cpu_s / self.assessed * 1e6 if self.assessed else 0.0

    def _sighting(self, row: Row) -> tuple[Sighting, Look]:
        sighting = sighting_of(row, device=None, has_cookie=False)
        look = (sighting.browser.family, sighting.browser.system) if sighting.browser is not None else None
        device, has_cookie = self._cookies.seen_on(row.person, row.token, look)
        if not has_cookie:
            return sighting, look
        return replace(sighting, device=device, has_cookie=True), look
