"""Settings that belong together: their defaults, their limits, and a sentence for each."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from base.request import Network
from server.setting_values import (
    check_called_url,
    check_header_name,
    check_mail_addresses,
    check_sender,
    check_syslog_url,
    check_webhook_secrets,
    parse_network,
    parse_paths,
    read_items,
)

Networks = Annotated[
    tuple[Network, ...], BeforeValidator(lambda value: tuple(parse_network(item) for item in read_items(value)))
]
Paths = Annotated[tuple[Path, ...], BeforeValidator(parse_paths)]
HeaderName = Annotated[str, AfterValidator(check_header_name)]
CalledUrl = Annotated[str, AfterValidator(check_called_url)]
MailAddresses = Annotated[str, AfterValidator(check_mail_addresses)]


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

    publish_s: int = Field(
        default=1800, ge=60, le=2592000, description="Seconds a key is published before it may sign."
    )
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


class Outbound(Group):
    """What calls to other systems may reach (S48)."""

    allow: Networks = Field(
        default=(), description="Private networks that configured webhooks may reach, with commas between."
    )
    timeout_s: float = Field(default=5.0, ge=0.5, le=60, description="Seconds that a call may take.")


class Audit(Group):
    """How long events are kept, and where the log's statements go."""

    retention_days: int = Field(default=400, ge=0, le=36500, description="Days that events are kept; 0: for ever.")
    max_events: int = Field(
        default=0, ge=0, le=1_000_000_000, description="Events kept at most; 0: no limit, 10000 suits a small site."
    )
    archive_dir: Path | None = Field(default=None, description="A folder that gets old events before they are removed.")
    checkpoint_file: Path | None = Field(
        default=None, description="The file that gets every checkpoint; default: checkpoints.txt in the data folder."
    )
    checkpoint_dir: Path | None = Field(
        default=None, description="A folder, such as a mounted bucket, that gets a file a checkpoint."
    )
    checkpoint_url: str | None = Field(default=None, description="An https address that gets every checkpoint by POST.")
    checkpoint_every_s: int = Field(default=60, ge=1, le=3600, description="Seconds between checkpoints.")
    erasure_journal: Path | None = Field(
        default=None, description="The file that remembers erasures; default: erasures.journal in the data folder."
    )


class Alert(Group):
    """Who is told at once, and what is worth it."""

    webhook_url: CalledUrl | None = Field(default=None, description="An https address that gets alerts by POST.")
    webhook_secret: Annotated[str, AfterValidator(check_webhook_secrets)] | None = Field(
        default=None, description="The key that signs them: whsec_ and Base64; a list, newest first."
    )
    slack_url: CalledUrl | None = Field(default=None, description="An incoming webhook of Slack.")
    pagerduty_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{32}$")] | None = Field(
        default=None, description="An integration key of PagerDuty (Events API v2)."
    )
    pagerduty_url: CalledUrl = Field(
        default="https://events.pagerduty.com/v2/enqueue", description="Where PagerDuty takes events."
    )
    email: MailAddresses | None = Field(default=None, description="Mail addresses that get alerts.")
    escalate_email: MailAddresses | None = Field(
        default=None, description="Mail addresses that are added when nobody acknowledged."
    )
    language: Literal["en", "tr"] = Field(default="en", description="The language of alerts: en or tr.")
    escalate_s: int = Field(
        default=300, ge=60, le=86400, description="Seconds without acknowledgement until an alert is sent again."
    )
    quiet_s: int = Field(
        default=900, ge=60, le=86400, description="Seconds within which the same thing stays one alert."
    )
    account_failures: int = Field(
        default=20, ge=2, le=10000, description="Failed sign-ins of one account in 15 minutes that are an alert."
    )
    address_accounts: int = Field(
        default=10, ge=2, le=10000, description="Accounts that one address failed at in 15 minutes that are an alert."
    )
    lockouts: int = Field(default=10, ge=2, le=10000, description="Lockouts in 15 minutes that are an alert.")


class Siem(Group):
    """Where every event goes as it happens."""

    syslog_url: Annotated[str, AfterValidator(check_syslog_url)] | None = Field(
        default=None, description="tls://host:6514, where syslog is taken (RFC 5425)."
    )
    syslog_ca: Path | None = Field(
        default=None, description="The authorities of its certificate (PEM); default: the system's."
    )
    syslog_format: Literal["ocsf", "ecs", "cef"] = Field(default="ocsf", description="The form: ocsf, ecs or cef.")
    file: Path | None = Field(default=None, description="A file that gets a line an event.")
    file_format: Literal["ocsf", "ecs", "cef"] = Field(default="ocsf", description="The form: ocsf, ecs or cef.")


class Report(Group):
    """The daily report."""

    daily_at: str = Field(default="06:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="When it is made (UTC).")
    daily: bool = Field(default=True, description="Whether a report is made each day.")
    language: Literal["en", "tr"] = Field(default="en", description="The language that it is written in.")
    email: MailAddresses | None = Field(
        default=None, description="Mail addresses that are told of it, with commas between."
    )
    keep_days: int = Field(default=400, ge=1, le=36500, description="Days that reports are kept.")


class Risk(Group):
    """How sure the server is of a person: what it is told of addresses, and where scores begin to matter."""

    notice: int = Field(default=30, ge=1, le=100, description="Score from which a person is told of a sign-in.")
    step_up: int = Field(default=60, ge=1, le=100, description="Score from which a second factor is asked for.")
    strong: int = Field(default=90, ge=1, le=100, description="Score from which only a passkey or recovery will do.")
    list_tor: Path | None = Field(default=None, description="A file of Tor exits: an address or network a line.")
    list_hosting: Path | None = Field(default=None, description="A file of hosting networks, in the same form.")
    list_mobile: Path | None = Field(default=None, description="A file of mobile networks, in the same form.")
    list_anonymous: Path | None = Field(default=None, description="A file of VPN and proxy networks, in the same form.")
    list_blocked: Path | None = Field(default=None, description="A file of blocked networks, in the same form.")
    country_header: HeaderName | None = Field(
        default=None, description="The header in which trusted proxies give the caller's country, such as CF-IPCountry."
    )
    city_header: HeaderName | None = Field(
        default=None, description="The header in which they give the city, such as CF-IPCity."
    )
    tls_header: HeaderName | None = Field(
        default=None, description="The header in which they describe the TLS handshake, such as a JA4 fingerprint."
    )
