"""Slack: a message to a channel, by an incoming webhook."""

import msgspec

from audit.alerts.messages import Message
from audit.alerts.receivers import post
from audit.alerts.values import Purpose
from base.outbound import Outbound

_MARKS = {"HIGH": ":red_circle:", "MEDIUM": ":large_orange_circle:", "LOW": ":white_circle:"}
_MOST_LINES = 10
# Slack takes 3000.
_MOST_LETTERS = 2900


class Slack:
    """Posts each message to the channel that the address belongs to."""

    name = "slack"
    shown = "Slack"
    hears_acknowledgements = True

    def __init__(self, outbound: Outbound, url: str) -> None:
        self._outbound = outbound
        self._url = url

    async def send(self, message: Message) -> None:
        """Slack answers `ok`."""
        await post(self._outbound, self._url, msgspec.json.encode(document_of(message)))


def document_of(message: Message) -> dict[str, object]:
    """The message in Slack's blocks; `text` is what notifications show."""
    summary = f"[{message.severity}] {message.service_name}: {message.summary}"
    mark = ":white_check_mark:" if message.purpose is Purpose.ACKNOWLEDGED else _MARKS.get(message.severity, "")
    lines = "\n".join(f"*{_plain(label)}:* {_plain(value)}" for label, value in message.lines[:_MOST_LINES])
    told = [f"{mark} *{_plain(message.summary)}*", lines]
    if message.purpose is not Purpose.ACKNOWLEDGED:
        told.append(_plain(message.advice))
    blocks: list[object] = [{"type": "section", "text": _text(text)} for text in told if text]
    notes = "  ".join(f"`{command}`" for _, command in message.commands)
    small = f"{_plain(message.service_name)} · {message.alert}" + (f" · {notes}" if notes else "")
    blocks.append({"type": "context", "elements": [_text(small)]})
    return {"text": _plain(summary), "mrkdwn": False, "unfurl_links": False, "blocks": blocks}


def _text(text: str) -> dict[str, object]:
    # Verbatim: neither addresses nor names in it become links.
    return {"type": "mrkdwn", "text": text[:_MOST_LETTERS], "verbatim": True}


def _plain(text: str) -> str:
    """Text in which nothing is a link or a mention: it may be what a stranger typed."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
