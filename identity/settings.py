"""What `identity/` must be told; the composition root fills it from the server's settings."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from policy.values import RiskThresholds


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """Durations, limits and addresses of the identity rooms. All durations are positive unless said otherwise."""

    issuer: str
    service_name: str = "Ostiary"
    lockout_failures: int = 5
    lockout_duration: timedelta = timedelta(minutes=15)
    # Sign-in attempts from one address, and from one network, in 15 minutes.
    address_attempts: int = 100
    network_attempts: int = 1000
    refusal_deadline: timedelta = timedelta(milliseconds=500)
    session_idle: timedelta = timedelta(minutes=30)
    session_absolute: timedelta = timedelta(hours=24)
    code_ttl: timedelta = timedelta(seconds=60)
    attempt_ttl: timedelta = timedelta(minutes=30)
    link_ttl: timedelta = timedelta(minutes=30)
    access_token_ttl: timedelta = timedelta(seconds=300)
    id_token_ttl: timedelta = timedelta(seconds=300)
    refresh_idle: timedelta = timedelta(days=14)
    refresh_absolute: timedelta = timedelta(days=90)
    # 0 is allowed: then every second use of a refresh token is reuse.
    refresh_grace: timedelta = timedelta(seconds=10)
    # Meshes ask for the keys every 20 minutes and not for an unknown one, and an edge may keep them for `key_cache`.
    key_publish_before: timedelta = timedelta(minutes=30)
    key_cache: timedelta = timedelta(minutes=10)
    password_min_length: int = 12
    # 0: sessions end with the browser and by the ordinary limits. Otherwise how long "keep me signed in" keeps.
    session_keep: timedelta = timedelta()
    # The most sessions that a person may have at a time; 0 for no limit.
    session_most: int = 0
    # How long after a proof a person may change what guards the account (S29).
    fresh_for: timedelta = timedelta(minutes=10)
    backup_codes: int = 10
    totp_algorithm: Literal["SHA1", "SHA256"] = "SHA1"
    totp_digits: Literal[6, 8] = 6
    # 0: no browser is remembered.
    remember_device: timedelta = timedelta(days=30)
    # How long a demanded enrolment of a second factor may be put off; 0 not at all.
    enrol_grace: timedelta = timedelta(days=7)
    # Certificates (PEM) of passkey makers; without them no passkey counts as attested.
    attestation_roots: tuple[bytes, ...] = ()
    open_registration: bool = False
    # Whether letters leave: to a mail server, or to the demo's page.
    has_mail: bool = False
    recovery_ttl: timedelta = timedelta(minutes=30)
    verify_ttl: timedelta = timedelta(days=1)
    invite_ttl: timedelta = timedelta(days=7)
    not_me_ttl: timedelta = timedelta(days=7)
    delete_grace: timedelta = timedelta(days=14)
    # Scores from which something follows where an application has none of its own.
    risk_thresholds: RiskThresholds = field(default_factory=RiskThresholds)

    @property
    def is_https(self) -> bool:
        """Whether cookies are Secure and carry the `__Host-` prefix: the configured issuer decides, never a request."""
        return self.issuer.startswith("https://")
