"""Codes of authenticator apps (RFC 6238): the rules, without I/O. The computation itself is pyotp's."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from urllib.parse import quote, urlencode

from pyotp import TOTP

from base.clock import to_seconds
from identity.factors.typed import bare_text

PERIOD_S = 30
# One step back and one ahead: clocks differ, and typing takes time (RFC 6238 §5.2).
_WINDOW = (-1, 0, 1)
_DIGESTS: Mapping[str, Callable[..., "hashlib._Hash"]] = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256}
# A key as long as the digest (RFC 6238 §3, R6); 160 bits at least (RFC 4226 §4, R6).
SECRET_BYTES = {"SHA1": 20, "SHA256": 32}


@dataclass(frozen=True, slots=True)
class TotpParameters:
    """What app and server must agree on; kept with each credential, so that a setting's change breaks none."""

    algorithm: Literal["SHA1", "SHA256"] = "SHA1"
    digits: int = 6
    period: int = PERIOD_S

    def as_attributes(self) -> dict[str, object]:
        """How a credential keeps them."""
        return {"algorithm": self.algorithm, "digits": self.digits, "period": self.period}

    @classmethod
    def of_attributes(cls, attributes: Mapping[str, object]) -> "TotpParameters":
        """The parameters that a credential kept."""
        algorithm = cast(Literal["SHA1", "SHA256"], attributes["algorithm"])
        return cls(algorithm, cast(int, attributes["digits"]), cast(int, attributes["period"]))


def show_secret(secret: bytes) -> str:
    """The secret as apps take it: Base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def group_secret(secret: bytes) -> str:
    """The same in groups of four, for typing."""
    text = show_secret(secret)
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def code_at(secret: bytes, parameters: TotpParameters, step: int) -> str:
    """The code of one step."""
    return _generator(secret, parameters).generate_otp(step)


def _generator(secret: bytes, parameters: TotpParameters) -> TOTP:
    return TOTP(show_secret(secret), digits=parameters.digits, digest=_DIGESTS[parameters.algorithm])


def step_of(now: datetime, parameters: TotpParameters) -> int:
    """The number of the step in which `now` lies."""
    return to_seconds(now) // parameters.period


def parse_code(typed: str) -> str:
    """What was meant by a typed code: `123 456`, `123-456` and full-width digits are 123456; else an empty text."""
    code = bare_text(typed)
    return code if code.isascii() and code.isdigit() else ""


def matching_steps(code: str, secret: bytes, parameters: TotpParameters, *, now: datetime) -> tuple[int, ...]:
    """The steps whose code this is, at most one from now, oldest first; by chance there may be two.

    Every step of the window is compared, so that time does not tell which one was near.
    """
    current = step_of(now, parameters)
    steps = [current + offset for offset in _WINDOW if current + offset >= 0]
    app, typed = _generator(secret, parameters), code.encode()
    same = [hmac.compare_digest(app.generate_otp(step).encode(), typed) for step in steps]
    return tuple(step for step, is_same in zip(steps, same, strict=True) if is_same)


def otpauth_link(secret: bytes, parameters: TotpParameters, *, issuer: str, account: str) -> str:
    """The `otpauth:` link that a QR code holds (Google Authenticator's Key URI Format).

    A colon parts issuer and account in the label, so neither keeps one; a space is %20, never a plus sign.
    """
    issuer, account = (" ".join(part.replace(":", " ").split()) for part in (issuer, account))
    query = {
        "secret": show_secret(secret),
        "issuer": issuer,
        "algorithm": parameters.algorithm,
        "digits": parameters.digits,
        "period": parameters.period,
    }
    label = f"{quote(issuer, safe='')}:{quote(account, safe='@')}"
    return f"otpauth://totp/{label}?{urlencode(query, quote_via=quote)}"
