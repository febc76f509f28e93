"""What happened to an account, in words for the person it belongs to: English texts, translated for each page.

An event that has no words here is told by the catalogue's own sentence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from audit.catalogue import all_types
from audit.search.of_person import FoundEvent
from base.ids import PERSON, show_id
from identity.account.browsers import Browser, parse_label
from identity.browser_labels import label_of
from identity.services import Services

# What follows from another event on the same list, or what applications do by themselves every few minutes.
QUIET = frozenset(
    "session.started token.issued token.refreshed token.grant_ended password.hash_renewed backup_code.confirmed".split()
)  # fmt: skip

SENTENCES: Mapping[str, str] = {
    "login.succeeded": "You signed in.",
    "login.begun": "The first step of a sign-in worked, and a second was asked for.",
    "login.failed": "Somebody tried to sign in, and it did not work.",
    "login.refused": "A sign-in was turned away.",
    "login.consented": "You allowed an application.",
    "login.denied": "You did not allow an application.",
    "login.consent_withdrawn": "You took back what you allowed an application.",
    "logout.succeeded": "You signed out.",
    "logout.refused": "A request to sign you out was refused.",
    "lockout.started": "There were too many failures, so signing in was closed for a while.",
    "lockout.ended": "Signing in was opened again.",
    "lockout.passed": "The link in a letter let you try again.",
    "mfa.succeeded": "You confirmed that it is you.",
    "mfa.failed": "A confirmation did not work.",
    "mfa.refused": "A confirmation was turned away.",
    "mfa.enrolled": "A way to sign in was added.",
    "mfa.renamed": "A way to sign in was renamed.",
    "mfa.removed": "A way to sign in was removed.",
    "mfa.demanded": "You have to add a second factor, at the latest then.",
    "mfa.put_off": "You put off adding a second factor.",
    "mfa.counter_regressed": "A passkey may have been copied.",
    "mfa.code_mailed": "A code was sent to you by mail.",
    "backup_code.generated": "New backup codes were made.",
    "backup_code.used": "A backup code was used.",
    "backup_code.failed": "A backup code did not fit.",
    "recovery.asked": "Somebody asked for a way back into your account.",
    "recovery.refused": "A way back into your account was refused.",
    "recovery.completed": "You got back into your account.",
    "recovery.reset_started": "An administrator started a reset of your account.",
    "recovery.not_me": "You said that something was not you, and everything was ended.",
    "session.ended": "A session ended.",
    "session.all_ended": "Your sessions were ended.",
    "device.added": "You signed in from a new browser.",
    "device.remembered": "A browser was remembered.",
    "device.forgotten": "A browser is no longer remembered.",
    "device.renamed": "You renamed a device.",
    "device.removed": "A device was removed.",
    "device.cloned": "A browser of yours may have been copied, and is no longer known as yours.",
    "login.new_country": "You signed in from a country for the first time.",
    "password.set": "A new password was set.",
    "password.cleared": "Your password was made useless; a new one must be chosen.",
    "token.refused": "An application was refused.",
    "token.reused": "A key of an application was used twice, so its access was ended.",
    "token.revoked": "An application gave back its access.",
    "token.code_issued": "You went on to an application.",
    "admin.person_created": "Your account was made.",
    "admin.person_state_changed": "The state of your account changed.",
    "admin.person_changed": "Your profile was changed.",
    "admin.deletion_asked": "You asked for your account to be deleted.",
    "admin.deletion_undone": "You kept your account after all.",
    "admin.data_taken": "You downloaded your data.",
    "admin.email_added": "A mail address was added.",
    "admin.email_verified": "A mail address was confirmed.",
    "admin.email_removed": "A mail address was removed.",
    "admin.email_primary": "Your main mail address was changed.",
    "admin.form_refused": "A form that did not come from your own page was refused.",
    "admin.invited": "You were invited.",
}

METHODS: Mapping[str, str] = {
    "pwd": "password",
    "totp": "authenticator app",
    "backup_code": "backup code",
    "mail_code": "code by mail",
    "recovery": "recovery by mail",
    "device": "remembered browser",
    "passkey": "passkey",
    "passkey_bound": "passkey",
    "passkey_attested": "passkey",
}

FIELDS: Mapping[str, str] = {
    "name": "Name",
    "given_name": "Given name",
    "family_name": "Family name",
    "nickname": "Nickname",
    "birthdate": "Date of birth",
    "phone_number": "Telephone",
    "website": "Website",
    "locale": "Language",
    "zoneinfo": "Time zone",
}

BY: Mapping[str, str] = {
    "administrator": "By an administrator",
    "cli": "By the operator of this service",
    "system": "Automatically",
}


Say = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the activity, in the language of the page."""

    at: datetime
    sentence: str
    is_grave: bool
    details: tuple[str, ...] = ()
    browser: Browser | None = None
    address: str | None = None


# What another service told of: its own words follow.
FOREIGN = "Something happened in an application."


def sentence_of(name: str) -> str:
    """The English sentence for an event of this name."""
    known = all_types().get(name)
    return SENTENCES.get(name) or (known.sentence if known else FOREIGN)


def entry_of(event: FoundEvent, services: Services, person_id: bytes, labels: Mapping[bytes, str], say: Say) -> Entry:
    """The line for an event. `labels` are the person's devices by id; `say` translates what is ours."""
    client = services.catalogue.find_client(event.client_id) if event.client_id else None
    methods = (METHODS[name] for name in _methods(event))
    fields = (FIELDS[name] for name in _texts(event.data.get("fields")) if name in FIELDS)
    is_foreign = event.name not in all_types()
    # Who did it is then the word of another service, which may name anybody.
    by = None if is_foreign else BY.get(_actor_kind(event.actor, person_id))
    details = (
        *(_told(event, services) if is_foreign else ()),
        client.name if client else None,
        _about(event),
        ", ".join(dict.fromkeys(map(say, methods))),
        ", ".join(map(say, fields)),
        say(by) if by else None,
    )
    return Entry(
        at=event.at,
        sentence=say(sentence_of(event.name)),
        is_grave=event.severity == "HIGH" or event.outcome != "success",
        details=tuple(filter(None, details)),
        browser=_browser(event, labels),
        address=_text(event.personal.get("address")),
    )


def _told(event: FoundEvent, services: Services) -> tuple[str | None, ...]:
    """Which service told of it, and its message, or else the event's name."""
    sender = services.catalogue.find_client(event.source.partition(" ")[0])
    return sender.name if sender else None, _text(event.data.get("message")) or event.name


def _actor_kind(actor: str, person_id: bytes) -> str:
    if actor.startswith(PERSON):
        return "" if actor == show_id(PERSON, person_id) else "administrator"
    return actor


def _methods(event: FoundEvent) -> list[str]:
    given = (*_texts(event.data.get("methods")), *_texts([event.data.get("method")]))
    return [method for method in given if method in METHODS]


def _about(event: FoundEvent) -> str | None:
    """The name of a factor, or the mail address, that the event is about."""
    if event.name == "device.added":
        return None
    return next((text for name in ("label", "email", "after") if (text := _text(event.personal.get(name)))), None)


def _browser(event: FoundEvent, labels: Mapping[bytes, str]) -> Browser | None:
    label = labels.get(event.device_id) if event.device_id else None
    agent = _text(event.personal.get("user_agent"))
    if label is None and agent is None:
        return None
    return parse_label(label or label_of(agent))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
