"""Server-sent events, read in pieces and within bounds (WHATWG HTML §9.2). Pure."""

from dataclasses import dataclass, field

from ostiary.feed_lines import FeedRefused

# A page of a thousand entries takes 200 KiB; nothing that is larger than this is the feed.
MAX_EVENT_BYTES = 4_194_304


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name, and the lines of its data."""

    name: str
    data: list[bytes] = field(default_factory=list)


class EventReader:
    """Turns pieces of a stream into events. Never holds more than one event and one piece."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._name = "message"
        self._data: list[bytes] = []
        self._size = 0

    def read(self, piece: bytes) -> list[ServerEvent]:
        """The events that end with this piece; FeedRefused where one is larger than an event may be."""
        events: list[ServerEvent] = []
        # Only the feed itself is read, which ends its lines so; a lone CR, which browsers allow, is not expected.
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._rest += line
            whole, self._rest = bytes(self._rest), bytearray()
            self._take(whole.removesuffix(b"\r"), events)
        self._rest += rest
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise FeedRefused(f"an event of the feed is larger than {MAX_EVENT_BYTES} bytes")
        return events

    def _take(self, line: bytes, events: list[ServerEvent]) -> None:
        if not line:
            if self._data:
                events.append(ServerEvent(self._name, self._data))
            self._name, self._data, self._size = "message", [], 0
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._name = value[:64].decode("utf-8", "replace")
        elif name == b"data":
            self._data.append(value)
            self._size += len(value) + 64
            if self._size > MAX_EVENT_BYTES:
                raise FeedRefused(f"an event of the feed is larger than {MAX_EVENT_BYTES} bytes")
