"""Takes letters from the outbox to the mail server, beside everything else: no request ever waits for it (F14).

Every process of a deployment may run one; a letter is claimed by one of them. No connection is opened inside a
transaction, and none at all while there is nothing to send.
"""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from jinja2 import TemplateError

from base.mail import Mail, Sender, SmtpAddress, build_message, parse_sender, parse_smtp_url
from base.sealing import SealBroken
from base.smtp import MailConnection, MailPutOff, MailRefused, MailUnreachable, connect
from identity.mail import outbox
from identity.mail.letter_values import Letter
from identity.mail.letters import LetterWriter, Written
from identity.mail.outbox import Claimed
from identity.services import Services
from server.settings import Settings

log = logging.getLogger("ostiary.mail")

SEND_EVERY_S = 1.0
# Servers hang up on a caller who never ends.
MOST_A_CONNECTION = 100
STOP_S = 5.0
_LONGEST_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters are taken, and who they come from; `tls` are the authorities to believe (the system's)."""

    address: SmtpAddress
    sender: Sender
    tls: ssl.SSLContext | None = None


def find_server(settings: Settings) -> MailServer | None:
    """The mail server of a deployment, or None where none is set. A sender without a name has the service's."""
    if settings.smtp_url is None or settings.mail.sender is None:
        return None
    sender = parse_sender(settings.mail.sender)
    named = Sender(sender.name or settings.service_name, sender.address)
    return MailServer(parse_smtp_url(settings.smtp_url), named)


def make_sending(settings: Settings, services: Services) -> "MailSending | None":
    """What sends a deployment's letters, or keeps them for the demo; None where no letter is ever promised."""
    server = find_server(settings)
    return MailSending(services, server) if server or settings.has_demo else None


class MailSending:
    """One process's sender. Without a server the letters stay where the demo's page reads them."""

    def __init__(self, services: Services, server: MailServer | None) -> None:
        self._services = services
        self._server = server
        self._writer: LetterWriter | None = None
        # Taken by the mail server while the database did not answer: never sent again by this process.
        self._taken: set[bytes] = set()
        self._failures = 0
        self._is_troubled = False
        self._not_before: datetime | None = None

    async def send_due(self) -> None:
        """One round: everything that is due, or as much as the server takes."""
        services, now = self._services, self._services.clock()
        await self._settle()
        async with services.database.reading() as db:
            first_expires_at = await outbox.find_due(db, now=now)
        if first_expires_at is None:
            return
        if self._server is None:
            async with services.database.transaction() as db:
                await outbox.keep_due(db, now=now)
            return
        if first_expires_at <= now:
            async with services.database.transaction() as db:
                await outbox.fail_expired(db, services, now=now)
        if self._not_before is None or now >= self._not_before:
            await self._visit(self._server)

    async def _visit(self, server: MailServer) -> None:
        """Connects before a letter is claimed: while the server is away no letter's tries are used up.

        After a failure it asks again after a pause that grows to a minute.
        """
        own_name = urlsplit(self._services.settings.issuer).hostname or "localhost"
        try:
            async with connect(server.address, own_name=own_name, tls=server.tls) as connection:
                self._failures, self._not_before = 0, None
                for _ in range(MOST_A_CONNECTION):
                    if not await self._send_next(connection, server):
                        return
        except MailUnreachable as failure:
            self._complain(f"the mail server {server.address} cannot be used: {failure}")
            self._failures += 1
            pause = min(timedelta(seconds=2 ** min(self._failures, 6)), _LONGEST_PAUSE)
            self._not_before = self._services.clock() + pause

    async def _send_next(self, connection: MailConnection, server: MailServer) -> bool:
        """Whether it makes sense to go on with this connection."""
        async with self._services.database.transaction() as db:
            claimed = await outbox.claim(db, now=self._services.clock())
        if claimed is None:
            return False
        sending = asyncio.ensure_future(self._deliver(connection, server, claimed))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            # The process stops. A letter on its way gets a moment to arrive and be marked; else its lease ends.
            await asyncio.wait([sending], timeout=STOP_S)
            sending.cancel()
            raise

    async def _deliver(self, connection: MailConnection, server: MailServer, claimed: Claimed) -> bool:
        services = self._services
        try:
            to, message = self._compose(server, claimed)
            await connection.send(server.sender.address, to, message)
        except MailPutOff as put_off:
            self._complain(str(put_off))
            async with services.database.transaction() as db:
                await outbox.put_off(db, claimed, now=services.clock())
            return not put_off.is_cut
        except MailRefused as refused:
            async with services.database.transaction() as db:
                await outbox.mark_failed(db, services, claimed, str(refused), now=services.clock())
            return True
        self._taken.add(claimed.id)
        self._tell_well()
        await self._settle()
        return True

    async def _settle(self) -> None:
        """Marks what the server took; what cannot be marked now is marked in a later round, long before its lease."""
        if self._taken:
            taken = frozenset(self._taken)
            async with self._services.database.transaction() as db:
                await outbox.mark_sent(db, taken, now=self._services.clock())
            self._taken -= taken

    def _compose(self, server: MailServer, claimed: Claimed) -> tuple[str, bytes]:
        """The recipient and the message; raises MailRefused where it cannot be put into words."""
        settings = self._services.settings
        if self._writer is None:
            self._writer = LetterWriter(service_name=settings.service_name, issuer=settings.issuer)
        letter, written = self._write(claimed)
        mail = Mail(
            sender=server.sender,
            to=letter.to,
            subject=written.subject,
            text=written.text,
            html=written.html,
            language=letter.language,
            at=claimed.created_at,
            # The same for every try: should the first have arrived after all, the reader's mail server sees one letter.
            message_id=f"{claimed.id.hex()}@{urlsplit(settings.issuer).hostname}",
        )
        try:
            return letter.to, build_message(mail)
        except ValueError:
            raise MailRefused("recipient refused (malformed)") from None

    def _write(self, claimed: Claimed) -> tuple[Letter, Written]:
        """The letter and its words; raises MailRefused, so that one letter's fault holds up no other."""
        settings = self._services.settings
        if self._writer is None:
            self._writer = LetterWriter(service_name=settings.service_name, issuer=settings.issuer)
        try:
            letter = outbox.open_letter(self._services.sealer, claimed.id, claimed.sealed)
            return letter, self._writer.write(letter)
        except SealBroken:
            raise MailRefused("sealed under another master key") from None
        except (LookupError, TypeError, ValueError, TemplateError):
            # Its facts or its language are those of another version.
            log.exception("a letter of the kind %s cannot be put into words", claimed.kind)
            raise MailRefused("cannot be put into words") from None

    def _complain(self, reason: str) -> None:
        """Says it once, until a letter is taken: a server that is away for a night must not fill the log."""
        if not self._is_troubled:
            log.warning("letters wait, and are tried again: %s", reason)
        self._is_troubled = True

    def _tell_well(self) -> None:
        if self._is_troubled:
            log.warning("the mail server takes letters again")
        self._is_troubled = False
