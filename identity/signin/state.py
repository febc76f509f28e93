"""What can come next in a sign-in, as frozen values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignIn:
    """The person proves who they are at the sign-in page."""


@dataclass(frozen=True, slots=True)
class Prove:
    """The person proves one more of these methods (`policy.assurance`), the first being the one to begin with."""

    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Enrol:
    """The person adds a factor, one of these methods; `may_put_off`: or says later."""

    methods: tuple[str, ...]
    may_put_off: bool


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


Step = SignIn | Prove | Enrol | Consent | Issue | Refuse
# What a person does on a page of ours.
Asked = SignIn | Prove | Enrol | Consent
