"""Settings that do not go together; each fault names the variable and what was expected."""

from server.setting_groups import Alert, Outbound, Siem
from server.setting_sources import variable
from server.setting_values import read_certificates


def alert_conflicts(alert: Alert, outbound: Outbound, *, has_mail_server: bool) -> list[str]:
    """What keeps alerts from their receivers."""
    faults = []
    for name in ("webhook_url", "slack_url", "pagerduty_url"):
        url = getattr(alert, name)
        if url and url.startswith("http://") and not outbound.allow:
            faults.append(f"{variable(('alert', name))}: expected https, or its network in OSTIARY_OUTBOUND__ALLOW")
    mailed = [name for name in ("email", "escalate_email") if getattr(alert, name) and not has_mail_server]
    faults += [f"{variable(('alert', name))}: expected OSTIARY_SMTP_URL too, as mail needs a server" for name in mailed]
    if alert.webhook_secret and not alert.webhook_url:
        faults.append("OSTIARY_ALERT__WEBHOOK_SECRET: expected OSTIARY_ALERT__WEBHOOK_URL too")
    return faults


def siem_conflicts(siem: Siem) -> list[str]:
    """What is wrong with the settings of SIEMs."""
    if siem.syslog_ca is None:
        return []
    faults = []
    if siem.syslog_url is None:
        faults.append("OSTIARY_SIEM__SYSLOG_CA: expected OSTIARY_SIEM__SYSLOG_URL too")
    try:
        read_certificates(siem.syslog_ca)
    except (OSError, ValueError) as error:
        faults.append(f"OSTIARY_SIEM__SYSLOG_CA: expected a file of PEM certificates: {error}")
    return faults
