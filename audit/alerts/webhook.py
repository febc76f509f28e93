"""A webhook of the operator's own: a JSON document, signed."""

from collections.abc import Sequence

import msgspec

from audit.alerts.messages import Message
from audit.alerts.receivers import post
from audit.alerts.signing import signed_headers
from base.outbound import Outbound
from base.targets import parse_target


class Webhook:
    """Posts each message; `keys` sign it, the newest first."""

    name = "webhook"
    hears_acknowledgements = True

    def __init__(self, outbound: Outbound, url: str, keys: Sequence[bytes]) -> None:
        self._outbound = outbound
        self._url = url
        self._keys = tuple(keys)

    @property
    def shown(self) -> str:
        return f"webhook at {parse_target(self._url).shown}"

    async def send(self, message: Message) -> None:
        """Any answer of 2xx counts as taken."""
        body = msgspec.json.encode(document_of(message))
        headers = signed_headers(self._keys, message_id=f"msg_{message.id}", at=message.at, body=body)
        await post(self._outbound, self._url, body, headers=headers)


def document_of(message: Message) -> dict[str, object]:
    """The message as JSON; `type` says why it is sent, `data` is the same alert each time."""
    return {
        "type": f"alert.{message.purpose.value}",
        "timestamp": message.at,
        "data": {
            "id": message.alert,
            "rule": message.rule,
            "severity": message.severity,
            "summary": message.summary,
            "advice": message.advice,
            "details": [{"label": label, "value": value} for label, value in message.lines],
            "opened_at": message.opened_at,
            "last_at": message.last_at,
            "count": message.count,
            "service": message.service_name,
            "issuer": message.issuer,
            "log": message.log_url or None,
            "event": message.event,
        },
    }
