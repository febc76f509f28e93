"""What `ostiary doctor` asks the mail server: nothing is sent, and what it says of us is read."""

import ssl
from urllib.parse import urlsplit

from base.mail import Sender, SmtpAddress
from base.smtp import MailPutOff, MailRefused, MailUnreachable, connect


async def check_mail(
    address: SmtpAddress, sender: Sender, *, issuer: str, tls: ssl.SSLContext | None = None
) -> tuple[bool, str]:
    """Whether letters can leave, and in words what was found. `tls` are the authorities to believe (the system's)."""
    own_name = urlsplit(issuer).hostname or "localhost"
    try:
        async with connect(address, own_name=own_name, tls=tls) as connection:
            await connection.check_sender(sender.address)
            is_encrypted = connection.is_encrypted
    except MailUnreachable as failure:
        return False, f"{address} cannot be used: {failure}; check OSTIARY_SMTP_URL"
    except (MailPutOff, MailRefused) as refused:
        return False, f"{address} does not take letters from {sender.address}: {refused}; check OSTIARY_MAIL__SENDER"
    way = "encrypted" if is_encrypted else "NOT encrypted: whoever is on the way can read the links in letters"
    return True, f"{address} takes letters from {sender.address}, {way}"
