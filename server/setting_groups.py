"""Settings that belong together: their defaults, their limits, and a sentence for each."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from server.setting_values import check_sender


class Group(BaseModel):
    """Settings that belong together; their variables share a name before `__`."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Lockout(Group):
    """When failures close the door to proofs (S23)."""

    failures: int = Field(default=5, ge=1, le=100, description="Failures after which proofs are refused for a while.")
    duration_s: int = Field(default=900, ge=60, le=86400, description="How long proofs are refused, in seconds.")


class Session(Group):
    """How long a sign-in lasts (S32)."""

    idle_s: int = Field(
        default=1800, ge=60, le=2592000, description="Seconds without use after which a session is over."
    )
    absolute_s: int = Field(
        default=86400, ge=300, le=31536000, description="Seconds after which a session is over anyway."
    )

    keep_s: int = Field(
        default=0, ge=0, le=34560000, description='How long "keep me signed in" keeps, in seconds; 0: not offered.'
    )
    most: int = Field(default=0, ge=0, le=1000, description="Sessions that a person may have at a time; 0: no limit.")


class AccessToken(Group):
    """Access tokens."""

    ttl_s: int = Field(default=300, ge=30, le=86400, description="How long an access token lives, in seconds.")


class Refresh(Group):
    """Refresh tokens (S10)."""

    idle_s: int = Field(
        default=1209600, ge=60, le=31536000, description="Seconds without use that end a refresh token."
    )
    absolute_s: int = Field(
        default=7776000, ge=300, le=63072000, description="Seconds after which a refresh family ends."
    )
    grace_s: int = Field(
        default=10, ge=0, le=60, description="Seconds in which the previous token gives the same successor."
    )


class Password(Group):
    """What a password must be (S20)."""

    min_length: int = Field(default=12, ge=8, le=64, description="The fewest characters a password may have.")
    breached_file: Path | None = Field(
        default=None, description="A file of breached passwords: SHA-1 in capital hex, sorted, a line each."
    )


class Totp(Group):
    """Codes of authenticator apps; what is set here holds for new ones."""

    algorithm: Literal["SHA1", "SHA256"] = Field(default="SHA1", description="SHA1, which every app knows, or SHA256.")
    digits: Literal[6, 8] = Field(default=6, description="Digits of a code: 6, which every app knows, or 8.")


class BackupCodes(Group):
    """Backup codes (S26)."""

    count: int = Field(default=10, ge=5, le=20, description="How many backup codes a set has.")


class Passkey(Group):
    """Passkeys (S30)."""

    attestation_roots: Path | None = Field(
        default=None, description="Makers' root certificates (PEM); without them no passkey reaches aal3."
    )


class Mfa(Group):
    """Second factors (S28)."""

    required: bool = Field(default=False, description="Whether everybody needs a second factor.")
    grace_days: int = Field(
        default=7, ge=0, le=365, description="Days for which adding a required factor may be put off; 0: not at all."
    )
    mail_code: bool = Field(
        default=False, description="Whether a mailed code stands in for a second factor; it never reaches aal2."
    )
    remember_days: int = Field(
        default=30, ge=0, le=90, description="Days for which a browser may be remembered; 0: not offered."
    )


class Registration(Group):
    """Accounts that people make by themselves."""

    open: bool = Field(default=False, description="Whether anybody may make an account.")


class Account(Group):
    """A person's own pages."""

    delete_grace_days: int = Field(
        default=14, ge=0, le=365, description="Days after which an account is deleted whose person asked for it."
    )


class Mail(Group):
    """Letters."""

    sender: Annotated[str, AfterValidator(check_sender)] | None = Field(
        default=None, description="The address that letters come from: name <a@b.c>, or a@b.c."
    )


class Keys(Group):
    """When signing keys are published (S39)."""

    publish_s: int = Field(default=600, ge=60, le=2592000, description="Seconds a key is published before it may sign.")
    cache_s: int = Field(default=600, ge=10, le=86400, description="Seconds that others may keep the key set.")


class Rate(Group):
    """Limits at the sign-in page, in 15 minutes."""

    per_address: int = Field(
        default=100, ge=1, le=1000000, description="Sign-in attempts from one address in 15 minutes."
    )
    per_network: int = Field(
        default=1000, ge=1, le=1000000, description="Sign-in attempts from one network in 15 minutes."
    )


class Log(Group):
    """What is written to standard error."""

    access: bool = Field(default=True, description="Whether each request is written as a line of JSON.")
