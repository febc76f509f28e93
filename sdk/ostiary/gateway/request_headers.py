"""The headers of one request, read once: each name has one value, or is known to have had several. No I/O."""

from collections.abc import Collection, Iterable

from ostiary.gateway.paths import Ambiguous


class RequestHeaders:
    """Headers by lower-case name, as ASGI brings them. A name that came several times is joined by commas."""

    __slots__ = ("_repeated", "_values")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        values: dict[bytes, bytes] = {}
        repeated: set[bytes] = set()
        for name, value in headers:
            if name in values:
                repeated.add(name)
                values[name] += b", " + value
            else:
                values[name] = value
        self._values = values
        self._repeated = repeated

    def find(self, name: bytes) -> str | None:
        """The one value of a header, None where there is none; Ambiguous where there are two, or no ASCII."""
        value = self._values.get(name)
        if value is None:
            return None
        if name in self._repeated:
            raise Ambiguous(f"there must be exactly one {name.decode('latin-1').title()} header")
        try:
            return value.decode("ascii")
        except UnicodeDecodeError:
            raise Ambiguous(f"the {name.decode('latin-1').title()} header must be ASCII") from None

    def find_raw(self, name: bytes) -> bytes | None:
        """All that was said under a name, joined in its order; None where nothing was."""
        return self._values.get(name)

    def find_all_once(self, names: tuple[bytes, ...]) -> tuple[bytes | None, ...] | None:
        """The values of these headers; None where any header of the request came twice."""
        return None if self._repeated else tuple(map(self._values.get, names))

    def names(self) -> Collection[bytes]:
        """Every name once."""
        return self._values.keys()

    def __contains__(self, name: bytes) -> bool:
        return name in self._values
