"""Every check by its name: what it counts, what this deployment does, and what anybody runs to see the same."""

from audit.reports.words import Words
from server.controls import account_checks as accounts
from server.controls import log_checks as log
from server.controls.checks import Check, Tell
from server.settings import Settings

_MINUTE = 60


def _idle(settings: Settings, words: Words) -> str:
    return words.text(
        "A session ends after {minutes} minutes without use (SESSION__IDLE_S).",
        minutes=words.number(settings.session.idle_s / _MINUTE),
    )


def _lockout(settings: Settings, words: Words) -> str:
    return words.text(
        "After {failures} failures proofs are refused for {minutes} minutes (LOCKOUT__FAILURES, LOCKOUT__DURATION_S).",
        failures=settings.lockout.failures,
        minutes=words.number(settings.lockout.duration_s / _MINUTE),
    )


def _length(settings: Settings, words: Words) -> str:
    return words.text(
        "A password has at least {length} characters (PASSWORD__MIN_LENGTH); guessable and stolen ones are refused.",
        length=settings.password.min_length,
    )


def _factors(settings: Settings, words: Words) -> str:
    if settings.mfa.required:
        return words.text("A second factor is required of everybody (MFA__REQUIRED).")
    return words.text("A second factor is not required of everybody (MFA__REQUIRED is off).")


def _retention(settings: Settings, words: Words) -> str:
    days, most = settings.audit.retention_days, settings.audit.max_events
    told = words.text("Events are kept for ever.")
    if days:
        told = words.text("Events are kept for {days} days (AUDIT__RETENTION_DAYS).", days=words.number(days))
    if most:
        told += " " + words.text("At most {count} are kept (AUDIT__MAX_EVENTS).", count=words.number(most))
    if settings.audit.archive_dir is not None:
        told += " " + words.text("What is removed is archived first (AUDIT__ARCHIVE_DIR).")
    return told


def _receivers(settings: Settings, words: Words) -> str:
    told = settings.alert
    known = {
        "webhook": told.webhook_url, "Slack": told.slack_url, "PagerDuty": told.pagerduty_key, "mail": told.email
    }  # fmt: skip
    ways = [name for name, address in known.items() if address]
    if not ways:
        return words.text("No receiver of alerts is set: nobody is told (ALERT__WEBHOOK_URL and others).")
    return words.text("Alerts go out by: {ways}. What cannot be delivered is an event.", ways=", ".join(ways))


def _daily(settings: Settings, words: Words) -> str:
    if not settings.report.daily:
        return words.text("No daily report is made (REPORT__DAILY is off).")
    return words.text(
        "A report of each day is made at {time} UTC (REPORT__DAILY_AT). Who read it shows in the signed copies, outside"
        " this server.",
        time=settings.report.daily_at,
    )


def _transport(settings: Settings, words: Words) -> str:
    return words.text("People and applications reach the server at {issuer} (ISSUER).", issuer=settings.issuer)


def _say(text: str) -> Tell:
    return lambda settings, words: words.text(text)


_LIST_PEOPLE = "ostiary report access --format csv"
_EVENTS = "GET /api/v1/audit/events?"

SHARED_ACTOR = Check(
    name="acts-by-shared-command",
    title="Acts lead to one person",
    counts="administrative acts by the command line, which is no person",
    does=_say("Every account has an id of its own, and every event names who acted. Acts at the command line are"
              " named as such: who had the terminal is in the host's own log."),
    run=accounts.shared_actor,
    commands=("ostiary audit export | jq -c 'select(.actor == \"cli\")'", _EVENTS + "family=admin"),
    constructed="evt_…: admin.person_state_changed, actor cli, subject usr_…",
)  # fmt: skip
CLOSED_BUT_LIVE = Check(
    name="closed-but-live",
    title="Closing an account ends its access",
    counts="closed accounts whose sessions or grants still live",
    does=_say("Disabling, suspending or deleting an account ends its sessions and grants in the same transaction."),
    run=accounts.closed_but_live,
    commands=(_LIST_PEOPLE, "ostiary user show USER --json"),
    constructed="usr_…: disabled, last seen 2026-01-09 08:00:00 UTC, live sessions and grants 1",
)
UNUSED_ACCOUNTS = Check(
    name="accounts-not-used-for-90-days",
    title="Unused accounts are found",
    counts="active accounts that were not used for 90 days",
    does=_say("The access review names every account that was not used for 90 days; people decide."),
    run=accounts.unused_accounts,
    commands=(_LIST_PEOPLE,),
    constructed="usr_…: active, last seen 2026-01-09 08:00:00 UTC, 91 days before this report",
)  # fmt: skip
BARE_ADMINISTRATORS = Check(
    name="administrators-without-second-factor",
    title="Administrators have a second factor",
    counts="active administrators without a second factor",
    does=_factors,
    run=accounts.bare_administrators,
    commands=(_LIST_PEOPLE, "ostiary user list --json"),
    constructed="usr_…: active administrator, second factors none",
)
SINGLE_FACTOR_ACCOUNTS = Check(
    name="accounts-with-a-password-alone",
    title="No account rests on a password alone",
    counts="active accounts with a password and no second factor",
    does=_factors,
    run=accounts.single_factor_accounts,
    commands=(_LIST_PEOPLE,),
    constructed="usr_…: active, second factors none",
)
SINGLE_FACTOR_SIGNINS = Check(
    name="signins-by-a-password-alone",
    title="Sign-ins take two factors",
    counts="sign-ins of the period by a password alone",
    does=_factors,
    run=accounts.single_factor_signins,
    commands=(_EVENTS + "name=login.succeeded", "ostiary audit export | jq -c 'select(.data.methods == [\"pwd\"])'"),
    constructed='evt_…: login.succeeded, actor usr_…, methods ["pwd"]',
)
IDLE = Check(
    name="sessions-idle-longer-than-15-minutes",
    title="Unused sessions end",
    counts="live sessions that may stay unused for more than 15 minutes",
    does=_idle,
    run=accounts.idle_longer_than(15 * _MINUTE),
    commands=("ostiary config show",),
    constructed="ses_…: last seen 2026-01-09 08:00:00 UTC, open until 2026-01-09 08:30:00 UTC",
)
LOCKOUT_PCI = Check(
    name="lockouts-weaker-than-10-and-30-minutes",
    title="Guessing is stopped",
    counts="lockouts that came after more than 10 failures or lasted less than 30 minutes",
    does=_lockout,
    run=accounts.lockout_weaker_than(10, 30 * _MINUTE),
    commands=(_EVENTS + "name=lockout.started", "ostiary config show"),
    constructed="evt_…: lockout.started, subject usr_…, failures 5, until 15 minutes later",
)
LOCKOUT = Check(
    name="lockouts-weaker-than-10-and-15-minutes",
    title="Guessing is stopped",
    counts="lockouts that came after more than 10 failures or lasted less than 15 minutes",
    does=_lockout,
    run=accounts.lockout_weaker_than(10, 15 * _MINUTE),
    commands=(_EVENTS + "name=lockout.started", "ostiary config show"),
    constructed="evt_…: lockout.started, subject usr_…, failures 5, until 1 minute later",
)
PASSWORD_LENGTH = Check(
    name="passwords-of-unknown-length",
    title="Passwords are long enough",
    counts="accounts that came in by import with a hash, whose password nobody here has measured",
    does=_length,
    run=accounts.shorter_passwords_than(12),
    commands=("ostiary config show", _EVENTS + "name=password.set"),
    constructed="evt_…: password.set, why import, subject usr_…",
)
OLD_SECRETS = Check(
    name="secrets-older-than-a-year",
    title="Secrets of services are changed",
    counts="applications with a secret that is older than a year",
    does=_say("A secret can be replaced without a gap, since several work at a time; only digests of them are kept."),
    run=accounts.old_secrets,
    commands=(_LIST_PEOPLE, "ostiary client show CLIENT --json"),
    constructed="cli_…: client_credentials, oldest secret of 2025-01-09 08:00:00 UTC",
)
UNUSED_CLIENTS = Check(
    name="applications-not-used-for-90-days",
    title="Unused services are found",
    counts="applications that were not used for 90 days",
    does=_say("The access review names every application with what it may ask for and when it last did."),
    run=accounts.unused_clients,
    commands=(_LIST_PEOPLE, "ostiary client list --json"),
    constructed="cli_…: client_credentials, last used never, registered 100 days before this report",
)
OLD_KEYS = Check(
    name="keys-older-than-a-year",
    title="Signing keys are changed",
    counts="keys that have signed for more than a year",
    does=_say("Private keys are sealed under the master key; a key is rotated by command and the old one verifies on."),
    run=accounts.old_keys,
    commands=("ostiary key list --json",),
    constructed="kid …: ES256, signs since 2025-01-09 08:00:00 UTC",
)
UNNUMBERED = Check(
    name="events-without-a-number",
    title="What happens is logged",
    counts="events older than five minutes that have no number in the ledger",
    does=_say("Sign-ins, refusals, changes of accounts, factors, keys, applications and settings of access are events:"
              " who, what, when, from where, about whom and with which outcome. A change whose event cannot be written"
              " is refused."),
    run=log.unnumbered,
    commands=("ostiary audit export", "ostiary audit verify --json"),
    constructed="login.failed at 2026-01-09 08:00:00 UTC, without a number",
)  # fmt: skip
BROKEN_LOG = Check(
    name="places-that-do-not-verify",
    title="The log was not changed",
    counts="places at which the log does not verify against its checkpoints",
    does=_say("Events stand in a Merkle tree under signed checkpoints; all of it was verified for this page."),
    run=log.broken_log,
    commands=("ostiary audit verify",),
    constructed="event 107: its body does not give its hash",
)  # fmt: skip
KEPT_INSIDE = Check(
    name="checkpoints-kept-inside",
    title="Proofs leave the server",
    counts="checkpoints older than five minutes that lie in the database alone",
    does=_say("Each checkpoint is written outside the database as it is made: to a file, and by setting to a folder or"
              " an address."),
    run=log.kept_inside,
    commands=("GET /api/v1/audit/checkpoints", "ostiary audit checkpoint"),
    constructed="checkpoint of 4711 events, signed at 2026-01-09 08:00:00 UTC, not taken outside",
)  # fmt: skip
DAYS_WITHOUT_REPORT = Check(
    name="days-without-report",
    title="The log is looked at daily",
    counts="whole days of the period without a daily report",
    does=_daily,
    run=log.days_without_report,
    commands=("ostiary report list --json",),
    constructed="2026-01-09: no report",
)
RETENTION = Check(
    name="events-kept-less-than-a-year",
    title="The log is kept for a year",
    counts="a setting that keeps events for less than 365 days, without an archive",
    does=_retention,
    run=log.kept_too_short,
    commands=("ostiary config show", _EVENTS + "name=admin.audit_pruned"),
    constructed="OSTIARY_AUDIT__RETENTION_DAYS=90, without OSTIARY_AUDIT__ARCHIVE_DIR",
)
UNDELIVERED = Check(
    name="alerts-undelivered",
    title="Failures are told",
    counts="alerts of the period that did not reach a receiver",
    does=_receivers,
    run=log.undelivered,
    commands=("ostiary alert list --json", _EVENTS + "name=admin.alert_undelivered"),
    constructed="evt_…: admin.alert_undelivered, receiver webhook, tries 8",
)
UNANSWERED = Check(
    name="serious-alerts-unanswered-for-a-day",
    title="Alerts are answered",
    counts="serious alerts that nobody acknowledged within a day",
    does=_say("An alert that nobody acknowledges is sent again to more people; when and by whom it was acknowledged is"
              " kept."),
    run=log.unanswered,
    commands=("ostiary alert list --json",),
    constructed="alr_…: refresh_reuse, opened at 2026-01-09 08:00:00 UTC, never acknowledged",
)  # fmt: skip
ACCESS_REVIEWED = Check(
    name="no-access-review-in-six-months",
    title="Access is reviewed",
    counts="no access review in the last 183 days (1 where there was none)",
    does=_say("The access review lists everybody and everything that can do something, with columns for the decision"
              " and lines to sign. The signed copy is kept outside this server."),
    run=log.review_older_than(183),
    commands=("ostiary report list --json", _EVENTS + "name=admin.report_made"),
    constructed="the last one was made 200 days before this report",
)  # fmt: skip
TRANSPORT = Check(
    name="address-without-tls",
    title="What travels is encrypted",
    counts="an address without TLS",
    does=_transport,
    run=log.plain_transport,
    commands=("ostiary config show", "ostiary doctor"),
    constructed="OSTIARY_ISSUER=http://…",
)
