"""Where each step of a sign-in has its page."""

from typing import assert_never

from identity.signin.state import Asked, Consent, Enrol, Prove, SignIn
from policy.assurance import PASSKEYS

PROVING = {
    "totp": "/signin/totp",
    "backup_code": "/signin/backup-code",
    "mail_code": "/signin/mail-code",
    **dict.fromkeys(PASSKEYS, "/signin/passkey"),
}


def path_of(step: Asked) -> str:
    """The page of a step."""
    match step:
        case SignIn():
            return "/signin"
        case Prove(methods):
            return PROVING[methods[0]]
        case Enrol():
            return "/enrol"
        case Consent():
            return "/consent"
    assert_never(step)
