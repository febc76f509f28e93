"""What `ostiary doctor` says of alerts; whether receivers answer is for `ostiary alert test` to ask."""

from urllib.parse import urlsplit

from server.settings import Settings


def check_alerts(settings: Settings) -> tuple[bool, str]:
    """Whether somebody would hear of an attack, and in words what was found."""
    alert = settings.alert
    set_ = {
        "a webhook": alert.webhook_url,
        "Slack": alert.slack_url,
        "PagerDuty": alert.pagerduty_key,
        "mail": alert.email,
    }
    told = [name for name, value in set_.items() if value]
    if not told and urlsplit(settings.issuer).hostname != "localhost":
        return False, (
            "nobody is told of an attack: set OSTIARY_ALERT__EMAIL, OSTIARY_ALERT__WEBHOOK_URL,"
            " OSTIARY_ALERT__SLACK_URL or OSTIARY_ALERT__PAGERDUTY_KEY"
        )
    if alert.webhook_url and not alert.webhook_secret:
        return False, (
            "the webhook cannot tell our messages from anybody's: set OSTIARY_ALERT__WEBHOOK_SECRET to whsec_ and what"
            " `openssl rand -base64 32` prints"
        )
    if not told:
        return True, "nobody is told, which suits this machine alone; `ostiary alert list` shows them"
    return True, f"go to {', '.join(told)}; `ostiary alert test` tries each"
