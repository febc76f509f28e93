"""Which letters there are, and which facts each of them tells."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

# A fact is told in a letter; `datetime` is aware UTC.
Fact = str | int | datetime
# The facts that are addresses to open; each holds a secret.
LINKS = ("link", "unlock", "not_me")
# A report's letter tells at most so many figures, each as `label: value`.
MOST_FIGURES = 9
FIGURES = tuple(f"figure_{number}" for number in range(1, MOST_FIGURES + 1))


class LetterKind(StrEnum):
    """Letters that somebody asked for, and one to an address that must not open the account any more."""

    INVITE = "invite"
    RECOVER = "recover"
    RESET = "reset"
    VERIFY = "verify"
    REGISTER = "register"
    ALREADY_REGISTERED = "already_registered"
    MAIL_CODE = "mail_code"
    EMAIL_REMOVED = "email_removed"
    # To whoever is set to be told, about nobody in particular.
    REPORT = "report"


class Notice(StrEnum):
    """Letters about something that happened to an account; each carries a link that says "this was not me"."""

    NEW_DEVICE = "new_device"
    NEW_COUNTRY = "new_country"
    DEVICE_CLONED = "device_cloned"
    UNUSUAL_SIGNIN = "unusual_signin"
    PASSWORD_CHANGED = "password_changed"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    LOCKED = "locked"
    BACKUP_CODE_USED = "backup_code_used"
    FEW_BACKUP_CODES = "few_backup_codes"
    EMAIL_CHANGED = "email_changed"
    DELETION_ASKED = "deletion_asked"
    RESET_DONE = "reset_done"


@dataclass(frozen=True, slots=True)
class Shape:
    """The facts of a kind of letter: those that it cannot be without, and those that it tells where they are known."""

    needed: Mapping[str, type]
    known: Mapping[str, type] = field(default_factory=dict)


_LINK: Mapping[str, type] = {"link": str, "expires_at": datetime}
_NAME: Mapping[str, type] = {"name": str}
_WHAT: Mapping[str, type] = {"at": datetime, "not_me": str}
_WHERE: Mapping[str, type] = {"name": str, "browser": str, "address": str}


def _notice(needed: Mapping[str, type] | None = None, known: Mapping[str, type] | None = None) -> Shape:
    return Shape({**_WHAT, **(needed or {})}, {**_WHERE, **(known or {})})


SHAPES: Mapping[str, Shape] = {
    # To addresses that nobody has proven, no words that a stranger chose: such a letter would carry them to anybody.
    LetterKind.INVITE: Shape(_LINK),
    LetterKind.VERIFY: Shape(_LINK),
    LetterKind.REGISTER: Shape(_LINK),
    LetterKind.ALREADY_REGISTERED: Shape({"link": str}),
    LetterKind.RECOVER: Shape(_LINK, {**_NAME, "code": str}),
    LetterKind.RESET: Shape(_LINK, _NAME),
    LetterKind.MAIL_CODE: Shape({"code": str, "expires_at": datetime}, _NAME),
    LetterKind.EMAIL_REMOVED: Shape({"at": datetime}, _NAME),
    LetterKind.REPORT: Shape({"report": str, "title": str, "from_at": datetime}, dict.fromkeys(FIGURES, str)),
    # A country is told by its code (ISO 3166-1 alpha-2), and shown by its name.
    Notice.NEW_DEVICE: _notice(known={"country": str}),
    Notice.NEW_COUNTRY: _notice({"country": str}),
    Notice.DEVICE_CLONED: _notice(),
    Notice.UNUSUAL_SIGNIN: _notice(),
    Notice.PASSWORD_CHANGED: _notice(),
    Notice.FACTOR_ADDED: _notice({"method": str}, {"label": str}),
    Notice.FACTOR_REMOVED: _notice({"method": str}, {"label": str}),
    Notice.LOCKED: _notice({"unlock": str}, {"until": datetime}),
    Notice.BACKUP_CODE_USED: _notice({"left": int}),
    Notice.FEW_BACKUP_CODES: _notice({"left": int}),
    Notice.EMAIL_CHANGED: _notice(known={"new_email": str, "added": str, "removed": str}),
    Notice.DELETION_ASKED: _notice({"delete_at": datetime}),
    Notice.RESET_DONE: _notice(),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter before it is put into words."""

    kind: str
    to: str
    language: str
    facts: Mapping[str, Fact]


def check_facts(kind: str, facts: Mapping[str, object], *, issuer: str) -> None:
    """Raises ValueError where facts are missing, unknown, of another type, or a link leads elsewhere (S27)."""
    shape = SHAPES[kind]
    declared = {**shape.needed, **shape.known}
    faults = [f"{name} is missing" for name in shape.needed if name not in facts]
    faults += [f"{name} is not declared" for name in facts if name not in declared]
    for name, value in facts.items():
        if name in declared and not isinstance(value, declared[name]):
            faults.append(f"{name} must be {declared[name].__name__}")
        elif name in LINKS and not str(value).startswith(f"{issuer}/"):
            faults.append(f"{name} must be an address under the issuer")
    if faults:
        raise ValueError(f"a letter of the kind {kind}: {', '.join(faults)}")
