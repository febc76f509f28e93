"""`POST /feed/v1/ack`: a follower says up to which number everything is in force there, or that it leaves."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from base.clock import Clock
from feed.board import FollowerBoard
from feed.callers import FeedRefused, Follower
from feed.hub import FeedHub
from feed.parameters import parse_epoch, parse_name, refuse_unknown

_FIELDS = ("follower", "epoch", "seq", "leaving")


async def acknowledge(
    hub: FeedHub, board: FollowerBoard, follower: Follower, request: Request, clock: Clock
) -> Response:
    """204; raises FeedRefused for a number that the log has not given yet."""
    refuse_unknown(request)
    name, epoch, seq, is_leaving = _parse(await request.body())
    if is_leaving:
        # Whatever it knew: it accepts nothing any more.
        board.say_goodbye(follower.client_id, name, now=clock())
        return Response(status_code=204)
    # It may have heard of this by another process, before this one looked.
    if not hub.head or epoch != hub.position.epoch or seq > hub.position.seq:
        await hub.read_now()
    # Of another epoch it says nothing any more; whoever sent it will see the new one.
    if epoch == hub.position.epoch:
        if seq > hub.position.seq:
            raise FeedRefused(400, "seq: expected a number that the log has given", field="seq")
        board.acknowledge(follower.client_id, name, epoch=epoch, seq=seq, now=clock())
    return Response(status_code=204)


def _parse(body: bytes) -> tuple[str, str, int, bool]:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise FeedRefused(400, "expected a JSON object with follower, epoch and seq") from None
    if not isinstance(said, dict):
        raise FeedRefused(400, "expected a JSON object with follower, epoch and seq")
    unknown = sorted(set(map(str, said)) - set(_FIELDS))
    if unknown:
        raise FeedRefused(
            400, f"{unknown[0][:64]}: no such field; there are {', '.join(_FIELDS)}", field=unknown[0][:64]
        )
    name, epoch = parse_name(said.get("follower")), parse_epoch(said.get("epoch"), field="epoch")
    seq = said.get("seq")
    if type(seq) is not int or not 0 <= seq < 2**53:
        raise FeedRefused(400, "seq: expected a number of the log, 0 or more", field="seq")
    is_leaving = said.get("leaving", False)
    if not isinstance(is_leaving, bool):
        raise FeedRefused(400, "leaving: expected true or false", field="leaving")
    return name, epoch, seq, is_leaving
