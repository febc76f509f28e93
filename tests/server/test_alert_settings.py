"""Settings of alerts: what is taken, and what is refused with the variable's name and never with its value."""

import pytest

from server.settings import Settings, load_settings
from tests.server.test_settings import NONE, faults_of

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="
MAIL = {"OSTIARY_SMTP_URL": "smtp://127.0.0.1:25", "OSTIARY_MAIL__SENDER": "no-reply@example.com"}


def load(**settings: str) -> Settings:
    return load_settings(environ={"OSTIARY_SECRETS_DIR": str(NONE), **settings}).settings


def test_everything_can_be_set() -> None:
    alert = load(
        OSTIARY_ALERT__WEBHOOK_URL="https://alerts.example.com/hook?x=1",
        OSTIARY_ALERT__WEBHOOK_SECRET=f"{SECRET},{SECRET}",
        OSTIARY_ALERT__SLACK_URL="https://hooks.slack.com/services/T/B/x",
        OSTIARY_ALERT__PAGERDUTY_KEY="0123456789abcdef0123456789ABCDEF",
        OSTIARY_ALERT__EMAIL="a@example.com, b@example.com",
        OSTIARY_ALERT__ESCALATE_EMAIL="boss@example.com",
        OSTIARY_ALERT__LANGUAGE="tr",
        **MAIL,
    ).alert
    assert alert.language == "tr"
    assert (alert.escalate_s, alert.quiet_s) == (300, 900)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"WEBHOOK_URL": "SECRET.example.com"}, "OSTIARY_ALERT__WEBHOOK_URL: expected an address such as https://"),
        ({"WEBHOOK_URL": "https://u:SECRET@example.com"}, "OSTIARY_ALERT__WEBHOOK_URL: expected no user, password"),
        ({"SLACK_URL": "ftp://example.com/SECRET"}, "OSTIARY_ALERT__SLACK_URL: expected an address such as https://"),
        (
            {"WEBHOOK_URL": "http://10.0.0.1/SECRET"},
            "OSTIARY_ALERT__WEBHOOK_URL: expected https, or its network in OSTIARY_OUTBOUND__ALLOW",
        ),
        ({"WEBHOOK_SECRET": SECRET}, "OSTIARY_ALERT__WEBHOOK_SECRET: expected OSTIARY_ALERT__WEBHOOK_URL too"),
        ({"WEBHOOK_SECRET": "whsec_SECRET"}, "OSTIARY_ALERT__WEBHOOK_SECRET: expected whsec_ and Base64 of 24 to 64"),
        ({"WEBHOOK_SECRET": ","}, "OSTIARY_ALERT__WEBHOOK_SECRET: expected whsec_ and Base64"),
        ({"PAGERDUTY_KEY": "SECRET"}, "OSTIARY_ALERT__PAGERDUTY_KEY: "),
        ({"EMAIL": "SECRET"}, "OSTIARY_ALERT__EMAIL: expected mail addresses such as security@example.com"),
        ({"EMAIL": "a@example.com"}, "OSTIARY_ALERT__EMAIL: expected OSTIARY_SMTP_URL too, as mail needs a server"),
        ({"ESCALATE_EMAIL": "a@example.com"}, "OSTIARY_ALERT__ESCALATE_EMAIL: expected OSTIARY_SMTP_URL too"),
        ({"LANGUAGE": "tlh"}, "OSTIARY_ALERT__LANGUAGE: "),
    ],
)
def test_what_cannot_work_is_refused_without_repeating_it(settings: dict[str, str], fault: str) -> None:
    (told,) = faults_of({f"OSTIARY_ALERT__{name}": value for name, value in settings.items()})
    assert told.startswith(fault)
    assert "SECRET." not in told.removeprefix(fault)
    assert not any(
        value in told
        for name, value in settings.items()
        if "SECRET" in value or (name == "WEBHOOK_SECRET" and len(value) > 1)
    )


def test_a_plain_address_is_for_named_networks() -> None:
    settings = load(OSTIARY_ALERT__WEBHOOK_URL="http://10.0.0.1/hook", OSTIARY_OUTBOUND__ALLOW="10.0.0.0/8")
    assert settings.alert.webhook_url == "http://10.0.0.1/hook"
