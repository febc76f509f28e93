"""Settings that do not go together; each fault names the variable and what was expected."""

from itertools import pairwise

from server.setting_groups import Alert, Outbound, Risk, Siem
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


def risk_conflicts(risk: Risk, *, has_proxies: bool) -> list[str]:
    """What is wrong with thresholds, and with headers that nobody could be trusted with (S34)."""
    steps = [("notice", risk.notice), ("step_up", risk.step_up), ("strong", risk.strong)]
    faults = [
        f"{variable(('risk', lower))}: expected less than {variable(('risk', upper))} ({high}), not {low}"
        for (lower, low), (upper, high) in pairwise(steps)
        if low >= high
    ]
    faults += [
        f"{variable(('risk', name))}: expected OSTIARY_TRUSTED_PROXIES too, whose header it is"
        for name in ("country_header", "city_header", "tls_header")
        if getattr(risk, name) and not has_proxies
    ]
    if risk.city_header and not risk.country_header:
        faults.append("OSTIARY_RISK__CITY_HEADER: expected OSTIARY_RISK__COUNTRY_HEADER too")
    return faults
