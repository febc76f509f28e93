"""Mail: one letter to one address, said so that a person who was just woken understands it."""

import hashlib
import ssl
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from audit.alerts import words
from audit.alerts.messages import Message
from audit.alerts.receivers import DeliveryFailed
from audit.alerts.values import Purpose
from audit.words import severity_word
from base.mail import Mail, Sender, SmtpAddress, build_message, one_line
from base.smtp import MailPutOff, MailRefused, MailUnreachable, connect

_WIDTH = 72


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters are taken, and who they come from; `tls` are the authorities to believe (the system's)."""

    address: SmtpAddress
    sender: Sender
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A letter in words."""

    subject: str
    text: str
    html: str


class MailReceiver:
    """Sends a letter a message. The name holds a digest of the address: the database needs no list of those who are
    called."""

    hears_acknowledgements = False

    def __init__(self, server: MailServer, address: str) -> None:
        self._server = server
        self._address = address
        self.name = f"email-{hashlib.sha256(address.lower().encode()).hexdigest()[:10]}"

    @property
    def shown(self) -> str:
        return self._address

    async def send(self, message: Message) -> None:
        """A connection a letter: alerts are few, and one that waits in line behind another is late."""
        written, host = write(message), urlsplit(message.issuer).hostname or "localhost"
        server = self._server
        raw = build_message(
            Mail(
                sender=server.sender,
                to=self._address,
                subject=written.subject,
                text=written.text,
                html=written.html,
                language=message.language,
                at=message.at,
                # The same for every try: should the first have arrived after all, one letter is seen.
                message_id=f"{message.id}@{host}",
            )
        )
        try:
            async with connect(server.address, own_name=host, tls=server.tls) as connection:
                await connection.send(server.sender.address, self._address, raw)
        except MailUnreachable as failure:
            raise DeliveryFailed(f"the mail server cannot be used: {failure}") from None
        except (MailPutOff, MailRefused) as refused:
            raise DeliveryFailed(str(refused)) from None


def write(message: Message) -> Written:
    """The letter. Its subject begins with the service and the severity, so that a mailbox sorts it."""
    language, is_call = message.language, message.purpose in (Purpose.OPENED, Purpose.ESCALATED)
    is_test = message.purpose is Purpose.TEST
    what_now = words.say(words.WHAT_NOW, language) if is_call or is_test else ""
    made_by = words.say(words.MADE_BY, language, service=message.service_name)
    html = _template().render(
        message=message,
        severity=severity_word(message.severity, language),
        is_loud=is_call and message.severity == "HIGH",
        what_now=what_now,
        made_by=made_by,
    )
    # In English whatever the letter's language is: filters are made of it.
    mark = "TEST" if is_test else message.severity
    return Written(
        one_line(f"[{message.service_name} {mark}] {message.summary}"), _plain(message, what_now, made_by), html
    )


def _plain(message: Message, what_now: str, made_by: str) -> str:
    parts = [_filled(message.summary), "\n".join(f"{label}: {value}" for label, value in message.lines)]
    if what_now:
        parts.append(_filled(f"{what_now}: {message.advice}"))
    parts += [f"{_filled(label)}:\n    {command}" for label, command in message.commands]
    parts += [f"{message.issuer}   {message.alert}", "-- \n" + _filled(made_by)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    return environment.get_template("alert_mail.html")
