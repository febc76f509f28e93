"""What verifying costs: beside Node's `jose` in the same run, from memory, in a flood, and around an endpoint."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.compare import Effort
from benchmarks.figures import Figure
from benchmarks.load import Measured, measure, median
from benchmarks.processes import LOAD_CORE, ROOT, SERVER_CORE, BenchmarkFailed, Program, free_port, start, tail
from ostiary.testing import FakeIssuer

TOKENS, FLOOD = 2000, 100_000
QUICK_TOKENS, QUICK_FLOOD = 500, 10_000
HIT_LIMIT_US, FLOOD_LIMIT_MIB, SHARE_LIMIT, REQUEST_LIMIT_US = 2.0, 4.0, 0.9, 100.0
_NODE_SDK = ROOT / "sdk" / "node"
_FOR_A_LONG_TIME_S = 86_400
WARM_UP_S = 2


def measure_verify(folder: Path, effort: Effort, *, is_quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """All rows of the SDK's verifier."""
    folder.mkdir(parents=True)
    figures = []
    for alg in ("ES256", "RS256"):
        file = write_tokens(folder / f"{alg}.json", alg, QUICK_TOKENS if is_quick else TOKENS)
        figures.append(_beside_jose(alg, file, effort.pairs, say))
    es256 = folder / "ES256.json"
    hits = [_run_python("cached", es256)["us"] for _ in range(effort.pairs)]
    figures.append(_figure("a remembered token, every revocation check included", min(hits), "µs", HIT_LIMIT_US, hits))
    figures.append(_in_a_flood(write_tokens(folder / "flood.json", "ES256", QUICK_FLOOD if is_quick else FLOOD)))
    return [*figures, *_around_an_endpoint(folder, es256, effort, say)]


def write_tokens(file: Path, alg: str, count: int) -> Path:
    """A file with an issuer's documents and good tokens of it."""
    issuer = FakeIssuer(alg=alg)
    changes = {
        "scope": "orders:read orders:write",
        "sid": "ses_1",
        "acr": "urn:ostiary:aal2",
        "auth_time": 1_763_800_000,
    }
    told = {
        "issuer": issuer.issuer,
        "audience": issuer.audience,
        "metadata": {"issuer": issuer.issuer, "jwks_uri": issuer.issuer + "/.well-known/jwks.json"},
        "jwks": {"keys": issuer.published},
        "tokens": [issuer.mint(changes, ttl_s=_FOR_A_LONG_TIME_S) for _ in range(count)],
    }
    file.write_text(json.dumps(told))
    return file


def _beside_jose(alg: str, file: Path, pairs: int, say: Callable[[str], None]) -> Figure:
    ours, theirs = [], []
    for number in range(pairs):
        ours.append(_run_python("uncached", file)["us"])
        theirs.append(_run("node", str(ROOT / "benchmarks" / "verify_tokens.mjs"), str(_NODE_SDK), str(file))["us"])
        say(f"  verify {alg}, round {number + 1} of {pairs}: ours {ours[-1]:.1f} µs, jose {theirs[-1]:.1f} µs")
    ratio = statistics.median(mine / peer for mine, peer in zip(ours, theirs, strict=True))
    details = {"ours_us": round(statistics.median(ours), 1), "jose_us": round(statistics.median(theirs), 1)}
    return Figure(
        row="verify", database="", what=f"CPU to verify a new {alg} token, by jose", value=ratio, unit="×",
        sense="at most", limit=1.0, details=details,
    )  # fmt: skip


def _in_a_flood(file: Path) -> Figure:
    said = _run_python("flood", file)
    fault = None if said["refused"] == said["sent"] else "a forged token was accepted"
    growth = max(said["good"], said["forged"]) - said["before"]
    what = f"growth by {said['sent'] // 2:.0f} more good tokens and {said['sent']:.0f} forged ones"
    return Figure(
        row="verify",
        database="",
        what=what,
        value=growth,
        unit=" MiB",
        sense="at most",
        limit=FLOOD_LIMIT_MIB,
        fault=fault,
        details=said,
    )


def _around_an_endpoint(folder: Path, file: Path, effort: Effort, say: Callable[[str], None]) -> list[Figure]:
    token = json.loads(file.read_text())["tokens"][0]
    runs: dict[str, list[Measured]] = {"bare": [], "guarded": []}
    script = folder / "bearer.lua"
    # Both get the same bytes: what it takes to read the header belongs to the server.
    script.write_text(f'wrk.headers["Authorization"] = "Bearer {token}"\n')
    # Where a process's objects happen to lie moves its figure by a tenth, so it is not left to one pair of processes.
    with _load_core_awake():
        for number in range(effort.pairs):
            _load_in_turns(runs, folder, file, script, effort)
            said = ", ".join(f"{kind} {measured[-1].cpu_us:.1f} µs" for kind, measured in runs.items())
            say(f"  endpoint, round {number + 1} of {effort.pairs}: {said}")
    return _endpoint_figures(runs)


def _load_in_turns(runs: dict[str, list[Measured]], folder: Path, file: Path, script: Path, effort: Effort) -> None:
    """One round of each, by processes of its own."""
    started: dict[str, tuple[Program, str]] = {}
    try:
        for kind in runs:
            started[kind] = _serve(kind, folder, file)
        for program, url in started.values():
            measure(url, program.pid, seconds=WARM_UP_S, script=script)
        for kind, (program, url) in started.items():
            runs[kind].append(measure(url, program.pid, seconds=effort.seconds, script=script))
    finally:
        for program, _ in started.values():
            program.stop()


@contextmanager
def _load_core_awake() -> Iterator[None]:
    """Keeps the core of `wrk` from going to sleep, by a loop that runs only where nothing else wants to.

    Waking a sleeping core is an exit to the hypervisor that the sender pays, here the server, and the slower of two
    servers pays it the more often: in a profile it took most of 7 µs a request of the bare endpoint, and of 16 of the
    guarded one.
    """
    idle = ["chrt", "--idle", "0", "taskset", "-c", str(LOAD_CORE), sys.executable, "-c", "while True: pass"]
    spinning = subprocess.Popen(idle)
    try:
        yield
    finally:
        spinning.kill()
        spinning.wait()


def _endpoint_figures(runs: dict[str, list[Measured]]) -> list[Figure]:
    bare, guarded = median(runs["bare"]), median(runs["guarded"])
    pairs = zip(runs["bare"], runs["guarded"], strict=True)
    share = statistics.median(alone.cpu_us / behind.cpu_us for alone, behind in pairs)
    fault = "some answers were errors" if bare.bad or guarded.bad else None
    details = {"bare_us": round(bare.cpu_us, 1), "guarded_us": round(guarded.cpu_us, 1), "req_s": round(guarded.req_s)}
    return [
        Figure(
            row="verify", database="", what="a Starlette endpoint behind the guard, by the bare one", value=share,
            unit="×", sense="at least", limit=SHARE_LIMIT, fault=fault, details=details,
        ),
        Figure(
            row="verify", database="", what="its CPU a request", value=guarded.cpu_us, unit=" µs", sense="at most",
            limit=REQUEST_LIMIT_US, fault=fault,
        ),
    ]  # fmt: skip


def _serve(kind: str, folder: Path, file: Path) -> tuple[Program, str]:
    port, log = free_port(), folder / f"{kind}.log"
    program = start(kind, [sys.executable, "-m", "benchmarks.guarded_app", kind, str(port), str(file)], log=log)
    time.sleep(2)
    if program.process.poll() is not None:
        raise BenchmarkFailed(f"the endpoint does not start: {tail(log)}")
    return program, f"http://127.0.0.1:{port}/orders"


def _run_python(work: str, file: Path) -> dict[str, float]:
    return _run(sys.executable, "-m", "benchmarks.verify_tokens", work, str(file))


def _run(*command: str) -> dict[str, float]:
    """What a program on the measured core says."""
    pinned: Sequence[str] = ["taskset", "-c", str(SERVER_CORE), *command]
    ended = subprocess.run(pinned, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    if ended.returncode:
        raise BenchmarkFailed(f"{command[0]} failed: {ended.stderr.strip()[-500:]}")
    said: dict[str, float] = json.loads(ended.stdout.strip().splitlines()[-1])
    return said


def _figure(what: str, value: float, unit: str, limit: float, rounds: Sequence[float]) -> Figure:
    details = {"median": round(statistics.median(rounds), 2), "rounds": len(rounds)}
    return Figure(
        row="verify", database="", what=what, value=value, unit=f" {unit}", sense="at most", limit=limit,
        details=details,
    )  # fmt: skip
