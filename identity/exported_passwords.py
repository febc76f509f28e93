"""A password as other identity systems export it, turned into the one form that is stored here; costs no hash.

- Keycloak: a credential of a user in a realm export: `secretData` and `credentialData`, each a JSON text, with
  `pbkdf2`, `pbkdf2-sha256`, `pbkdf2-sha512` or `argon2`; before version 8 the same fields lay bare in the credential
- Auth0: bcrypt; Django: what `auth_user.password` holds; all forms of `imported_hashes` and `argon2_hashes`
"""

import base64
from collections.abc import Mapping

import msgspec

from identity.argon2_hashes import parse_argon2_hash
from identity.errors import Refused
from identity.imported_hashes import UnreadableHash, parse_imported_hash

FIELD = "password_hash"
NO_PLAIN_TEXT = (
    "is a password in plain text, which is never imported: give its hash as password_hash, "
    "or nothing, and let the person choose a new one"
)

_PBKDF2 = {"pbkdf2": "sha1", "pbkdf2-sha1": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}
_ARGON2_TYPES = ("id", "i", "d")
_ARGON2_VERSIONS = {"1.0": 16, "10": 16, "1.3": 19, "13": 19}


def convert_hash(given: object) -> str:
    """The stored form of a password hash: text in any known form, or a Keycloak credential; raises Refused."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        given = _load_json(given)
    if isinstance(given, Mapping):
        return convert_keycloak(given)
    if not isinstance(given, str):
        raise Refused(FIELD, "must be text, or a Keycloak credential")
    return _stored(given.strip())


def convert_keycloak(credential: Mapping[str, object]) -> str:
    """The stored form of one Keycloak credential of type `password`; raises Refused."""
    if "value" in credential:
        raise Refused("credentials", NO_PLAIN_TEXT)
    secret = _part(credential, "secretData") if "secretData" in credential else credential
    about = _part(credential, "credentialData") if "credentialData" in credential else credential
    value = secret.get("value", secret.get("hashedSaltedValue"))
    salt = _bare_base64(secret.get("salt"), "salt")
    digest = _bare_base64(value, "value")
    rounds, algorithm = _number(about.get("hashIterations"), "hashIterations"), about.get("algorithm")
    if isinstance(algorithm, str) and algorithm in _PBKDF2:
        return _stored(f"$pbkdf2-{_PBKDF2[algorithm]}$i={rounds}${salt}${digest}")
    if algorithm == "argon2":
        return _stored(_argon2_text(_part(about, "additionalParameters"), rounds, salt, digest))
    raise Refused(FIELD, "must be made by pbkdf2, pbkdf2-sha256, pbkdf2-sha512 or argon2")


def _stored(text: str) -> str:
    try:
        ours = parse_argon2_hash(text)
        if ours is None:
            return parse_imported_hash(text).as_text()
    except UnreadableHash as fault:
        raise Refused(FIELD, f"cannot be used: {fault}") from None
    if ours.pepper_id is not None:
        raise Refused(FIELD, "cannot be used: it was made with a pepper, which is not in an export")
    return ours.bare.decode("ascii")


def _argon2_text(parameters: Mapping[str, object], passes: int, salt: str, digest: str) -> str:
    kind = str(_one(parameters.get("type", "id")))
    version = _ARGON2_VERSIONS.get(str(_one(parameters.get("version", "1.3"))))
    if kind not in _ARGON2_TYPES or version is None:
        raise Refused(FIELD, "has an Argon2 type or version that is unknown here")
    memory, lanes = (_number(_one(parameters.get(name)), name) for name in ("memory", "parallelism"))
    return f"$argon2{kind}$v={version}$m={memory},t={passes},p={lanes}${salt}${digest}"


def _part(mapping: Mapping[str, object], name: str) -> Mapping[str, object]:
    """A member that is an object, or the JSON text of one."""
    value = mapping.get(name)
    found = _load_json(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise Refused(FIELD, f"must have {name}, a JSON object")
    return found


def _load_json(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refused(FIELD, "must be valid JSON where it begins with {") from None


def _one(value: object) -> object:
    """Keycloak writes each additional parameter as a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _number(value: object, name: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
        return value
    raise Refused(FIELD, f"must have {name}, a whole number")


def _bare_base64(value: object, name: str) -> str:
    """The base64 as the stored forms write it: without padding."""
    try:
        raw = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:
        raw = b""
    if not raw:
        raise Refused(FIELD, f"must have {name}, in base64")
    return base64.b64encode(raw).decode("ascii").rstrip("=")
