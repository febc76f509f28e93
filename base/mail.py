"""Mail as values: the server that takes it, the sender, and a message that any mail server takes. Pure."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

_EXPECTED_URL = (
    "expected smtp://user:password@host:587, or smtps://user:password@host:465, with signs such as @ / : in the user"
    " or password written as %40 %2F %3A"
)
_EXPECTED_SENDER = "expected an address such as no-reply@example.com, or Example <no-reply@example.com>"
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+")
# What ends a line or turns the direction of what follows: controls, format characters, line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})

Encryption = Literal["tls", "starttls", "none"]


def one_line(text: str) -> str:
    """The text on one line: whatever could end a line or hide in one is a space, and spaces stand alone (S46)."""
    seen = "".join(" " if unicodedata.category(letter) in _UNSEEN else letter for letter in text)
    return " ".join(seen.split())


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """A mail server that takes our letters; `encryption` is demanded, never tried."""

    host: str
    port: int
    encryption: Encryption
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_smtp_url(text: str) -> SmtpAddress:
    """The server behind `smtp://` (STARTTLS) or `smtps://` (TLS from the first byte).

    A server on this machine is spoken to in the clear by `smtp://`. Another one is only with `?tls=off` at the end, and
    then never told a password. Raises ValueError; the words never repeat the address, which holds a password.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(_EXPECTED_URL) from None
    if parts.scheme not in ("smtp", "smtps") or parts.path not in ("", "/") or parts.fragment or port == 0:
        raise ValueError(_EXPECTED_URL)
    if not _HOST.fullmatch(host):
        raise ValueError(_EXPECTED_URL)
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(username) != bool(password) or one_line(username + password) != username + password:
        raise ValueError(f"{_EXPECTED_URL}; user and password go together")
    encryption = _encryption(parts.scheme, host, parts.query)
    if encryption == "none" and password and not _is_loopback(host):
        raise ValueError("expected no password where tls=off, since everybody on the way could read it")
    return SmtpAddress(
        host, port or (465 if encryption == "tls" else 587), encryption, username or None, password or None
    )


def _encryption(scheme: str, host: str, query: str) -> Encryption:
    options = parse_qsl(query, keep_blank_values=True)
    if options not in ([], [("tls", "off")]) or (options and scheme == "smtps"):
        raise ValueError("expected nothing behind the port of the mail server but ?tls=off, and that with smtp:// only")
    if scheme == "smtps":
        return "tls"
    return "none" if options or _is_loopback(host) else "starttls"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who letters come from: the name that is shown, and the address."""

    name: str
    address: str


def parse_sender(text: str) -> Sender:
    """`no-reply@example.com` or `Example <no-reply@example.com>`; raises ValueError."""
    name, bracket, rest = text.strip().rpartition("<")
    address = rest.removesuffix(">") if bracket else rest
    name = name.strip().removeprefix('"').removesuffix('"')
    if bool(bracket) != rest.endswith(">") or not is_mail_address(address) or one_line(text) != text.strip():
        raise ValueError(_EXPECTED_SENDER)
    return Sender(name, address)


def is_mail_address(text: str) -> bool:
    """Whether a mail server can be told to deliver there: ASCII, one `@`, nothing that could end a command."""
    if not _ADDRESS.fullmatch(text) or len(text) > 254:
        return False
    try:
        Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message: who, what, and the id that stays the same however often it is sent."""

    sender: Sender
    to: str
    subject: str
    text: str
    html: str
    language: str
    at: datetime
    message_id: str


def build_message(mail: Mail) -> bytes:
    """The message as it travels (RFC 5322), in ASCII, with both bodies; raises ValueError for a bad recipient.

    `Auto-Submitted` (RFC 3834) and its older kin keep holiday answers away. There are no `List-` headers: these letters
    are to one person about one account, and nobody can subscribe to them or leave.
    """
    if not is_mail_address(mail.to):
        raise ValueError("the recipient's address cannot be written to")
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(one_line(mail.sender.name), addr_spec=mail.sender.address)
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = one_line(mail.subject)
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = f"<{mail.message_id}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    # Set last: what is set before the second body belongs to the first alone.
    message["Content-Language"] = mail.language
    return message.as_bytes()
