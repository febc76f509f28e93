"""What `identity/` must be told; the composition root fills it from the server's settings."""

from dataclasses import dataclass
from datetime import timedelta


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
    key_publish_before: timedelta = timedelta(minutes=10)
    key_cache: timedelta = timedelta(minutes=10)
    password_min_length: int = 12

    @property
    def is_https(self) -> bool:
        """Whether cookies are Secure and carry the `__Host-` prefix: the configured issuer decides, never a request."""
        return self.issuer.startswith("https://")
