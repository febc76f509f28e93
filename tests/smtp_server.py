"""A small mail server on loopback that does what a test tells it: takes letters, refuses, dawdles, hangs up."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


@dataclass(frozen=True)
class Arrived:
    """A letter that the server took; `user` is who had logged in, `encrypted` whether nobody could read along."""

    sender: str
    to: str
    raw: bytes
    encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        """The letter, parsed as a reader's program would."""
        parsed = message_from_bytes(self.raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class SmtpServer:
    """What the server answers, and what it took. `replies` maps a command to the reply that it gets instead."""

    replies: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ("8BITMIME", "SIZE 10000000")
    starttls: ssl.SSLContext | None = None
    tls: ssl.SSLContext | None = None
    password: str | None = None
    delay_s: float = 0.0
    # Takes the letter and hangs up without a word, as a server does that dies just then.
    dies_after_data: bool = False
    arrived: list[Arrived] = field(default_factory=list)
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["SmtpServer"]:
        """Listens within; a second time on the port of the first, where it is given."""
        listening = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=self.tls)
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listening.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await _Dialogue(self, reader, writer).hold()
        writer.close()


class _Dialogue:
    """One connection."""

    def __init__(self, server: SmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._encrypted = server.tls is not None
        self._sender = self._to = ""
        self._user: str | None = None

    async def hold(self) -> None:
        await self._say(self._server.replies.get("CONNECT", "220 tests ESMTP"))
        while line := await self._reader.readline():
            text = line.decode("latin-1").rstrip("\r\n")
            command = text.split(" ", 1)[0].split(":", 1)[0].upper()
            self._server.commands.append(text)
            await asyncio.sleep(self._server.delay_s)
            if command == "QUIT":
                await self._say("221 bye")
                return
            if command in self._server.replies:
                await self._say(self._server.replies[command])
                if self._server.replies[command].startswith("421"):
                    return
            else:
                await self._answer(command, text)
            if self._writer.is_closing():
                return

    async def _answer(self, command: str, text: str) -> None:
        match command:
            case "EHLO" | "HELO":
                await self._say("\r\n".join(["250-tests", *(f"250-{each}" for each in self._offers()), "250 HELP"]))
            case "STARTTLS" if self._server.starttls:
                await self._say("220 go on")
                await self._writer.start_tls(self._server.starttls)
                self._encrypted = True
            case "AUTH":
                await self._log_in(text.split(" ")[2])
            case "MAIL":
                self._sender = _address(text)
                await self._say("250 ok")
            case "RCPT":
                self._to = _address(text)
                await self._say(self._server.refused.get(self._to, "250 ok"))
            case "DATA":
                await self._take()
            case "RSET" | "NOOP":
                await self._say("250 ok")
            case _:
                await self._say("502 what")

    def _offers(self) -> list[str]:
        offers = list(self._server.extensions)
        if self._server.starttls and not self._encrypted:
            offers.append("STARTTLS")
        if self._server.password:
            offers.append("AUTH PLAIN")
        return offers

    async def _log_in(self, given: str) -> None:
        _, user, password = base64.b64decode(given).decode().split("\0")
        if password != self._server.password:
            await self._say(f"535 no, {user}")
            return
        self._user = user
        await self._say("235 welcome")

    async def _take(self) -> None:
        await self._say("354 go ahead")
        raw = await self._reader.readuntil(b"\r\n.\r\n")
        body = raw.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        self._server.arrived.append(Arrived(self._sender, self._to, body, self._encrypted, self._user))
        if self._server.dies_after_data:
            self._writer.close()
            return
        await self._say(self._server.replies.get("END", "250 taken"))

    async def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()


def _address(text: str) -> str:
    return text.partition("<")[2].partition(">")[0]
