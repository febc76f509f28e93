"""A message about an alert, in words: what happened, to whom, from where, since when, how often, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from audit.alerts import words
from audit.alerts.advice import ADVICE, TITLES
from audit.alerts.rules import BY_NAME, HIGH_EVENT, OURS, WINDOW, Rule
from audit.alerts.values import ALERT, AlertSettings, Purpose, StoredAlert
from audit.alerts.words import say, show_instant
from audit.reading import StoredEvent, as_json
from audit.word_lists import ACTOR_WORDS
from audit.words import facts_of, field_label, sentence, translate
from base.ids import show_id
from base.mail import one_line

_MAX_TITLE = 160
# Told in words of their own, or nothing to a person.
_LEFT_OUT = frozenset({"until", "typed_digest", "failures", "scope"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one receiver is told. `id` stays the same however often it is sent; `at` is now."""

    id: str
    alert: str
    purpose: Purpose
    rule: str
    severity: str
    title: str
    about: str
    lines: tuple[tuple[str, str], ...]
    advice: str
    commands: tuple[tuple[str, str], ...]
    opened_at: datetime
    last_at: datetime
    count: int
    at: datetime
    service_name: str
    issuer: str
    language: str
    # Where the log tells more, for programs with a token; empty where it knows nothing of it.
    log_url: str = ""
    event: Mapping[str, object] | None = None

    @property
    def summary(self) -> str:
        """What happened and to whom, on one line."""
        return f"{self.title} ({self.about})" if self.about else self.title


def compose(
    alert: StoredAlert,
    event: StoredEvent | None,
    *,
    delivery: str,
    purpose: Purpose,
    names: Mapping[str, str],
    settings: AlertSettings,
    now: datetime,
) -> Message:
    """The message; `event` is the newest that belongs to the alert, None where it is gone."""
    language, shown = settings.language, show_id(ALERT, alert.id)
    rule = BY_NAME.get(alert.rule, HIGH_EVENT)
    # Of many things at once the newest is only an example.
    is_many = alert.facts.get("is_many") is True or rule.is_about_many
    subject = None if is_many else alert.facts.get("subject")
    about = names.get(subject, subject) if isinstance(subject, str) else ""
    has_own_words = rule is HIGH_EVENT and _source(alert) == OURS
    advice = ADVICE.get(str(alert.facts.get("event")), rule.advice) if has_own_words else rule.advice
    return Message(
        id=delivery,
        alert=shown,
        purpose=purpose,
        rule=alert.rule,
        severity=alert.severity,
        title=one_line(_title(alert, rule, purpose, language))[:_MAX_TITLE],
        about=one_line(about)[:80],
        lines=tuple(_lines(alert, event, names, language, is_many=is_many)),
        advice=say(advice, language),
        commands=_commands(shown, purpose, language),
        opened_at=alert.opened_at,
        last_at=alert.last_at,
        count=alert.count,
        at=now,
        service_name=settings.service_name,
        issuer=settings.issuer,
        language=language,
        log_url=_log_url(alert, event, settings.issuer),
        event=None if event is None else as_json(event),
    )


def _source(alert: StoredAlert) -> str:
    source = alert.facts.get("source")
    return source if isinstance(source, str) else OURS


def _title(alert: StoredAlert, rule: Rule, purpose: Purpose, language: str) -> str:
    event = str(alert.facts.get("event"))
    if rule is not HIGH_EVENT:
        title = say(rule.title, language)
    elif _source(alert) != OURS:
        # Its sender chose the name; a sentence of ours would vouch for it.
        title = event
    else:
        title = say(TITLES[event], language) if event in TITLES else sentence(event, language).rstrip(".")
    if alert.facts.get("is_many") is True:
        title = say(words.MANY, language, title=title)
    return say(words.BEGINNINGS[purpose], language, title=title) if purpose in words.BEGINNINGS else title


def _log_url(alert: StoredAlert, event: StoredEvent | None, issuer: str) -> str:
    name = alert.facts.get("event")
    if not isinstance(name, str):
        return ""
    # What another service sent late is older than its alert.
    at = alert.opened_at if event is None else min(alert.opened_at, event.at)
    # Until is not within.
    times = at - WINDOW, alert.last_at + timedelta(seconds=1)
    begins, ends = (at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in times)
    source = _source(alert)
    asked = {"name": name} if source == OURS else {"source": source.partition(" ")[0], "severity": alert.severity}
    return f"{issuer}/api/v1/audit/events?" + urlencode({"from": begins, "until": ends, **asked})


def ids_in(alert: StoredAlert, event: StoredEvent | None) -> set[str]:
    """The public ids that a message about the alert would rather call by their names."""
    told = [alert.facts.get(name) for name in ("actor", "subject", "client")]
    told += [event.actor, event.subject, event.client_id] if event is not None else []
    return {each for each in told if isinstance(each, str)}


def _commands(alert: str, purpose: Purpose, language: str) -> tuple[tuple[str, str], ...]:
    if purpose in (Purpose.TEST, Purpose.OVER):
        return ()
    show = say(words.SHOW, language), f"ostiary alert show {alert}"
    if purpose is Purpose.ACKNOWLEDGED:
        return (show,)
    return show, (say(words.ACKNOWLEDGE, language), f"ostiary alert ack {alert}")


def _lines(
    alert: StoredAlert, event: StoredEvent | None, names: Mapping[str, str], language: str, *, is_many: bool
) -> list[tuple[str, str]]:
    facts = {**_who(alert, event, names, language, is_many=is_many), **_when(alert, language)}
    lines = [(say(words.LABELS[name], language), one_line(value)) for name, value in facts.items() if value]
    # What the event itself says, in the words of the log.
    if event is not None and not is_many:
        data = {name: value for name, value in event.data.items() if name not in _LEFT_OUT}
        bare = replace(event, actor="", subject=None, client_id=None, personal={}, data=data)
        lines += [line for line in facts_of(bare, language) if line[0] != field_label("actor", language)]
    return lines


def _who(
    alert: StoredAlert, event: StoredEvent | None, names: Mapping[str, str], language: str, *, is_many: bool
) -> dict[str, str]:
    actor, subject, client = (alert.facts.get(name) for name in ("actor", "subject", "client"))
    if event is not None:
        subject = event.subject
    personal = event.personal if event is not None else {}
    told: dict[str, str] = {}
    if isinstance(subject, str):
        name = names.get(subject)
        told["accounts" if is_many else "account"] = f"{name} ({subject})" if name else subject
    if isinstance(actor, str) and actor not in (subject, "anonymous", ""):
        told["by"] = names.get(actor) or translate(ACTOR_WORDS.get(actor, actor), language)
    if personal is None:
        told["address"] = say(words.ERASED, language)
    else:
        told["address"] = str(personal.get("address", ""))
        told["label"] = str(personal.get("label", ""))[:80] if _source(alert) == OURS else ""
    if isinstance(client, str):
        told["client"] = names.get(client, client)
    told["source"] = "" if _source(alert) == OURS else _source(alert)
    return told


def _when(alert: StoredAlert, language: str) -> dict[str, str]:
    told = {"since" if alert.count > 1 else "at": show_instant(alert.opened_at, language)}
    if alert.count > 1:
        told["last_at"] = show_instant(alert.last_at, language)
        told["count"] = say(words.TIMES_AND_MORE, language, count=alert.count)
    first, last = alert.facts.get("first_seq"), alert.facts.get("last_seq")
    if first is not None:
        text = words.NUMBERS if first == last else words.NUMBERS_FROM
        told["log"] = say(text, language, first=first, last=last)
    taken_by = alert.acknowledged_by or ""
    told["taken_by"] = translate(ACTOR_WORDS.get(taken_by, taken_by), language)
    return told
