"""Keeps proofs of one account from crowding its failure counter.

A counter is raised before a proof is looked at, so many right passwords arriving together (a dashboard that opens ten
windows) would lock the door that they open. Here they queue by counter instead; a flood on one account queues by
itself and takes the hash pool from nobody else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

WIDTH = 2
MAX_WAITING = 256


class TurnstileBusy(Exception):
    """Too many wait at one counter: 503."""


@dataclass(slots=True)
class _Lane:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WIDTH))
    inside: int = 0


class Turnstile:
    """Lets at most two proofs of one counter be looked at at a time, in the order of arrival. One a process."""

    def __init__(self) -> None:
        self._lanes: dict[bytes, _Lane] = {}

    @asynccontextmanager
    async def pass_through(self, key: bytes) -> AsyncIterator[None]:
        """Waits for a place at this counter; raises TurnstileBusy where too many wait already."""
        lane = self._lanes.setdefault(key, _Lane())
        if lane.inside >= MAX_WAITING:
            raise TurnstileBusy
        lane.inside += 1
        try:
            async with lane.places:
                yield
        finally:
            lane.inside -= 1
            if lane.inside == 0:
                del self._lanes[key]
