"""What receivers have in common: a name, the way to send to them, and how a failure is told."""

from typing import Protocol

from audit.alerts.messages import Message
from base.outbound import Answer, Outbound, OutboundFailed


class DeliveryFailed(Exception):
    """A receiver did not take a message; it is tried again. `str()` is stored and shown, and holds no secret."""


class Receiver(Protocol):
    """Somebody who is told. `name` is kept with each message (32 letters at most); `shown` is for operators."""

    @property
    def name(self) -> str: ...

    @property
    def shown(self) -> str: ...

    @property
    def hears_acknowledgements(self) -> bool:
        """Whether it wants to know that somebody looks after an alert."""
        ...

    async def send(self, message: Message) -> None:
        """Returns when it has taken the message; raises DeliveryFailed."""
        ...


async def post(outbound: Outbound, url: str, body: bytes, *, headers: dict[str, str] | None = None) -> Answer:
    """The answer of a receiver that took a post; raises DeliveryFailed where it did not."""
    try:
        answer = await outbound.post(url, body, headers=headers or {})
    except OutboundFailed as failure:
        raise DeliveryFailed(str(failure)) from None
    if not answer.is_success:
        # The answer's own words may repeat what it was sent.
        raise DeliveryFailed(f"it answered {answer.status}")
    return answer
