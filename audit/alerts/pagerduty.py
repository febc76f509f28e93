"""PagerDuty: incidents by its Events API v2; an alert is one incident, whatever is said about it."""

import msgspec

from audit.alerts.messages import Message
from audit.alerts.receivers import post
from audit.alerts.values import Purpose
from base.outbound import Outbound

_SEVERITIES = {"HIGH": "critical", "MEDIUM": "warning", "LOW": "info"}
_ACTIONS = {Purpose.ACKNOWLEDGED: "acknowledge", Purpose.OVER: "resolve"}


class PagerDuty:
    """Triggers, acknowledges and resolves incidents."""

    name = "pagerduty"
    shown = "PagerDuty"
    hears_acknowledgements = True

    def __init__(self, outbound: Outbound, url: str, routing_key: str) -> None:
        self._outbound = outbound
        self._url = url
        self._routing_key = routing_key

    async def send(self, message: Message) -> None:
        """PagerDuty answers 202. A test opens an incident and closes it again."""
        await self._say(document_of(message, self._routing_key))
        if message.purpose is Purpose.TEST:
            await self._say(_closing(message, self._routing_key, "resolve"))

    async def _say(self, document: dict[str, object]) -> None:
        await post(self._outbound, self._url, msgspec.json.encode(document))


def document_of(message: Message, routing_key: str) -> dict[str, object]:
    """The message as an event of the Events API v2; `dedup_key` is the alert's id."""
    action = _ACTIONS.get(message.purpose, "trigger")
    if action != "trigger":
        return _closing(message, routing_key, action)
    return {
        **_closing(message, routing_key, action),
        "client": message.service_name,
        "client_url": message.issuer,
        "payload": {
            "summary": message.summary[:1024],
            "source": message.issuer,
            "severity": _SEVERITIES.get(message.severity, "warning"),
            "timestamp": message.last_at,
            "class": message.rule,
            "custom_details": {
                **dict(message.lines),
                "advice": message.advice,
                "commands": [command for _, command in message.commands],
            },
        },
    }


def _closing(message: Message, routing_key: str, action: str) -> dict[str, object]:
    return {"routing_key": routing_key, "event_action": action, "dedup_key": message.alert}
