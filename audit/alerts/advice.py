"""What to say and to do about a HIGH event that has no rule of its own, by its name; to whoever was just woken."""

from collections.abc import Mapping

from audit import catalogue as events

# Where the log's own sentence says too little to somebody who does not know the server from within.
TITLES: Mapping[str, str] = {
    events.LOCKOUT_STARTED.name: "Too many failed attempts: an account is locked for a while",
}
_ASK_THE_ADMINISTRATOR = "An administrator did this. Ask them whether it was them, and why."
_WHO_MAY_CHANGED = (
    "Who may do what has changed. Ask whoever did it whether it was them, and why; `ostiary policy diff` shows the"
    " difference, and `ostiary policy rollback` takes it back."
)
ADVICE: Mapping[str, str] = {
    events.LOCKOUT_STARTED.name: "Somebody types wrong passwords or codes for this account. It opens by itself after a"
    " while; ask the person whether they forgot theirs. Many such alerts are an attack.",
    events.MFA_REMOVED.name: "Ask the person whether they removed it. If not, disable the account: somebody is making"
    " it weaker.",
    events.MFA_COUNTER.name: "The passkey may exist twice. Ask the person, remove it, and let them add a new one.",
    events.RECOVERY_DONE.name: "Whoever reads the person's mail could have done this. Ask the person whether it was"
    " them.",
    events.RECOVERY_RESET_MADE.name: _ASK_THE_ADMINISTRATOR,
    events.RECOVERY_NOT_ME.name: "Somebody else was in this account. All its sessions were ended. Look what was done"
    " from it before, and help the person to secure their mailbox.",
    events.PASSWORD_CLEARED.name: _ASK_THE_ADMINISTRATOR,
    events.CLIENT_DELETED.name: _ASK_THE_ADMINISTRATOR,
    events.API_DELETED.name: _ASK_THE_ADMINISTRATOR,
    events.PERSON_STATE_CHANGED.name: _ASK_THE_ADMINISTRATOR,
    events.PERSON_ERASED.name: _ASK_THE_ADMINISTRATOR,
    events.PERSON_DELETION_ASKED.name: "The account will be deleted after its grace. Ask the person whether it was"
    " them.",
    events.EMAIL_PRIMARY.name: "Links to get back into the account go to the new address from now on. Ask the person,"
    " by another way than mail, whether it was them.",
    events.LINK_MADE.name: _ASK_THE_ADMINISTRATOR,
    events.LINK_USED.name: "There is a new administrator now. If none of you did this, disable the account at once.",
    events.KEY_REVOKED.name: _ASK_THE_ADMINISTRATOR,
    events.DEVICE_CLONED.name: "Somebody may have copied the browser's cookies, by malware for instance. Ask the"
    " person, end their sessions, and let them look after the computer.",
    events.RISK_CRITICAL.name: "One good sign-in in a thousand looks like this, and most stolen ones do. Look at the"
    " reasons, and ask the person by another way than mail whether it was them.",
    events.EVERYTHING_REVOKED.name: _ASK_THE_ADMINISTRATOR,
    events.ROLE_GRANTED.name: _ASK_THE_ADMINISTRATOR,
    events.ROLE_DELETED.name: _ASK_THE_ADMINISTRATOR,
    events.POLICY_ACTIVATED.name: _WHO_MAY_CHANGED,
    events.POLICY_ROLLED_BACK.name: _WHO_MAY_CHANGED,
    events.POLICY_LOAD_FAILED.name: "What was in force before still decides. Look why with `ostiary policy check`, and"
    " put a set in force that can be used: a server that starts anew would not start with this one.",
    events.POLICY_FAILED.name: "People are shut out by a fault in a policy, and not by what it says. The server's log"
    " has the fault; `ostiary policy rollback` puts the set before it in force.",
}
