"""A small HTTP client that costs little, so that the core of the load has room for it; loopback only."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that this answer sets, without those that it clears."""
        pairs = [value.partition(";")[0].partition("=") for key, value in self.headers if key == "set-cookie"]
        return {name: value for name, _, value in pairs if value.strip('"')}


class Connection:
    """One kept-alive connection, opened when first used; keeps no cookies."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, cookies: Mapping[str, str] | None = None) -> Reply:
        """The answer to a GET."""
        return await self._ask("GET", path, cookies or {}, b"")

    async def post(self, path: str, form: Mapping[str, str], cookies: Mapping[str, str] | None = None) -> Reply:
        """The answer to a form."""
        return await self._ask("POST", path, cookies or {}, urlencode(form).encode())

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connects, where that has not been done yet."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    async def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, method: str, path: str, cookies: Mapping[str, str], body: bytes) -> Reply:
        reader, writer = await self.open()
        head = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self._port}", "user-agent: Mozilla/5.0 (X11; Linux)"]
        if cookies:
            head.append("cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items()))
        if method == "POST":
            head += ["content-type: application/x-www-form-urlencoded", f"content-length: {len(body)}"]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        async with asyncio.timeout(TIMEOUT_S):
            return await _read(reader)


async def _read(reader: asyncio.StreamReader) -> Reply:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines[1:] if line]
    headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
    length = next((int(value) for name, value in headers if name == "content-length"), 0)
    return Reply(int(lines[0].split(" ")[1]), headers, (await reader.readexactly(length)).decode())
