"""The events of what reached the services that follow the feed, and what did not."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import IN_FORCE, NOT_IN_FORCE
from audit.record import Event
from feed.in_force import Reached, Tell
from identity.services import Services


def tell_reached(services: Services) -> Tell:
    """What writes them: one event for what every follower has, one for each batch that some did not confirm."""

    async def tell(db: AsyncConnection, settled: Sequence[Reached], now: datetime) -> None:
        await services.emitter.emit_all(db, _events(settled), now=now)

    return tell


def _events(settled: Sequence[Reached]) -> list[Event]:
    everywhere = [each for each in settled if each.reached == each.followers]
    made = [
        Event(
            type=NOT_IN_FORCE,
            actor="system",
            outcome="failure",
            data={**_place(each, each), "followers": each.followers, "reached": each.reached},
        )
        for each in settled
        if each.reached < each.followers
    ]
    if everywhere:
        slowest = max(each.in_force_ms for each in everywhere)
        followers = max(each.followers for each in everywhere)
        data = {**_place(everywhere[0], everywhere[-1]), "followers": followers, "ms": slowest}
        made.append(Event(type=IN_FORCE, actor="system", data=data))
    return made


def _place(first: Reached, last: Reached) -> dict[str, object]:
    return {"epoch": first.epoch.hex(), "first": first.first, "last": last.last}
