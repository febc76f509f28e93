"""The events of what reached the services that follow the feed, and what did not."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import IN_FORCE, NOT_IN_FORCE
from audit.record import Event
from feed.in_force import Reached, Tell
from identity.services import Services


def tell_reached(services: Services) -> Tell:
    """What writes them: one event for what every follower has, and one for what settled without some of them.

    Each batch that some did not confirm in time is told by one of its own before.
    """

    async def tell(db: AsyncConnection, found: Sequence[Reached], now: datetime) -> None:
        await services.emitter.emit_all(db, _events(found), now=now)

    return tell


def _events(found: Sequence[Reached]) -> list[Event]:
    everywhere = [each for each in found if each.is_settled and each.reached == each.followers]
    given_up = [each for each in found if each.is_settled and each.reached < each.followers]
    made = [_not_in_force([each]) for each in found if not each.is_settled]
    if given_up:
        made.append(_not_in_force(given_up))
    if everywhere:
        slowest = max(each.in_force_ms for each in everywhere)
        followers = max(each.followers for each in everywhere)
        data = {**_place(everywhere[0], everywhere[-1]), "followers": followers, "ms": slowest}
        made.append(Event(type=IN_FORCE, actor="system", data=data))
    return made


def _not_in_force(batches: Sequence[Reached]) -> Event:
    """`refuses_at` is when the last follower that did not confirm refuses by itself, where all of those are away."""
    moments = [each.refuses_at for each in batches]
    known = [each for each in moments if each is not None]
    worst = min(batches, key=lambda each: each.reached - each.followers)
    data = {**_place(batches[0], batches[-1]), "followers": worst.followers, "reached": worst.reached}
    if len(known) == len(moments):
        data["refuses_at"] = max(known).isoformat(timespec="seconds")
    return Event(type=NOT_IN_FORCE, actor="system", outcome="failure", data=data)


def _place(first: Reached, last: Reached) -> dict[str, object]:
    return {"epoch": first.epoch.hex(), "first": first.first, "last": last.last}
