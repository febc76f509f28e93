"""What every form tells of an event, read once: the parts of `data` and `personal` that have a place of their own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from audit.reading import StoredEvent
from audit.siem.whereabouts import Whereabouts, parse_place
from base.ids import DEVICE, EVENT, SESSION, show_id

# What OCSF takes for one; an address in other letters stays among the rest.
_MAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+")
_json = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class EventFacts:
    """Texts for people and machines; None where an event does not say. `rest` are the personal fields without a
    place of their own."""

    event_id: str
    session: str | None
    device: str | None
    ip: str | None
    user_agent: str | None
    username: str | None
    email: str | None
    reason: str | None
    methods: tuple[str, ...]
    rest: Mapping[str, object]
    place: Whereabouts
    is_erased: bool

    @property
    def is_mfa(self) -> bool:
        """Whether a second factor took part."""
        return len(self.methods) > 1


def facts_of(event: StoredEvent) -> EventFacts:
    """The facts of one event. What is not of the form that its place demands stays among the rest."""
    personal, data = event.personal or {}, event.data
    placed = {
        "address": _ip(personal.get("address")),
        "user_agent": _text(personal.get("user_agent")),
        "username": _text(personal.get("username")),
        "email": _mail(personal.get("email")),
    }
    return EventFacts(
        event_id=show_id(EVENT, event.id),
        session=show_id(SESSION, event.session_id) if event.session_id else None,
        device=show_id(DEVICE, event.device_id) if event.device_id else None,
        ip=placed["address"],
        user_agent=placed["user_agent"],
        username=placed["username"],
        email=placed["email"],
        reason=next((text for name in ("reason", "why", "error") if (text := _text(data.get(name)))), None),
        methods=texts_of(data.get("methods")) or texts_of(data.get("method")),
        rest={name: value for name, value in personal.items() if placed.get(name) is None},
        place=parse_place(event.place),
        is_erased=event.personal is None,
    )


def texts_of(value: object) -> tuple[str, ...]:
    """A list of texts, or a text with spaces between, as its items; nothing else is one."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list | tuple) else ()


def as_text(value: object) -> str:
    """A value as one text: a text as it is, anything else as JSON, so that a field has one type in every event."""
    return value if isinstance(value, str) else _json.encode(value).decode()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _mail(value: object) -> str | None:
    return value if isinstance(value, str) and _MAIL.fullmatch(value) else None


def _ip(value: object) -> str | None:
    try:
        return str(ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None
