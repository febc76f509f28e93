"""Whole fleets in trouble: the feed cut by a proxy, a server killed, Redis killed; test_fleet.py says how it is sized.

Of each token it is known what every service said of it at every moment, on a sensitive and on an ordinary route.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from anyio import to_thread

from tests.feed.fleet import ANSWERS_WITHIN_S, LOST_AFTER_S, TTL_S, Fleet, open_fleet
from tests.feed.histories import MS, Histories, figures
from tests.feed.victims import REVOCATIONS, in_shares, tell
from tests.feed.wire_cutter import WireCutter, wire_to
from tests.services import Service, start_redis

pytestmark = pytest.mark.anyio

IS_WHOLE = REVOCATIONS >= 1000
# Connected: a second. The half more is for a machine that is busy with other tests.
CONNECTED_MS = 1500
SENSITIVE_MS = 5000
# Nobody waits a minute for the quick form; the bound is a setting of the service's.
ORDINARY_MS = LOST_AFTER_S * 1000 if IS_WHOLE else 7000
# A follower that found nobody for long tries again every five seconds at most.
BACK_MS = 6500
# A quarter of the revocations falls into cuts until knowledge is lost, the others into cuts until it is stale.
LONG_CUT = 2500
SHORT_CUT = 1250
KILL_EVERY = 500
# Whoever hung on the killed one must come back first, with all the others, to one that starts or has all the work.
KILLED_MS = 8000
AT_ONCE = 50
GOOD = 5


def portions(amount: int, of: int) -> Iterator[int]:
    """`amount` in portions."""
    while amount > 0:
        yield min(amount, of)
        amount -= of


@asynccontextmanager
async def fleet_of(url: str, redis_url: str, folder: Path) -> AsyncIterator[Fleet]:
    """A fleet whose services lose an old feed after `ORDINARY_MS`."""
    async with open_fleet(folder, database_url=url, redis_url=redis_url, lost_after_s=ORDINARY_MS / 1000) as fleet:
        yield fleet


async def cut_while_revoking(fleet: Fleet, amount: int, *, for_s: float) -> tuple[list[int], Histories, int]:
    """Revokes a third, cuts, revokes the rest, and mends when the cut has lasted so long: see `followed`.

    Also returns the moments of the acknowledgements, and of the mending.
    """
    victims, good = await fleet.victims.make(in_shares(amount)), await fleet.victims.make({"grant": GOOD})
    third = amount // 3
    async with fleet.followed(victims, good, within_s=TTL_S) as histories:
        acknowledged = await fleet.victims.revoke_all(victims[:third])
        fleet.wire.cut()
        ends_at = time.monotonic() + for_s
        acknowledged += await fleet.victims.revoke_all(victims[third:])
        await asyncio.sleep(max(ends_at - time.monotonic(), 0))
        fleet.wire.mend()
        mended_at = time.monotonic_ns()
    return acknowledged, histories, mended_at


async def test_a_cut_feed_is_obeyed_as_its_lease_says_and_mended_it_brings_everything(
    postgres_url: Callable[[], str], redis_url: str, tmp_path: Path
) -> None:
    """I6, S18: no yes on a sensitive route 5 s after a revocation, nor on an ordinary one after 60; never a 401 for
    what is good; and when a service says yes again it knows them all."""
    sensitive: list[float] = []
    ordinary: list[float] = []
    back: list[float] = []
    long = list(portions(REVOCATIONS // 4 if IS_WHOLE else REVOCATIONS, LONG_CUT))
    cuts = [(each, ORDINARY_MS / 1000 + 2) for each in long]
    cuts += [(each, SENSITIVE_MS / 1000 + 2) for each in portions(REVOCATIONS - sum(long), SHORT_CUT)]
    async with fleet_of(postgres_url(), redis_url, tmp_path) as fleet:
        for amount, for_s in cuts:
            acknowledged, seen, mended_at = await cut_while_revoking(fleet, amount, for_s=for_s)
            seen.check_good()
            seen.check_refused("sensitive", acknowledged, within_ms=SENSITIVE_MS)
            seen.check_refused("ordinary", acknowledged, within_ms=ORDINARY_MS)
            seen.check_yes_only_when_all_is_known()
            sensitive += seen.until_no_yes("sensitive", acknowledged)
            ordinary += seen.until_no_yes("ordinary", acknowledged)
            back += (took := [(at - mended_at) / MS for at in seen.in_force_at()])
            assert max(seen.last_without()) - mended_at <= BACK_MS * MS, figures("mended", took)
            tell(figures(f"{amount} in a cut of {for_s:g} s, mended until all are in force", took))
    tell(figures("cut, to the first no on a sensitive route", sensitive))
    tell(figures("cut, to the first no on an ordinary route", ordinary))
    tell(figures("mended, until all are in force", back))


async def revoke_while_killed(fleet: Fleet, amount: int, *, number: int) -> list[float]:
    """Kills a server when a third is revoked; milliseconds from each acknowledgement to the refusal."""
    victims, good = await fleet.victims.make(in_shares(amount)), await fleet.victims.make({"grant": GOOD})
    async with fleet.followed(victims, good, within_s=TTL_S) as seen:
        acknowledged = await fleet.victims.revoke_all(victims[: amount // 3])
        fleet.servers[number].signal(signal.SIGKILL)
        acknowledged += await fleet.victims.revoke_all(victims[amount // 3 :])
    seen.check_good()
    seen.check_refused("sensitive", acknowledged, within_ms=SENSITIVE_MS)
    return seen.until_in_force("ordinary", acknowledged)


async def test_a_killed_server_keeps_nothing_back(
    postgres_url: Callable[[], str], redis_url: str, tmp_path: Path
) -> None:
    """I2, I6: again and again one of the two is killed in the middle of it, the one that numbers or the other."""
    took: list[float] = []
    async with fleet_of(postgres_url(), redis_url, tmp_path) as fleet:
        for turn, amount in enumerate(portions(REVOCATIONS, KILL_EVERY)):
            number = turn % len(fleet.servers)
            took += await revoke_while_killed(fleet, amount, number=number)
            tell(figures(f"after {turn + 1} kills", took))
            await fleet.servers[number].stop()
            await fleet.servers[number].start()
    tell(figures("a server killed, to the refusal", took))
    assert max(took) < KILLED_MS, figures("to the refusal", took)


@dataclass
class MortalRedis:
    """A Redis that is killed and started again, always with nothing in it, behind one address."""

    folder: Path
    address: WireCutter
    _running: Service | None = None
    _numbers: "count[int]" = field(default_factory=count)

    async def begin(self) -> None:
        """A new one answers."""
        self._running = await to_thread.run_sync(start_redis, self.folder / f"redis{next(self._numbers)}")
        self.address.ports = [self._running.port]

    async def kill(self) -> None:
        """Nobody answers."""
        if self._running is not None:
            os.killpg(self._running.pid, signal.SIGKILL)
            await to_thread.run_sync(self._running.stop)
            self._running = None

    async def turn(self) -> None:
        """Kills it, or begins a new one."""
        await (self.begin() if self._running is None else self.kill())


async def test_without_redis_it_takes_no_longer(postgres_url: Callable[[], str], tmp_path: Path) -> None:
    """F2: Redis holds nothing of the feed. It is killed while they are revoked, stays away, and comes again."""
    took: list[float | None] = []
    async with wire_to() as address:
        redis = MortalRedis(tmp_path, address)
        await redis.begin()
        try:
            async with fleet_of(postgres_url(), f"redis://127.0.0.1:{address.port}/0", tmp_path) as fleet:
                for turn, amount in enumerate(portions(REVOCATIONS, AT_ONCE)):
                    victims = await fleet.victims.make(in_shares(amount))
                    # Killed in the middle of the first round, away in the second, back in the middle of the third.
                    midway = redis.turn if turn % 2 == 0 else None
                    took += await fleet.measure(victims, within_s=ANSWERS_WITHIN_S, midway=midway)
        finally:
            await redis.kill()
    known = [each for each in took if each is not None]
    assert len(known) == len(took), f"{len(took) - len(known)} of {len(took)} were never refused"
    tell(figures("Redis killed, to the refusal", known))
    assert max(known) < CONNECTED_MS, figures("to the refusal", known)
