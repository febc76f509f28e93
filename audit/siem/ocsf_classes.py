"""Which class and activity of OCSF 1.6.0 (the Open Cybersecurity Schema Framework) each event type is told as.

Where OCSF has no activity that fits, the event's own name stands in `activity_name` and the activity is 99, "Other".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

OCSF_VERSION = "1.6.0"
OTHER = 99


@dataclass(frozen=True, slots=True)
class OcsfClass:
    """One class of events: its number and name; the number of its category is the first digit."""

    uid: int
    name: str

    @property
    def category(self) -> int:
        """The category's number."""
        return self.uid // 1000


FINDING = OcsfClass(2004, "Detection Finding")
ACCOUNT = OcsfClass(3001, "Account Change")
AUTHENTICATION = OcsfClass(3002, "Authentication")
AUTHORIZE = OcsfClass(3003, "Authorize Session")
ENTITY = OcsfClass(3004, "Entity Management")
ACCESS = OcsfClass(3005, "User Access Management")
API = OcsfClass(6003, "API Activity")
FAULT = OcsfClass(6008, "Application Error")

CATEGORIES: Mapping[int, str] = {2: "Findings", 3: "Identity & Access Management", 6: "Application Activity"}

ACTIVITIES: Mapping[OcsfClass, Mapping[int, str]] = {
    FINDING: {1: "Create", 2: "Update"},
    ACCOUNT: {
        1: "Create",
        2: "Enable",
        3: "Password Change",
        4: "Password Reset",
        5: "Disable",
        6: "Delete",
        9: "Lock",
        10: "MFA Factor Enable",
        11: "MFA Factor Disable",
        12: "Unlock",
    },
    AUTHENTICATION: {1: "Logon", 2: "Logoff", 6: "Preauth"},
    AUTHORIZE: {1: "Assign Privileges"},
    ENTITY: {1: "Create", 3: "Update", 4: "Delete", 6: "Enroll", 10: "Activate", 11: "Deactivate"},
    ACCESS: {1: "Assign Privileges", 2: "Revoke Privileges"},
    API: {1: "Create", 2: "Read", 3: "Update", 4: "Delete"},
    FAULT: {1: "General Error"},
}

_TOLD_AS: Mapping[tuple[OcsfClass, int], str] = {
    (AUTHENTICATION, 1): "login.succeeded login.failed login.refused client.authentication_failed",
    (AUTHENTICATION, 2): "logout.succeeded logout.refused session.ended session.all_ended",
    (AUTHENTICATION, 6): "login.begun mfa.succeeded mfa.failed mfa.refused backup_code.used backup_code.failed",
    (AUTHENTICATION, OTHER): "session.started login.new_country mfa.code_mailed",
    (ACCOUNT, 1): "admin.person_created",
    (ACCOUNT, 3): "password.set",
    (ACCOUNT, 4): "password.cleared recovery.asked recovery.refused recovery.completed recovery.reset_started",
    (ACCOUNT, 9): "lockout.started",
    (ACCOUNT, 10): "mfa.enrolled backup_code.generated",
    (ACCOUNT, 11): "mfa.removed",
    (ACCOUNT, 12): "lockout.ended",
    (ACCOUNT, OTHER): "lockout.passed mfa.renamed mfa.demanded mfa.put_off backup_code.confirmed password.hash_renewed"
    " admin.person_changed admin.person_state_changed admin.deletion_asked admin.deletion_undone"
    " admin.email_added admin.email_verified admin.email_removed admin.email_primary",
    (AUTHORIZE, 1): "token.issued token.refreshed token.refused token.code_issued",
    (ACCESS, 1): "login.consented login.denied admin.role_granted admin.group_joined admin.organisation_joined",
    (ACCESS, 2): "admin.role_taken admin.group_left admin.organisation_left",
    (ENTITY, 1): "client.created client.api_created admin.key_added admin.invited admin.link_made"
    " admin.registration_asked admin.role_created admin.group_created admin.organisation_created",
    (ENTITY, 3): "client.changed client.secret_added client.api_changed device.renamed admin.key_changed"
    " policy.draft_changed",
    (ENTITY, 4): "client.deleted client.api_deleted token.revoked token.revocation_in_force token.grant_ended"
    " login.consent_withdrawn device.removed policy.draft_removed"
    " admin.role_deleted admin.group_deleted admin.organisation_deleted",
    (ENTITY, 6): "device.added",
    (ENTITY, 10): "device.remembered admin.link_used admin.link_refused"
    " policy.activated policy.rolled_back policy.activation_refused",
    (ENTITY, 11): "device.forgotten admin.key_revoked admin.everything_revoked",
    (FINDING, 1): "mfa.counter_regressed recovery.not_me token.reused token.revocation_not_in_force"
    " device.cloned risk.critical risk.raised risk.reported",
    (FINDING, 2): "risk.lowered admin.alert_acknowledged admin.alert_sent_again",
    (API, 1): "admin.people_imported admin.intake_refused admin.report_made admin.alert_tested",
    (API, 2): "admin.audit_exported admin.audit_searched admin.evidence_made admin.data_taken admin.report_read",
    (API, 3): "admin.form_refused risk.calibrated",
    (API, 4): "admin.audit_pruned admin.person_erased",
    (FAULT, 1): "risk.signals_missing admin.mail_failed admin.alert_undelivered policy.load_failed policy.failed",
}


def find_class(name: str) -> tuple[OcsfClass, int] | None:
    """Class and activity of an event type, or None where it has none yet."""
    return _by_name().get(name)


def class_of(name: str) -> tuple[OcsfClass, int]:
    """Class and activity of an event; one that another service named by itself is an API activity of its own."""
    return find_class(name) or (API, OTHER)


@lru_cache(maxsize=1)
def _by_name() -> Mapping[str, tuple[OcsfClass, int]]:
    return {name: told for told, names in _TOLD_AS.items() for name in names.split()}
