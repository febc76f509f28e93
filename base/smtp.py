"""A connection to the mail server, with limits on every wait and no word of a letter in what it reports.

A server's own words may repeat addresses, so failures are told by the stage and the reply code alone.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from base.mail import SmtpAddress

# A server may look an address up while we wait (RFC 5321 §4.5.3.2 allows minutes); nobody waits for us meanwhile.
COMMAND_TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 15.0
LETTER_TIMEOUT_S = 60.0


class MailUnreachable(Exception):
    """No letter can be sent just now: no connection, no encryption, not let in. `str()` says which."""


class MailPutOff(Exception):
    """This letter was not taken now, and may be later. `is_cut`: the connection is of no more use."""

    def __init__(self, reason: str, *, is_cut: bool) -> None:
        super().__init__(reason)
        self.is_cut = is_cut


class MailRefused(Exception):
    """This letter will never be taken: trying again means nothing to the server but trouble."""


class MailConnection:
    """An open connection; one letter at a time."""

    def __init__(self, client: SMTP) -> None:
        self._client = client

    @property
    def is_encrypted(self) -> bool:
        """Whether nobody on the way can read along."""
        return self._client.get_transport_info("sslcontext") is not None

    async def check_sender(self, sender: str) -> None:
        """Returns where the server would take a letter from this address; sends none. Raises as `send` does."""
        with _told_apart():
            await self._client.mail(sender)
            await self._client.rset()

    async def send(self, sender: str, to: str, message: bytes) -> None:
        """Returns when the server has taken the letter for delivery; raises MailPutOff or MailRefused."""
        with _told_apart():
            async with asyncio.timeout(LETTER_TIMEOUT_S):
                await self._client.sendmail(sender, [to], message)


@contextmanager
def _told_apart() -> Iterator[None]:
    """Turns the client's exceptions into ours."""
    try:
        yield
    except SMTPRecipientsRefused as refused:
        raise _told("recipient", refused.recipients[0]) from None
    except SMTPSenderRefused as refused:
        # That is about us and not about the letter: whoever runs the server can mend it.
        raise MailPutOff(f"sender refused ({refused.code})", is_cut=False) from None
    except SMTPResponseException as refused:
        raise _told("letter", refused) from None
    except (SMTPException, OSError, TimeoutError) as failure:
        raise MailPutOff(f"connection lost ({type(failure).__name__})", is_cut=True) from None
    except ValueError:
        # The client's own check of an address that no server would take.
        raise MailRefused("recipient refused (malformed)") from None


def _told(what: str, refused: SMTPResponseException) -> MailPutOff | MailRefused:
    reason = f"{what} refused ({refused.code})"
    if 500 <= refused.code < 600:
        return MailRefused(reason)
    # 421: the server is about to hang up (RFC 5321 §3.8).
    return MailPutOff(reason, is_cut=refused.code == 421)


@asynccontextmanager
async def connect(
    address: SmtpAddress, *, own_name: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[MailConnection]:
    """A connection that is encrypted as demanded and logged in; closed at the end. Raises MailUnreachable.

    `own_name` is how we greet; `tls` are the authorities to believe, by default the system's.
    """
    client = SMTP(
        hostname=address.host,
        port=address.port,
        username=address.username,
        password=address.password,
        local_hostname=own_name,
        timeout=COMMAND_TIMEOUT_S,
        use_tls=address.encryption == "tls",
        # True demands it: where the server (or who sits between) leaves it out, nothing is sent.
        start_tls=address.encryption == "starttls",
        tls_context=tls,
    )
    try:
        await _open(client)
        yield MailConnection(client)
    finally:
        # A server that hung up has nothing left to say goodbye to.
        with suppress(SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(2):
                await client.quit()
        client.close()


async def _open(client: SMTP) -> None:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await client.connect()
    except SMTPAuthenticationError as refused:
        raise MailUnreachable(f"it refused the user or password ({refused.code})") from None
    except SMTPResponseException as refused:
        raise MailUnreachable(f"it refused the connection ({refused.code})") from None
    except TimeoutError:
        raise MailUnreachable("it did not answer in time") from None
    except (SMTPException, OSError) as failure:
        # The client wraps what the system said.
        raise MailUnreachable(_in_words(failure.__cause__ or failure)) from None


def _in_words(failure: BaseException) -> str:
    match failure:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not to be trusted ({failure.verify_message})"
        case ssl.SSLError():
            return f"no encryption could be agreed on ({failure.reason})"
        case SMTPException():
            return f"it does not offer what is needed ({failure.message})"
        case _:
            return f"no connection ({type(failure).__name__})"
