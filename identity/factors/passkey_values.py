"""What passkeys are made of, as frozen values, and the reading of a browser's answer (Web Authentication Level 3)."""

import base64
import re
from dataclasses import dataclass
from typing import Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from webauthn.helpers import parse_cbor
from webauthn.helpers.exceptions import WebAuthnException

# §4: "a credential ID is at most 1023 bytes long".
MAX_ID_BYTES = 1023
_MAX_CLIENT_DATA_BYTES = 4096
# Hash of the relying party's id, flags, counter (§6.1).
_MIN_AUTHENTICATOR_DATA_BYTES = 37
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_TRANSPORTS = frozenset({"usb", "nfc", "ble", "smart-card", "hybrid", "internal"})
# Whatever a library throws at bytes that a stranger chose; each is an answer that does not hold.
BROKEN = (WebAuthnException, UnsupportedAlgorithm, ValueError, KeyError, IndexError, TypeError, AttributeError)

PasskeyKind = Literal["passkey", "passkey_bound", "passkey_attested"]


class PasskeyRefused(Exception):
    """An answer that does not hold; `reason` is one word for the event, never for the person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks: the configured issuer's host and origin, never a request's. `roots` are PEM certificates of makers."""

    id: str
    origin: str
    name: str
    roots: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A credential as a browser is told of it, with the ways in which it may be reached."""

    id: bytes
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """As whose passkey a browser stores it: `handle` says nothing about the person, the names are for their eyes."""

    handle: bytes
    name: str
    shown_name: str


@dataclass(frozen=True, slots=True)
class StoredPasskey:
    """A passkey as it was registered. `handle` is the user handle that it was made under."""

    id: bytes
    person_id: bytes
    kind: str
    credential_id: bytes
    public_key: bytes
    handle: bytes
    backup_eligible: bool


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that was made just now. `aaguid` names the make; a claim, unless the maker vouches for it."""

    kind: PasskeyKind
    credential_id: bytes
    public_key: bytes
    sign_count: int
    backup_eligible: bool
    backup_state: bool
    aaguid: str
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a passkey that proved its person said about itself."""

    sign_count: int
    backup_state: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A browser's answer, read and not believed yet. An assertion has a signature, a registration an attestation."""

    credential_id: bytes
    challenge: bytes
    client: "_ClientData"
    client_data: bytes
    attestation_object: bytes = b""
    authenticator_data: bytes = b""
    signature: bytes = b""
    handle: bytes | None = None
    transports: tuple[str, ...] = ()

    @property
    def flags(self) -> int:
        """The flags of the authenticator data (§6.1)."""
        return self.authenticator_data[32]


class _ClientData(msgspec.Struct, rename="camel"):
    type: str
    challenge: str
    origin: str
    cross_origin: bool = False
    top_origin: str | None = None


class _Response(msgspec.Struct, rename="camel"):
    client_data: str = msgspec.field(name="clientDataJSON")
    attestation_object: str = ""
    authenticator_data: str = ""
    signature: str = ""
    user_handle: str | None = None
    transports: tuple[str, ...] = ()


class _Credential(msgspec.Struct, rename="camel"):
    id: str
    raw_id: str
    type: Literal["public-key"]
    response: _Response


def parse_answer(text: str) -> Answer:
    """The JSON that a browser gives of its credential (§5.1); raises PasskeyRefused where it is no such thing."""
    try:
        given = msgspec.json.decode(text, type=_Credential)
        client_data = _unshow(given.response.client_data)
        if len(client_data) > _MAX_CLIENT_DATA_BYTES or given.id != given.raw_id:
            raise PasskeyRefused("malformed")
        client = msgspec.json.decode(client_data, type=_ClientData)
        attestation_object = _unshow(given.response.attestation_object)
        authenticator_data: object = _unshow(given.response.authenticator_data)
        if attestation_object:
            authenticator_data = parse_cbor(attestation_object)["authData"]
        if not isinstance(authenticator_data, bytes) or len(authenticator_data) < _MIN_AUTHENTICATOR_DATA_BYTES:
            raise PasskeyRefused("malformed")
        handle = given.response.user_handle
        answer = Answer(
            credential_id=_unshow(given.id),
            challenge=_unshow(client.challenge),
            client=client,
            client_data=client_data,
            attestation_object=attestation_object,
            authenticator_data=authenticator_data,
            signature=_unshow(given.response.signature),
            handle=None if handle is None else _unshow(handle),
            transports=tuple(sorted(_TRANSPORTS & set(given.response.transports))),
        )
    except (*BROKEN, RecursionError):
        raise PasskeyRefused("malformed") from None
    if not 0 < len(answer.credential_id) <= MAX_ID_BYTES:
        raise PasskeyRefused("malformed")
    return answer


def _unshow(text: str) -> bytes:
    """The bytes of a base64url text; raises ValueError where it is none."""
    if not _BASE64URL.fullmatch(text):
        raise ValueError("not base64url")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
