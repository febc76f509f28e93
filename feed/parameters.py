"""What followers ask for, read strictly: one value each, and of the form that docs/feed.md gives."""

import re
from collections.abc import Sequence

from starlette.requests import Request

from base.request import header
from feed.callers import FeedRefused

LONGEST_WAIT_S = 25

_EPOCH = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def refuse_unknown(request: Request, *known: str) -> None:
    """Raises FeedRefused for a parameter that there is not, or that stands twice."""
    names: Sequence[str] = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            raise FeedRefused(
                400, f"{name[:64]}: no such parameter; there are {', '.join(known) or 'none'}", field=name[:64]
            )
        if names.count(name) > 1:
            raise FeedRefused(400, f"{name}: expected once", field=name)


def parse_epoch(text: object, *, field: str) -> str:
    """An epoch's name."""
    if not isinstance(text, str) or not _EPOCH.fullmatch(text):
        raise FeedRefused(400, f"{field}: expected an epoch, 32 hexadecimal digits", field=field)
    return text


def parse_number(text: str | None, *, field: str) -> int:
    """A number of the log, 0 or more."""
    if text is None or not _NUMBER.fullmatch(text):
        raise FeedRefused(400, f"{field}: expected a number of the log, 0 or more", field=field)
    return int(text)


def parse_wait(text: str | None) -> int:
    """How many seconds to wait for something new."""
    if text is None:
        return 0
    if not _NUMBER.fullmatch(text) or int(text) > LONGEST_WAIT_S:
        raise FeedRefused(400, f"wait: expected whole seconds, 0 to {LONGEST_WAIT_S}", field="wait")
    return int(text)


def parse_name(text: object, *, field: str = "follower") -> str:
    """The name that an instance of a service gives itself."""
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise FeedRefused(400, f"{field}: expected 1 to 64 of A-Z a-z 0-9 . _ -", field=field)
    return text


def find_place(request: Request) -> tuple[str, int] | None:
    """Where a stream goes on: `Last-Event-ID`, or else the parameter `after`, as `epoch:seq`; None: from now on."""
    field, text = "Last-Event-ID", header(request.scope, b"last-event-id")
    if text is None:
        field, text = "after", request.query_params.get("after")
    if text is None:
        return None
    epoch, _, number = text.partition(":")
    return parse_epoch(epoch, field=field), parse_number(number, field=field)
