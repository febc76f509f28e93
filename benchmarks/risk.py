"""The risk score: its CPU, the memory of a person, and its one read beside ten million sign-ins of the past.

Histories come from a made-up world (`risk.evaluation.simulate`), with the browser facts that its files have no columns
for, so that every signal has something to compare.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.postgres import start_postgres
from benchmarks.risk_rows import Past, open_past
from identity.assessing.reading import read_history
from identity.assessing.sightings import look
from risk.browsers import parse_user_agent
from risk.calibration import Calibration
from risk.evaluation.sightings import sighting_of
from risk.evaluation.simulate.world import make_world
from risk.history.population import Population
from risk.history.profile import Profile
from risk.place import Place
from risk.scorer import Scorer
from risk.sighting import Activity, BrowserFacts, Sighting, Surroundings

SIGNINS, QUICK_SIGNINS = 10_000_000, 200_000
SCORE_LIMIT_US, MEMORY_LIMIT, READ_LIMIT = 150.0, 4096, 1.5
_ROUNDS, _PROBES, _READS = 9, 400, 1_500
_FEW = 50_000
_FACTS = BrowserFacts("1080p", "Europe/Istanbul", "Win32")
_AROUND = Surroundings(account=Activity(), address=Activity(), network=Activity(), lists=frozenset())
_ADDRESS = "198.51.100.7"
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass(frozen=True, slots=True)
class _Known:
    """What a deployment knows after some months, and sign-ins to judge by it: half of them somebody else's."""

    profiles: Sequence[Profile]
    population: Population
    probes: Sequence[tuple[Sighting, Profile]]


def measure_score(*, is_quick: bool) -> list[Figure]:
    """The CPU of a score and the memory of a person."""
    known = _learn(people=40 if is_quick else 200)
    stored = [(sighting, profile.to_bytes()) for sighting, profile in known.probes]
    scorer = Scorer(Calibration.shipped())

    def assess() -> None:
        for sighting, profile in known.probes:
            scorer.assess(sighting, profile, known.population, _AROUND)

    def read() -> None:
        for _, body in stored:
            Profile.from_bytes(body)

    scored, opened = _cpu_us(assess, len(known.probes)), _cpu_us(read, len(stored))
    parsed = _cpu_us(lambda: [parse_user_agent(_AGENT) for _ in range(_PROBES)], _PROBES)
    sizes = sorted(len(each.to_bytes()) for each in known.profiles)
    busiest = len(_busiest().to_bytes())
    return [
        Figure(
            row="risk", database="", what="CPU of one score, everything warm", value=scored, unit=" µs",
            sense="at most", limit=SCORE_LIMIT_US, details={"probes": len(known.probes), "user_agent_us": parsed},
        ),
        Figure(
            row="risk", database="", what="CPU of a history from its bytes and one score", value=scored + opened,
            unit=" µs", sense="at most", limit=SCORE_LIMIT_US, details={"from_bytes_us": opened},
        ),
        Figure(
            row="risk", database="", what="memory a person, the worst", value=max(sizes[-1], busiest), unit=" B",
            sense="at most", limit=MEMORY_LIMIT,
            details={"median": statistics.median(sizes), "made_up_people": len(sizes), "worst_of_them": sizes[-1],
                     "everything_always_new": busiest},
        ),
    ]  # fmt: skip


def measure_history(folder: Path, signins: int, say: Callable[[str], None]) -> list[Figure]:
    """The one read of a score on PostgreSQL, with few and with `signins` sign-ins of the past."""
    folder.mkdir(parents=True, exist_ok=True)
    profiles = [each for each in _learn(people=100).profiles if each.signins]
    postgres, url = start_postgres(folder / "cluster")
    try:
        return [asyncio.run(_grow_and_read(url, folder, profiles, signins, say))]
    finally:
        postgres.stop()


async def _grow_and_read(
    url: str, folder: Path, profiles: Sequence[Profile], signins: int, say: Callable[[str], None]
) -> Figure:
    async with open_past(url, folder / "data", profiles) as past:
        past.grow(min(_FEW, signins // 4))
        few, people_before, signins_before = await _read_ms(past), len(past.people), past.signins
        began = time.perf_counter()
        past.grow(signins)
        say(f"  {past.signins} sign-ins of {len(past.people)} people in {time.perf_counter() - began:.0f} s")
        many = await _read_ms(past)
    middle, before = statistics.median(many), statistics.median(few)
    return Figure(
        row="risk", database="postgresql", value=middle / before, unit="×", sense="at most", limit=READ_LIMIT,
        what=f"the one read after {past.signins} sign-ins, by that after {signins_before}",
        details={"ms": middle, "p95_ms": sorted(many)[int(len(many) * 0.95)], "ms_before": before,
                 "people": len(past.people), "people_before": people_before},
    )  # fmt: skip


async def _read_ms(past: Past) -> list[float]:
    """Milliseconds of each read, the first tenth left out."""
    services, now = past.services, past.services.clock()
    seeing = look(services, _ADDRESS, _AGENT, has_cookie=True, now=now)
    some, times = random.Random(5), list[float]()
    for _ in range(_READS):
        person = some.choice(past.people)
        began = time.perf_counter()
        history = await read_history(services, person.id, seeing, cookie=person.cookie, now=now)
        times.append((time.perf_counter() - began) * 1000)
        if history.profile is None or not history.profile.signins or history.sighting.device is None:
            raise RuntimeError("the read must find a history and a device, or it measures nothing")
    return times[_READS // 10 :]


def _cpu_us(work: Callable[[], object], times: int) -> float:
    """Processor microseconds of each of the `times` in `work`: the median of some rounds, after one that warms."""
    rounds = list[float]()
    for _ in range(_ROUNDS + 1):
        began = time.process_time()
        work()
        rounds.append((time.process_time() - began) / times * 1e6)
    return statistics.median(rounds[1:])


def _learn(*, people: int) -> _Known:
    """Everybody's history after eight months, and everyone's together."""
    world = make_world(7, people=people, days=240)
    profiles: dict[str, Profile] = {}
    population = Population.shipped()
    last: dict[str, Sighting] = {}
    strange: list[tuple[Sighting, str]] = []
    for row in world.rows:
        sighting = _full(sighting_of(row, device=row.token, has_cookie=row.token is not None))
        if row.attacker is not None:
            strange.append((sighting, row.person))
        elif row.succeeded:
            profile = profiles.setdefault(row.person, Profile.empty())
            population.learn(sighting, before=profile)
            profile.learn(sighting)
            last[row.person] = sighting
    usual = [(replace(seen, at_s=seen.at_s + 90_000.0), name) for name, seen in last.items()]
    half, nobody = _PROBES // 2, Profile.empty()
    probes = [*_some(usual, half), *_some(strange, half)]
    return _Known(list(profiles.values()), population, [(seen, profiles.get(name, nobody)) for seen, name in probes])


def _some(of: Sequence[tuple[Sighting, str]], count: int) -> list[tuple[Sighting, str]]:
    return random.Random(3).choices(of, k=count)


def _full(sighting: Sighting) -> Sighting:
    """With what a real sign-in has beside the columns of a data set."""
    return replace(sighting, languages="tr-tr,tr;q=0.9,en;q=0.8", facts=_FACTS, tls="t13d1516h2")


def _busiest() -> Profile:
    """Somebody of whom everything is new at each of five thousand sign-ins: no history is larger."""
    some, profile = random.Random(11), Profile.empty()
    for number in range(5_000):
        place = Place(
            "".join(some.choices("ABCDEFGH", k=2)), "R", f"City {number}" * 6, 41.0, 29.0, 20, number + 1, "N"
        )
        agent = f"{_AGENT} Made/{number}"
        profile.learn(
            Sighting(
                at_s=1_700_000_000.0 + number * 1_200.0,
                address=f"address {number}",
                network=f"network {number}",
                place=place,
                user_agent=agent,
                browser=parse_user_agent(agent.replace("140.0", f"{some.randrange(1, 200)}.0")),
                languages=f"l{number}",
                facts=BrowserFacts(f"{number}p", f"Zone/{number}", f"Platform {number}"),
                device=f"{number:032x}",
                has_cookie=True,
                tls=f"t{number}",
            )
        )
    return profile
