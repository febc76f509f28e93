"""The event catalogue's grammar: what an event type is, and the register that holds them all.

A name is `family.action`. Each data field is public, or personal: sealed under the key of the person it is about.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How soon somebody must look; HIGH ones alert at once."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


FAMILIES = frozenset(
    "login logout mfa backup_code password recovery lockout session device token client risk policy admin".split()
)


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event: its name, severity, data fields, and a sentence for people."""

    name: str
    severity: Severity
    sentence: str
    public: frozenset[str] = frozenset()
    personal: frozenset[str] = frozenset()

    @property
    def family(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]


def _event(name: str, severity: Severity, sentence: str, *, public: str = "", personal: str = "") -> EventType:
    return EventType(name, severity, sentence, frozenset(public.split()), frozenset(personal.split()))


LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH

LOGIN_SUCCEEDED = _event(
    "login.succeeded", LOW, "A person signed in.", public="methods new_device", personal="user_agent"
)
LOGIN_FAILED = _event("login.failed", MEDIUM, "A sign-in failed.", public="reason typed_digest", personal="user_agent")
LOGIN_REFUSED = _event(
    "login.refused", MEDIUM, "A sign-in was refused before any proof was looked at.",
    public="reason", personal="user_agent",
)  # fmt: skip
LOGIN_CONSENTED = _event("login.consented", LOW, "A person allowed an application.", public="scopes audience")
LOGIN_DENIED = _event("login.denied", LOW, "A person refused an application.", public="scopes audience")
LOGIN_CONSENT_WITHDRAWN = _event(
    "login.consent_withdrawn", MEDIUM, "A person took back what an application was allowed."
)
LOGOUT_SUCCEEDED = _event("logout.succeeded", LOW, "A person signed out.", public="initiated_by")
LOGOUT_REFUSED = _event("logout.refused", MEDIUM, "A request to sign out was refused.", public="reason")
LOCKOUT_STARTED = _event(
    "lockout.started", HIGH, "Too many failures: proofs are refused for a while.", public="failures until scope"
)
LOCKOUT_ENDED = _event("lockout.ended", LOW, "An administrator opened a locked door again.")
SESSION_STARTED = _event("session.started", LOW, "A session began.", personal="user_agent")
SESSION_ENDED = _event("session.ended", LOW, "A session ended.", public="why")
SESSIONS_ENDED = _event("session.all_ended", MEDIUM, "All of a person's sessions ended.", public="why")
DEVICE_ADDED = _event("device.added", LOW, "A person signed in with a new device.", personal="label")
PASSWORD_SET = _event("password.set", MEDIUM, "A password was set.", public="why")
PASSWORD_RENEWED = _event("password.hash_renewed", LOW, "A password's hash was renewed at sign-in.", public="scheme")
TOKEN_ISSUED = _event("token.issued", LOW, "Tokens were issued.", public="grant_type grant jti scope audience kid")
TOKEN_REFRESHED = _event("token.refreshed", LOW, "Tokens were refreshed.", public="grant jti number scope kid")
TOKEN_REFUSED = _event("token.refused", MEDIUM, "A token request was refused.", public="error reason grant_type grant")
TOKEN_REUSED = _event("token.reused", HIGH, "A spent code or refresh token came back: the grant was ended.",
                      public="kind grant")  # fmt: skip
TOKEN_REVOKED = _event("token.revoked", LOW, "A token was revoked.", public="kind jti grant")
GRANT_ENDED = _event("token.grant_ended", MEDIUM, "A grant ended with all of its tokens.", public="grant why")
CODE_ISSUED = _event("token.code_issued", LOW, "An authorization code was issued.", public="grant scope audience")
CLIENT_REFUSED = _event(
    "client.authentication_failed", MEDIUM, "An application failed to authenticate.", public="method reason"
)
CLIENT_CREATED = _event("client.created", MEDIUM, "An application was registered.", public="after")
CLIENT_CHANGED = _event("client.changed", MEDIUM, "An application was changed.", public="before after")
CLIENT_DELETED = _event("client.deleted", HIGH, "An application was deleted.", public="before")
CLIENT_SECRET_ADDED = _event(
    "client.secret_added", MEDIUM, "An application got a new secret.", public="hint expires_at"
)
API_CREATED = _event("client.api_created", MEDIUM, "An API was registered.", public="after")
API_CHANGED = _event("client.api_changed", MEDIUM, "An API was changed.", public="before after")
API_DELETED = _event("client.api_deleted", HIGH, "An API was deleted.", public="before")
PERSON_CREATED = _event(
    "admin.person_created", MEDIUM, "An account was made.", public="is_admin via", personal="username email name"
)
PERSON_STATE_CHANGED = _event("admin.person_state_changed", HIGH, "An account's state changed.", public="before after")
LINK_MADE = _event("admin.link_made", HIGH, "A one-time link for a new administrator was made.", public="expires_at")
LINK_USED = _event("admin.link_used", HIGH, "A one-time administrator link was used.")
KEY_ADDED = _event("admin.key_added", MEDIUM, "A signing key was made.", public="kid alg state")
KEY_CHANGED = _event("admin.key_changed", MEDIUM, "A signing key changed its state.", public="kid alg before after")
KEY_REVOKED = _event("admin.key_revoked", HIGH, "A signing key was revoked.", public="kid alg before")
DATA_EXPORTED = _event("admin.audit_exported", MEDIUM, "The audit log was exported.", public="count")


def all_types() -> dict[str, EventType]:
    """Every event type by its name."""
    return {value.name: value for value in globals().values() if isinstance(value, EventType)}
