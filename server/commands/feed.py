"""`ostiary feed status|new-epoch`."""

from collections.abc import Sequence
from datetime import datetime

import click

from feed.numbering import begin_epoch
from feed.overview import Batch, Place, StoredFollower, list_followers, load_place, newest_batches, shown_time, words_of
from identity.services import Services
from server.api.feed import show_batch, show_follower
from server.commands.frame import Frame, framed, plain, table

BATCHES = 10


@click.group("feed")
def command() -> None:
    """The feed of revocations, and the services that follow it."""


@command.command("status")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 10000), help="Followers at most.")
@framed
def status(frame: Frame, limit: int) -> None:
    """Where the feed stands, how far each follower is, and how far the newest revocations came."""

    async def work(services: Services, now: datetime) -> tuple[Place, list[StoredFollower], Sequence[Batch]]:
        async with services.database.reading() as db:
            place = await load_place(db, now=now)
            followers = await list_followers(db, place, limit=limit, now=now)
            return place, followers, await newest_batches(db, place, limit=BATCHES, now=now)

    place, followers, batches = frame.with_services(work)
    document = {
        **_mapping(place),
        "batches": [show_batch(each) for each in batches],
        "followers": [show_follower(each) for each in followers],
    }
    rows = [_row(each) for each in followers]
    words = [
        f"Epoch {place.epoch}, entry {place.seq}; {place.unnumbered} wait for their number.",
        f"{place.connected} followers are connected, {place.behind} of them behind."
        f" {place.unreachable} more cannot be reached.",
        table(rows, empty="Nobody has followed the feed within a day."),
        *(f"{each.first} to {each.last}: {words_of(each)}" for each in batches),
    ]
    frame.answer(document, "\n".join(words))


@command.command("new-epoch")
@framed
def new_epoch(frame: Frame) -> None:
    """Number what is in force anew: for a feed whose table was damaged; every follower loads a snapshot."""

    async def work(services: Services, now: datetime) -> str:
        async with services.database.transaction() as db:
            return await begin_epoch(db, now=now)

    epoch = frame.with_services(work)
    frame.answer({"epoch": epoch}, f"epoch {epoch} has begun; followers load a snapshot")


def _row(follower: StoredFollower) -> tuple[str, ...]:
    state = "connected" if follower.connected else "left"
    if follower.refuses_at is not None:
        state = f"cannot be reached, refuses by itself from {shown_time(follower.refuses_at)} on"
    heard = follower.heard_at.isoformat(timespec="seconds")
    return follower.client_id, follower.name, state, f"{follower.behind} behind", f"heard {heard}"


def _mapping(place: Place) -> dict[str, object]:
    told = plain(place)
    assert isinstance(told, dict)  # noqa: S101 - a dataclass
    return told
