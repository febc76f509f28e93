"""What an account is made of, in one place for every way in: the checked names and profile, the rows, the event."""

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from audit.catalogue import PERSON_CREATED
from audit.record import Event, Origin
from base.ids import PERSON, new_id, show_id
from base.secret_values import b64url
from identity.errors import Refused
from identity.names import MAX_USERNAME_LENGTH, EmailAddress, InvalidName, normalise_email, normalise_username
from identity.person_values import NewPerson
from identity.profiles import check_profile
from identity.values import PersonState


@dataclass(frozen=True, slots=True)
class CheckedPerson:
    """An account that can be made, as far as can be told without the database."""

    username: str | None
    username_key: str | None
    email: EmailAddress | None
    email_verified: bool
    profile: dict[str, object]
    is_admin: bool
    password_hash: str | None

    @property
    def verified_key(self) -> str | None:
        """The key of the mail address that nobody else may have, or None."""
        return self.email.key if self.email is not None and self.email_verified else None


def check_new_person(new: NewPerson) -> CheckedPerson:
    """The account in the form that is stored; raises Refused for a name, address or profile that cannot be taken.

    That nobody else has the name or the address is the database's to say.
    """
    if not new.username and not new.email:
        raise Refused("username", "a username or a mail address is needed")
    try:
        username_key = normalise_username(new.username) if new.username else None
        email = normalise_email(new.email) if new.email else None
    except InvalidName as fault:
        raise Refused(fault.field, fault.fault.text) from None
    return CheckedPerson(
        username=_shown_username(new.username),
        username_key=username_key,
        email=email,
        email_verified=new.email_verified,
        profile=check_profile({**new.profile, **({"name": new.name} if new.name else {})}),
        is_admin=new.is_admin,
        password_hash=new.password_hash,
    )


def _shown_username(typed: str | None) -> str | None:
    shown = unicodedata.normalize("NFC", typed or "").strip()
    if len(shown) > MAX_USERNAME_LENGTH:
        raise Refused("username", f"at most {MAX_USERNAME_LENGTH} characters, accents counted as they are typed")
    return shown or None


def person_row(
    checked: CheckedPerson, person_id: bytes, *, now: datetime, state: PersonState = "active"
) -> dict[str, object]:
    """The row of `people`."""
    return {
        "id": person_id,
        # Random: one made from the time-ordered id would tell when the account was made.
        "sub": b64url(secrets.token_bytes(24)),
        "username": checked.username,
        "username_key": checked.username_key,
        "state": state,
        "is_admin": checked.is_admin,
        "profile": checked.profile,
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }


def email_row(email: EmailAddress, person_id: bytes, *, verified: bool, now: datetime) -> dict[str, object]:
    """The row of `emails` for the first address of an account."""
    return {
        "id": new_id(now),
        "person_id": person_id,
        "address": email.display,
        "address_key": email.key,
        "is_primary": True,
        "verified_at": now if verified else None,
        "created_at": now,
    }


def created_event(
    checked: CheckedPerson,
    person_id: bytes,
    *,
    actor: str,
    via: str,
    state: PersonState = "active",
    origin: Origin = Origin(),
) -> Event:
    """The event that tells of the new account, and of its state where that is not `active`."""
    return Event(
        type=PERSON_CREATED,
        actor=actor,
        subject=show_id(PERSON, person_id),
        person=person_id,
        origin=origin,
        data={"is_admin": checked.is_admin, "via": via, **({} if state == "active" else {"state": state})},
        personal={
            "username": checked.username,
            "email": checked.email.display if checked.email else None,
            "name": checked.profile.get("name"),
        },
    )
