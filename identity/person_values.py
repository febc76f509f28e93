"""People as the identity rooms see them: frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from identity.values import PersonState

# Standard claims that a profile holds (OpenID Connect Core §5.1); username and mail addresses have places of their own.
TEXT_CLAIMS = (
    "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
    "website", "gender", "birthdate", "zoneinfo", "locale", "phone_number",
)  # fmt: skip
ADDRESS_PARTS = ("formatted", "street_address", "locality", "region", "postal_code", "country")


@dataclass(frozen=True, slots=True)
class Email:
    """A mail address of a person; `verified_at` is None where nobody knows that they read it."""

    address: str
    is_primary: bool
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """An account. `profile` holds standard claims by name, as they are given to applications."""

    id: bytes
    sub: str
    username: str | None
    state: PersonState
    is_admin: bool
    profile: Mapping[str, object]
    not_before: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int
    emails: tuple[Email, ...] = ()

    @property
    def primary_email(self) -> Email | None:
        """The address that applications are told, or None."""
        return next((email for email in self.emails if email.is_primary), None)

    @property
    def login(self) -> str:
        """What the person types to sign in: the username, else the primary mail address."""
        email = self.primary_email
        return self.username or (email.address if email else "")

    @property
    def shown_name(self) -> str:
        """How pages call the person."""
        name = self.profile.get("name")
        return name if isinstance(name, str) and name else self.login


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """An account as asked for; at least a username or a mail address.

    `email_verified`: whoever makes the account vouches that the person reads mail there. `password_hash` is one that
    this server made, or an imported one.
    """

    username: str | None = None
    email: str | None = None
    email_verified: bool = True
    name: str | None = None
    is_admin: bool = False
    profile: Mapping[str, object] = field(default_factory=dict)
    password_hash: str | None = None
