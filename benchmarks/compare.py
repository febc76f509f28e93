"""The protocol's rows: peer, ours and the floor do the same work in turns, and CPU a request is compared."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median as middle
from urllib.parse import quote

from benchmarks.deployment import API, API_SCOPES, Deployment
from benchmarks.figures import Figure
from benchmarks.load import CONNECTIONS, FORM, REFRESH, Measured, measure, median
from benchmarks.processes import resident_mib
from benchmarks.rivals import Rival
from benchmarks.signins import seed_refresh_tokens

CLIENT_CREDENTIALS = (
    f"grant_type=client_credentials&scope={quote(' '.join(API_SCOPES), safe='')}&resource={quote(API, safe='')}"
)
# More than connections, so that nobody waits for a token that is under way.
REFRESH_TOKENS = 2 * CONNECTIONS

Environment = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Target:
    """One side of a row. `environment` is asked before each load: a refresh token works once."""

    side: str
    pid: int
    url: str
    script: Path | None = None
    environment: Environment = dict


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: its limits by database, and the targets of a set of sides."""

    name: str
    limits: Mapping[str, float]
    targets: Callable[["Sides"], Iterator[Target]]


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared, all running; `folder` is for files of tokens."""

    peer: Rival
    floor: Rival
    ours: Sequence[Deployment]
    folder: Path


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a comparison goes on."""

    pairs: int
    seconds: int
    warm_up_s: int


def compare(row: Row, sides: Sides, effort: Effort, say: Callable[[str], None]) -> list[Figure]:
    """The row's figures, one a database, from interleaved loads after a warm-up."""
    targets = list(row.targets(sides))
    for target in targets:
        _load(target, effort.warm_up_s)
    runs: dict[str, list[Measured]] = {target.side: [] for target in targets}
    for number in range(effort.pairs):
        for target in targets:
            runs[target.side].append(_load(target, effort.seconds))
        latest = ", ".join(f"{side} {measured[-1].cpu_us:.0f}" for side, measured in runs.items())
        say(f"  {row.name}, round {number + 1} of {effort.pairs}: CPU µs a request: {latest}")
    memory = {target.side: resident_mib(target.pid) for target in targets}
    return [_figure(row, ours.kind, runs, memory) for ours in sides.ours]


def _load(target: Target, seconds: int) -> Measured:
    environment = target.environment()
    return measure(target.url, target.pid, seconds=seconds, script=target.script, environment=environment)


def _figure(row: Row, kind: str, runs: Mapping[str, Sequence[Measured]], memory: Mapping[str, float]) -> Figure:
    peer, ours, floor = runs["peer"], runs[kind], runs["floor"]
    ratio = middle(mine.cpu_us / theirs.cpu_us for mine, theirs in zip(ours, peer, strict=True))
    middles = {side: median(runs[side]) for side in ("peer", kind, "floor")}
    bad = {side: measured.bad for side, measured in middles.items() if measured.bad}
    return Figure(
        row=row.name,
        database=kind,
        what="CPU a request, ours by the peer's",
        value=ratio,
        unit="×",
        sense="at most",
        limit=row.limits[kind],
        fault=f"answers that were errors: {bad}" if bad else None,
        details={
            "ours µs": middles[kind].cpu_us,
            "peer µs": middles["peer"].cpu_us,
            "floor µs": middles["floor"].cpu_us,
            "by the floor": middle(mine.cpu_us / bare.cpu_us for mine, bare in zip(ours, floor, strict=True)),
            "ours req/s": middles[kind].req_s,
            "peer req/s": middles["peer"].req_s,
            "ours p99 ms": middles[kind].p99_ms,
            "runs": {side: [asdict(run) for run in runs[side]] for side in ("peer", kind, "floor")},
            "resident_mib": {side: round(memory[side], 1) for side in ("peer", kind, "floor")},
        },
    )


def _client_credentials(sides: Sides) -> Iterator[Target]:
    def target(side: str, pid: int, url: str, basic: str) -> Target:
        return Target(side, pid, url, FORM, lambda: {"BASIC": basic, "BODY": CLIENT_CREDENTIALS})

    for name, rival in _rivals(sides):
        yield target(name, rival.program.pid, f"{rival.url}/token", rival.service.basic)
    for ours in sides.ours:
        yield target(ours.kind, ours.program.pid, f"{ours.url}/oauth/token", ours.service.basic)


def _refresh(sides: Sides) -> Iterator[Target]:
    def target(side: str, pid: int, url: str, client: str, seed: Callable[[int], Sequence[str]]) -> Target:
        file = sides.folder / f"tokens-{side}"

        def environment() -> Mapping[str, str]:
            file.write_text("\n".join(seed(REFRESH_TOKENS)))
            return {"CLIENT": client, "TOKENS": str(file)}

        return Target(side, pid, url, REFRESH, environment)

    for name, rival in _rivals(sides):
        seed = rival.seed if name == "peer" else _invent
        yield target(name, rival.program.pid, f"{rival.url}/token", rival.web.form, seed)
    for ours in sides.ours:
        yield target(ours.kind, ours.program.pid, f"{ours.url}/oauth/token", ours.web.form, _seeder(ours))


def _introspection(sides: Sides) -> Iterator[Target]:
    def target(side: str, pid: int, url: str, client: str, token: str) -> Target:
        return Target(side, pid, url, FORM, lambda: {"BODY": f"{client}&token={token}"})

    peer, floor = sides.peer, sides.floor
    yield target("peer", peer.program.pid, f"{peer.url}/token/introspection", peer.web.form, peer.seed(1)[0])
    yield target("floor", floor.program.pid, f"{floor.url}/introspect", floor.web.form, _invent(1)[0])
    for ours in sides.ours:
        token = _seeder(ours)(1)[0]
        yield target(ours.kind, ours.program.pid, f"{ours.url}/oauth/introspect", ours.web.form, token)


def _reader(peer_path: str, our_path: str) -> Callable[[Sides], Iterator[Target]]:
    def targets(sides: Sides) -> Iterator[Target]:
        for name, rival in _rivals(sides):
            yield Target(name, rival.program.pid, rival.url + peer_path)
        for ours in sides.ours:
            yield Target(ours.kind, ours.program.pid, ours.url + our_path)

    return targets


def _rivals(sides: Sides) -> tuple[tuple[str, Rival], ...]:
    return ("peer", sides.peer), ("floor", sides.floor)


def _seeder(ours: Deployment) -> Callable[[int], Sequence[str]]:
    return lambda number: asyncio.run(seed_refresh_tokens(ours, number))


def _invent(number: int) -> Sequence[str]:
    """Tokens for the floor, which takes any text."""
    return [f"ort_floor{position}" for position in range(number)]


DISCOVERY = "/.well-known/openid-configuration"
ROWS = (
    Row("client-credentials", {"sqlite": 1.0, "postgresql": 1.25}, _client_credentials),
    Row("refresh", {"sqlite": 1.0, "postgresql": 1.25}, _refresh),
    Row("introspection", {"sqlite": 1.0, "postgresql": 1.5}, _introspection),
    Row("discovery", {"sqlite": 0.8, "postgresql": 0.8}, _reader(DISCOVERY, DISCOVERY)),
    Row("keys", {"sqlite": 1.0, "postgresql": 1.0}, _reader("/jwks", "/.well-known/jwks.json")),
)
