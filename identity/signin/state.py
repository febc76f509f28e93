"""What can come next in a sign-in, as frozen values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignIn:
    """The person proves who they are at the sign-in page."""


@dataclass(frozen=True, slots=True)
class Consent:
    """The person is asked whether the application may have what it asks for."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Everything is there: the application gets its code, or, without an application, the person is in."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The application is told no: an error code of OpenID Connect Core §3.1.2.6 or RFC 6749 §4.1.2.1, and why."""

    error: str
    description: str


Step = SignIn | Consent | Issue | Refuse
