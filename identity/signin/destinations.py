"""The pages of ours that may want a fresh sign-in, by name: nobody is sent to an address from a parameter (S3)."""

from collections.abc import Mapping

DESTINATIONS: Mapping[str, str] = {
    "account": "/account",
    "profile": "/account/profile",
    "security": "/account/security",
    "devices": "/account/devices",
    "sessions": "/account/sessions",
    "activity": "/account/activity",
    "apps": "/account/apps",
    "data": "/account/data",
    "delete": "/account/delete",
    "enrol_totp": "/enrol/totp",
    "enrol_passkey": "/enrol/passkey",
    "backup_codes": "/enrol/backup-codes",
}

# Those that change, or hand out, what only the person may: they want proof of just now (S29). At the others it is
# enough to be signed in.
WANT_FRESH = frozenset(DESTINATIONS) - {"account", "sessions", "activity", "apps"}
