"""The event catalogue's grammar: what an event type is, and the register that holds them all.

A name is `family.action`. Each data field is public, or personal: sealed under the key of the person it is about.
A new type also gets its Turkish sentence (`locale/tr.po`) and its class of OCSF (`siem/ocsf_classes.py`).
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
LOGIN_BEGUN = _event(
    "login.begun", LOW, "A person proved a first factor; more is asked for before they are in.",
    public="method", personal="user_agent",
)  # fmt: skip
LOGIN_FAILED = _event("login.failed", MEDIUM, "A sign-in failed.", public="reason typed_digest", personal="user_agent")
LOGIN_REFUSED = _event(
    "login.refused", MEDIUM, "A sign-in was refused before any proof was looked at.",
    public="reason", personal="user_agent",
)  # fmt: skip
LOGIN_NEW_COUNTRY = _event(
    "login.new_country", LOW, "A person signed in from a country that they never signed in from before.",
    personal="user_agent",
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
LOCKOUT_PASSED = _event("lockout.passed", MEDIUM, "A mailed link gave a browser its own counter past a locked door.")
MFA_SUCCEEDED = _event("mfa.succeeded", LOW, "A second factor was proven.", public="method credential")
MFA_FAILED = _event("mfa.failed", MEDIUM, "A second factor failed.", public="method reason", personal="user_agent")
MFA_REFUSED = _event(
    "mfa.refused", MEDIUM, "A second factor was refused before it was looked at.",
    public="method reason", personal="user_agent",
)  # fmt: skip
MFA_ENROLLED = _event(
    "mfa.enrolled", MEDIUM, "A person added a factor.", public="method credential", personal="label user_agent"
)
MFA_RENAMED = _event("mfa.renamed", LOW, "A person renamed a factor.", public="method credential", personal="label")
MFA_REMOVED = _event("mfa.removed", HIGH, "A factor was removed.", public="method credential why", personal="label")
MFA_DEMANDED = _event(
    "mfa.demanded", LOW, "From now on a person must add a second factor, at the latest then.", public="due_at"
)
MFA_PUT_OFF = _event("mfa.put_off", LOW, "A person put off adding a second factor.", public="due_at")
MFA_COUNTER = _event(
    "mfa.counter_regressed", HIGH, "A passkey's counter went back: it may have been copied.", public="credential"
)
MFA_CODE_MAILED = _event("mfa.code_mailed", LOW, "A code was sent by mail.", public="purpose")
BACKUP_CODES_MADE = _event("backup_code.generated", MEDIUM, "A set of backup codes was made.", public="count")
BACKUP_CODES_CONFIRMED = _event("backup_code.confirmed", LOW, "A person proved that they saved their backup codes.")
BACKUP_CODE_USED = _event("backup_code.used", MEDIUM, "A backup code was used.", public="left")
BACKUP_CODE_FAILED = _event(
    "backup_code.failed", MEDIUM, "A backup code did not fit.", public="reason", personal="user_agent"
)
RECOVERY_ASKED = _event(
    "recovery.asked", MEDIUM, "Somebody asked for a way back into an account.",
    public="found typed_digest", personal="user_agent",
)  # fmt: skip
RECOVERY_REFUSED = _event("recovery.refused", MEDIUM, "A recovery was refused.", public="reason", personal="user_agent")
RECOVERY_DONE = _event("recovery.completed", HIGH, "A person got back in by recovery.", public="by")
RECOVERY_RESET_MADE = _event(
    "recovery.reset_started", HIGH, "An administrator started a reset.", public="password factors expires_at"
)
RECOVERY_NOT_ME = _event(
    "recovery.not_me", HIGH, "A person said that something was not them: everything was ended.", public="about"
)
SESSION_STARTED = _event("session.started", LOW, "A session began.", personal="user_agent")
SESSION_ENDED = _event("session.ended", LOW, "A session ended.", public="why")
SESSIONS_ENDED = _event("session.all_ended", MEDIUM, "All of a person's sessions ended.", public="why")
DEVICE_ADDED = _event("device.added", LOW, "A person signed in with a new device.", personal="label")
DEVICE_REMEMBERED = _event("device.remembered", LOW, "A browser was remembered after a second factor.", public="until")
DEVICE_FORGOTTEN = _event("device.forgotten", LOW, "A browser is no longer remembered.", public="why")
DEVICE_RENAMED = _event("device.renamed", LOW, "A person renamed a device.", personal="label")
DEVICE_REMOVED = _event("device.removed", MEDIUM, "A device was removed.", public="why", personal="label")
DEVICE_CLONED = _event(
    "device.cloned", HIGH, "One device's cookie came from two places at once: it may have been copied.",
    public="effect", personal="label user_agent",
)  # fmt: skip
PASSWORD_SET = _event("password.set", MEDIUM, "A password was set.", public="why")
PASSWORD_CLEARED = _event("password.cleared", HIGH, "A password was made useless: a new one must be set.", public="why")
PASSWORD_RENEWED = _event("password.hash_renewed", LOW, "A password's hash was renewed at sign-in.", public="scheme")
TOKEN_ISSUED = _event(
    "token.issued", LOW, "Tokens were issued.", public="grant_type grant jti scope audience kid kind from_jti via"
)
TOKEN_REFRESHED = _event("token.refreshed", LOW, "Tokens were refreshed.", public="grant jti number scope kid")
TOKEN_REFUSED = _event("token.refused", MEDIUM, "A token request was refused.", public="error reason grant_type grant")
TOKEN_REUSED = _event("token.reused", HIGH, "A spent code or refresh token came back: the grant was ended.",
                      public="kind grant")  # fmt: skip
IN_FORCE = _event(
    "token.revocation_in_force", LOW, "What was revoked is refused at every service that follows the feed.",
    public="epoch first last followers ms",
)  # fmt: skip
NOT_IN_FORCE = _event(
    "token.revocation_not_in_force", MEDIUM, "A service that follows the feed did not confirm a revocation in time.",
    public="epoch first last followers reached refuses_at",
)  # fmt: skip
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
RISK_RAISED = _event(
    "risk.raised", MEDIUM, "The risk of a session rose over a threshold.", public="from to threshold why effect"
)
RISK_CRITICAL = _event(
    "risk.critical", HIGH, "A sign-in or a session looks very much like somebody else's.",
    public="from to threshold why effect",
)  # fmt: skip
RISK_LOWERED = _event(
    "risk.lowered", LOW, "The risk of a session fell under a threshold.", public="from to threshold why"
)
RISK_REPORTED = _event(
    "risk.reported", MEDIUM, "A service reported something about a person, a session or an address.",
    public="about kind weight until report", personal="note",
)  # fmt: skip
RISK_CALIBRATED = _event(
    "risk.calibrated", MEDIUM, "The risk score was fitted to this deployment's own sign-ins.",
    public="before calibration learned_from",
)  # fmt: skip
RISK_SIGNALS_MISSING = _event(
    "risk.signals_missing", LOW, "Some of what the risk score asks for could not be asked.", public="signals count"
)
POLICY_ACTIVATED = _event(
    "policy.activated", HIGH, "A set of policies was put in force.",
    public="revision before reason draft forced added removed changed also_changed",
)  # fmt: skip
POLICY_ROLLED_BACK = _event(
    "policy.rolled_back", HIGH, "An earlier set of policies was put in force again.",
    public="revision before same_as reason added removed changed also_changed",
)  # fmt: skip
POLICY_ACTIVATION_REFUSED = _event(
    "policy.activation_refused", MEDIUM, "A set of policies was not put in force.",
    public="why reason draft same_as faults policies",
)  # fmt: skip
POLICY_DRAFT_CHANGED = _event(
    "policy.draft_changed", LOW, "A draft of policies was written.", public="draft based_on is_shadow number"
)
POLICY_DRAFT_REMOVED = _event("policy.draft_removed", LOW, "A draft of policies was removed.", public="draft")
POLICY_LOAD_FAILED = _event(
    "policy.load_failed", HIGH, "A set of policies could not be used: the one before it stays in force.",
    public="revision before reason",
)  # fmt: skip
POLICY_FAILED = _event("policy.failed", HIGH, "Policies failed while they were asked, and denied.", public="action")
PERSON_CREATED = _event(
    "admin.person_created", MEDIUM, "An account was made.", public="is_admin via state", personal="username email name"
)
PERSON_STATE_CHANGED = _event("admin.person_state_changed", HIGH, "An account's state changed.", public="before after")
PERSON_CHANGED = _event("admin.person_changed", LOW, "An account's details changed.", public="fields")
PERSON_DELETION_ASKED = _event("admin.deletion_asked", HIGH, "A person asked to be deleted.", public="at")
PERSON_DELETION_UNDONE = _event("admin.deletion_undone", MEDIUM, "A person took back the wish to be deleted.")
PERSON_DATA_TAKEN = _event("admin.data_taken", MEDIUM, "A person downloaded their data.")
PERSON_IMPORTED = _event("admin.people_imported", MEDIUM, "Accounts were imported.", public="made known refused")
ROLE_CREATED = _event("admin.role_created", MEDIUM, "A role was made.", public="name")
ROLE_DELETED = _event("admin.role_deleted", HIGH, "A role was deleted, and taken from everybody.", public="name count")
ROLE_GRANTED = _event("admin.role_granted", HIGH, "A person was given a role.", public="name")
ROLE_TAKEN = _event("admin.role_taken", MEDIUM, "A role was taken from a person.", public="name")
GROUP_CREATED = _event("admin.group_created", LOW, "A group was made.", public="name")
GROUP_DELETED = _event("admin.group_deleted", MEDIUM, "A group was deleted.", public="name count")
GROUP_JOINED = _event("admin.group_joined", MEDIUM, "A person was put into a group.", public="name")
GROUP_LEFT = _event("admin.group_left", MEDIUM, "A person was taken out of a group.", public="name")
ORGANISATION_CREATED = _event("admin.organisation_created", LOW, "An organisation was made.", public="name")
ORGANISATION_DELETED = _event(
    "admin.organisation_deleted", MEDIUM, "An organisation was deleted with its groups.", public="name count"
)
ORGANISATION_JOINED = _event(
    "admin.organisation_joined", MEDIUM, "A person was put into an organisation.", public="name"
)
ORGANISATION_LEFT = _event(
    "admin.organisation_left", MEDIUM, "A person was taken out of an organisation.", public="name"
)
FORM_REFUSED = _event(
    "admin.form_refused", MEDIUM, "A form was refused that was not sent from its own page.", public="page"
)
EMAIL_ADDED = _event("admin.email_added", MEDIUM, "A mail address was added.", personal="email")
EMAIL_VERIFIED = _event("admin.email_verified", MEDIUM, "A mail address was verified.", personal="email")
EMAIL_REMOVED = _event("admin.email_removed", MEDIUM, "A mail address was removed.", public="why", personal="email")
EMAIL_PRIMARY = _event("admin.email_primary", HIGH, "An account's main mail address changed.", personal="before after")
INVITED = _event("admin.invited", MEDIUM, "Somebody was invited.", public="is_admin expires_at via")
REGISTRATION_ASKED = _event(
    "admin.registration_asked", LOW, "Somebody asked for an account.", public="found typed_digest"
)
MAIL_FAILED = _event("admin.mail_failed", MEDIUM, "A letter could not be delivered.", public="kind tries reason")
LINK_NOT_TAKEN = _event("admin.link_refused", MEDIUM, "A one-time link was refused.", public="kind reason")
LINK_MADE = _event("admin.link_made", HIGH, "A one-time link for a new administrator was made.", public="expires_at")
LINK_USED = _event("admin.link_used", HIGH, "A one-time administrator link was used.")
KEY_ADDED = _event("admin.key_added", MEDIUM, "A signing key was made.", public="kid alg state")
KEY_CHANGED = _event("admin.key_changed", MEDIUM, "A signing key changed its state.", public="kid alg before after")
KEY_REVOKED = _event("admin.key_revoked", HIGH, "A signing key was revoked.", public="kid alg before")
EVERYTHING_REVOKED = _event(
    "admin.everything_revoked", HIGH, "Every session, grant and token of the deployment was ended.",
    public="why sessions grants",
)  # fmt: skip
DATA_EXPORTED = _event("admin.audit_exported", MEDIUM, "The audit log was exported.", public="count")
AUDIT_SEARCHED = _event("admin.audit_searched", LOW, "The audit log was searched.", public="filters")
INTAKE_REFUSED = _event(
    "admin.intake_refused", MEDIUM, "Events that a service sent were refused.", public="refused reason"
)
AUDIT_PRUNED = _event(
    "admin.audit_pruned", MEDIUM, "Old events were removed from the log; their hashes stay.",
    public="first last archived",
)  # fmt: skip
PERSON_ERASED = _event(
    "admin.person_erased", HIGH, "A person's data in the log was made unreadable for good.", public="events"
)
REPORT_MADE = _event("admin.report_made", LOW, "A report was made.", public="kind from until formats")
REPORT_READ = _event("admin.report_read", LOW, "A report was read.", public="format fields")
EVIDENCE_MADE = _event(
    "admin.evidence_made", MEDIUM, "Events were handed out with their proofs.", public="first last size personal"
)
ALERT_ACKNOWLEDGED = _event("admin.alert_acknowledged", LOW, "An alert was acknowledged.", public="alert rule")
ALERT_UNDELIVERED = _event(
    "admin.alert_undelivered", MEDIUM, "An alert did not reach its receiver.", public="alert rule receiver reason tries"
)
ALERT_TESTED = _event("admin.alert_tested", LOW, "A test alert was sent.", public="receivers")
ALERT_SENT_AGAIN = _event("admin.alert_sent_again", LOW, "An undelivered alert is sent again.", public="alert receiver")


def all_types() -> dict[str, EventType]:
    """Every event type by its name."""
    return {value.name: value for value in globals().values() if isinstance(value, EventType)}
