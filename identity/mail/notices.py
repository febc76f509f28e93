"""The door for whoever has something to tell by mail: both functions promise a letter in the caller's transaction."""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, cast

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.record import Origin
from base.clock import to_micros
from base.languages import choose_language
from base.statements import Statement
from base.within import run
from identity.browser_labels import label_of
from identity.links import make_link
from identity.mail.letter_values import SHAPES, Fact, Letter, LetterKind, Notice, check_facts
from identity.mail.outbox import promise
from identity.services import Services

MOST_AN_HOUR = 5
# Whoever has got in must not be able to hide what they change behind letters of the same kind.
_ALWAYS_TOLD = frozenset(
    {
        Notice.PASSWORD_CHANGED,
        Notice.FACTOR_ADDED,
        Notice.FACTOR_REMOVED,
        Notice.EMAIL_CHANGED,
        Notice.BACKUP_CODE_USED,
        Notice.RESET_DONE,
    }
)
# The sender of a request chooses what its browser is called: no address, and nothing that mail programs make one of.
_PLAIN_LABEL = re.compile(r"[A-Za-z0-9 ]+", re.ASCII)
_PLAIN_LETTER_TTL = timedelta(days=1)

_SELECTED = """
    p.profile,
    (SELECT address FROM emails WHERE person_id = p.id AND verified_at IS NOT NULL
        ORDER BY is_primary DESC, created_at LIMIT 1),
    (SELECT count(*) FROM outbox WHERE person_id = p.id AND kind = {0}kind AND created_at > {0}since)
"""
_FIND_READER = Statement(
    "find reader",
    (("person", "bytea"), ("kind", "text"), ("since", "bigint")),
    (f"SELECT {_SELECTED.format(':')} FROM people p WHERE p.id = :person",),
    f"SELECT n, {_SELECTED.format('input.')} FROM input JOIN people p ON p.id = input.person",
)


class _Reader(NamedTuple):
    """What a letter to a person needs of them."""

    to: str
    locale: str
    name: str | None
    # Letters of this kind that the person was promised within an hour.
    told: int = 0


async def notify(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    notice: Notice,
    *,
    now: datetime,
    origin: Origin,
    about: Mapping[str, Fact | bytes] | None = None,
    to: str | None = None,
) -> None:
    """Promises a notice to the person's verified address (the primary one before others), or to `to`.

    In `about`, ids (bytes) go into the payload of the not-me link, in hexadecimal; everything else is told in the
    letter, as `letter_values.SHAPES` declares. Nothing is promised where no letter leaves, where the person has no
    verified address, and where the same was told `MOST_AN_HOUR` times within an hour.
    """
    if not services.settings.has_mail:
        return
    reader = await _find_reader(db, person_id, to, notice, now=now)
    about = about or {}
    if reader is None or (reader.told >= MOST_AN_HOUR and not _is_always_told(notice, about)):
        return
    told = {name: value for name, value in about.items() if not isinstance(value, bytes)}
    facts = {"at": now, **_whereabouts(origin), **told}
    undo = {name: value.hex() for name, value in about.items() if isinstance(value, bytes)}
    issuer, ttl = services.settings.issuer, services.settings.not_me_ttl
    not_me = await make_link(
        db,
        "not_me",
        ttl=ttl,
        now=now,
        person_id=person_id,
        payload={"about": notice, **undo},
        beside_others=True,
    )
    facts["not_me"] = f"{issuer}/not-me/{not_me}"
    if notice is Notice.LOCKED:
        open_for = max(services.settings.lockout_duration, services.settings.link_ttl)
        unlock = await make_link(db, "unlock", ttl=open_for, now=now, person_id=person_id)
        facts["unlock"] = f"{issuer}/unlock/{unlock}"
    await _promise(db, services, notice, reader, facts, person_id=person_id, expires_at=now + ttl, now=now)


def _is_always_told(notice: Notice, about: Mapping[str, Fact | bytes]) -> bool:
    """Whether a crowd of letters of the kind hides nothing. Backup codes hide nothing behind the sets before them: the
    not-me link of any of those letters kills whichever set there is."""
    return notice in _ALWAYS_TOLD and about.get("method") != "backup_codes"


async def send_letter(
    db: AsyncConnection,
    services: Services,
    letter: LetterKind,
    *,
    to: str,
    language: str | None = None,
    person_id: bytes | None = None,
    facts: Mapping[str, Fact],
    now: datetime,
) -> None:
    """Promises a letter that somebody asked for, in the person's language, else in `language`, else in English.

    `facts` are those that `letter_values.SHAPES` declares; without an `expires_at` the letter is tried for a day.
    """
    if not services.settings.has_mail:
        return
    known = await _find_reader(db, person_id, to, letter, now=now) if person_id is not None else None
    reader = _Reader(to, (known and known.locale) or language or "", known and known.name)
    expires_at = facts.get("expires_at")
    if not isinstance(expires_at, datetime):
        expires_at = now + _PLAIN_LETTER_TTL
    await _promise(db, services, letter, reader, facts, person_id=person_id, expires_at=expires_at, now=now)


async def _promise(
    db: AsyncConnection,
    services: Services,
    kind: LetterKind | Notice,
    reader: _Reader,
    facts: Mapping[str, Fact],
    *,
    person_id: bytes | None,
    expires_at: datetime,
    now: datetime,
) -> None:
    if reader.name and "name" in SHAPES[kind].known:
        facts = {"name": reader.name, **facts}
    check_facts(kind, facts, issuer=services.settings.issuer)
    language = choose_language((reader.locale,), "", services.pages.languages)
    letter = Letter(kind, reader.to, language, facts)
    await promise(db, services, letter, person_id=person_id, expires_at=expires_at, now=now)


async def _find_reader(
    db: AsyncConnection, person_id: bytes, to: str | None, kind: LetterKind | Notice, *, now: datetime
) -> _Reader | None:
    """Where a letter to this person goes, and how it speaks; None where there is no such person or no address."""
    row = await run(db, _FIND_READER, (person_id, kind.value, to_micros(now - timedelta(hours=1))))
    if row is None:
        return None
    written, address, told = cast(tuple[str, str | None, int], row)
    to = to or address
    if to is None:
        return None
    profile = msgspec.json.decode(written, type=dict[str, object])
    name, locale = profile.get("name"), profile.get("locale")
    return _Reader(to, locale if isinstance(locale, str) else "", name if isinstance(name, str) else None, told)


def _whereabouts(origin: Origin) -> dict[str, Fact]:
    """The browser, empty where its name is no name, and the address that it was done from, as far as they are known."""
    facts: dict[str, Fact] = {}
    if origin.user_agent:
        label = label_of(origin.user_agent)
        facts["browser"] = label if _PLAIN_LABEL.fullmatch(label) else ""
    if origin.address:
        facts["address"] = origin.address
    return facts
