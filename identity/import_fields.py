"""What an entry of an import says, whatever system wrote it: the person to be made.

An entry has the plain fields below, or it is recognised by names that only Keycloak, Auth0 or Django write; of those
what we have no place for is left behind (`docs/import.md` has the table). No I/O.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from identity.errors import Refused
from identity.exported_passwords import NO_PLAIN_TEXT, convert_hash, convert_keycloak
from identity.new_people import CheckedPerson, check_new_person
from identity.person_values import TEXT_CLAIMS, NewPerson

Fields = Mapping[str, object]

FLAGS = ("email_verified", "disabled", "phone_number_verified")
COLUMNS = ("email", "username", "password_hash", *FLAGS, *TEXT_CLAIMS)
PLAIN_FIELDS = (*COLUMNS, "address")

_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_MAX_SHOWN_NAME = 40


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A person to be made, checked as far as can be without the database; `disabled` ones cannot sign in."""

    checked: CheckedPerson
    disabled: bool


def parse_newcomer(fields: Fields, *, emails_verified: bool) -> Newcomer:
    """The person that an entry tells of; raises Refused naming the field and what was expected.

    `emails_verified`: whoever imports vouches for every address, whatever the file says.
    """
    plain = next((convert(fields) for marks, convert in _SOURCES if marks & fields.keys()), fields)
    unknown = plain.keys() - set(PLAIN_FIELDS)
    if "password" in unknown:
        raise Refused("password", NO_PLAIN_TEXT)
    if unknown:
        raise Refused(_shown(sorted(unknown)[0]), f"is unknown; the fields are {', '.join(PLAIN_FIELDS)}")
    given = {name: value for name, value in plain.items() if value not in (None, "")}
    flags = {name: _flag(name, given[name]) for name in FLAGS if name in given}
    # Names first: a hash is the dearest to read.
    checked = check_new_person(_new_person(given, flags, emails_verified=emails_verified))
    if "password_hash" in given:
        checked = replace(checked, password_hash=convert_hash(given["password_hash"]))
    return Newcomer(checked, disabled=flags.get("disabled", False))


def _new_person(given: Fields, flags: Mapping[str, bool], *, emails_verified: bool) -> NewPerson:
    email, username = _text(given, "email"), _text(given, "username")
    is_verified = emails_verified or flags.get("email_verified", True)
    if email and username and "@" in username and username.strip().casefold() == email.strip().casefold():
        username = None  # the address signs in by itself
    if email and not username and not is_verified:
        raise Refused(
            "email", "is not verified, and nobody could sign in without a username: add one, or vouch for all addresses"
        )
    profile = {name: given[name] for name in (*TEXT_CLAIMS, "address") if name in given}
    if "phone_number_verified" in flags:
        profile["phone_number_verified"] = flags["phone_number_verified"]
    return NewPerson(username=username, email=email, email_verified=is_verified, profile=profile)


def check_columns(names: Sequence[str]) -> None:
    """Raises Refused for a CSV header with a column that is unknown or stands there twice."""
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise Refused(_shown(unknown[0]) or "file", f"is an unknown column; the columns are {', '.join(COLUMNS)}")
    if len(set(names)) < len(names):
        raise Refused("file", "must name each column once in its header")


def _shown(name: str) -> str:
    """A name that the file chose, such that it cannot move the cursor or fill the screen."""
    return "".join(char if char.isprintable() else "?" for char in name[:_MAX_SHOWN_NAME])


def _text(given: Fields, name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise Refused(name, "must be text")
    return value


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().casefold() if isinstance(value, str) else ""
    if word not in _TRUE | _FALSE:
        raise Refused(name, "must be true or false")
    return word in _TRUE


def _joined(*names: object) -> str | None:
    """A full name of its parts, as Keycloak and Django themselves make it."""
    return " ".join(name.strip() for name in names if isinstance(name, str) and name.strip()) or None


def _first(value: object) -> object:
    """Keycloak's attributes are lists."""
    return value[0] if isinstance(value, list) and value else None


def _from_keycloak(user: Fields) -> Fields:
    """A user of a realm export (`users`)."""
    if user.get("serviceAccountClientId"):
        raise Refused("serviceAccountClientId", "marks a service account, which is no person: make a client instead")
    attributes = user.get("attributes")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    return {
        "username": user.get("username"),
        "email": user.get("email"),
        "email_verified": user.get("emailVerified", False),
        "disabled": user.get("enabled") is False,
        "name": _joined(user.get("firstName"), user.get("lastName")),
        "given_name": user.get("firstName"),
        "family_name": user.get("lastName"),
        "locale": _first(attributes.get("locale")),
        "phone_number": _first(attributes.get("phoneNumber")),
        "password_hash": _keycloak_password(user.get("credentials")),
    }


def _keycloak_password(credentials: object) -> str | None:
    for credential in credentials if isinstance(credentials, list) else ():
        if isinstance(credential, Mapping) and credential.get("type") == "password":
            return convert_keycloak(credential)
    return None


def _from_auth0(user: Fields) -> Fields:
    """A user of an export with password hashes, or of the users export."""
    identifiers = user.get("identifiers")
    mail: Fields = next(
        (
            each
            for each in (identifiers if isinstance(identifiers, list) else ())
            if isinstance(each, Mapping) and each.get("type") == "email"
        ),
        {},
    )
    kept = ("username", "name", "given_name", "family_name", "nickname", "picture", "phone_number")
    return {
        **{name: user.get(name) for name in kept},
        "email": user.get("email", mail.get("value")),
        "email_verified": user.get("email_verified", mail.get("verified", False)),
        "disabled": user.get("blocked", False),
        "password_hash": user.get("passwordHash", user.get("password_hash")),
    }


def _from_django(record: Fields) -> Fields:
    """A record of `dumpdata auth.user`; Django does not know whether an address is verified."""
    user = record.get("fields")
    if not isinstance(user, Mapping):
        raise Refused("fields", "must be an object, as dumpdata writes it")
    password = user.get("password")
    return {
        "username": user.get("username"),
        "email": user.get("email"),
        "email_verified": False,
        "disabled": user.get("is_active") is False,
        "name": _joined(user.get("first_name"), user.get("last_name")),
        "given_name": user.get("first_name"),
        "family_name": user.get("last_name"),
        # An exclamation mark is Django's own sign for: no password.
        "password_hash": None if isinstance(password, str) and password.startswith("!") else password,
    }


_SOURCES: tuple[tuple[frozenset[str], Callable[[Fields], Fields]], ...] = (
    (frozenset({"credentials", "emailVerified", "firstName", "createdTimestamp"}), _from_keycloak),
    (frozenset({"_id", "user_id", "passwordHash", "identifiers"}), _from_auth0),
    (frozenset({"model", "fields"}), _from_django),
)
