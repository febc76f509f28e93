"""An authenticator and its browser, made by hand from Web Authentication Level 3 and RFC 8949, for tests.

It shares no code with what is tested: every byte is put together here, so that any of them can be wrong on purpose.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.x509.oid import NameOID

from tests.world import ISSUER

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
AAGUID = bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f0")
AAGUID_OID = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Its bytes."""
    return base64.urlsafe_b64decode(text + "==")


def cbor(value: object) -> bytes:
    """RFC 8949: integers, byte and text strings, arrays and maps, in their shortest form."""
    match value:
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            return _head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
        case _:
            raise TypeError(type(value))


def _head(kind: int, number: int) -> bytes:
    for limit, mark, form in ((24, None, None), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I")):
        if number < limit:
            return bytes([kind << 5 | (number if mark is None else mark)]) + (
                struct.pack(form, number) if form else b""
            )
    raise ValueError(number)


@dataclass
class Authenticator:
    """One passkey of one account. Its attributes may be changed between two ceremonies, to lie."""

    flags: int = UP | UV | BE | BS
    count: int = 0
    rp_id: str = ISSUER.removeprefix("https://")
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes | None = None
    aaguid: bytes = AAGUID
    maker: Maker | None = None
    attests_itself: bool = False

    def create(self, options: Mapping[str, object], **client: object) -> str:
        """The answer to creation options, as a browser sends it; `client` replaces parts of the client data."""
        user = options["user"]
        assert isinstance(user, dict)
        self.handle = unb64(user["id"])
        data = _client_data("webauthn.create", options, client)
        statement: dict[str, object] = {}
        name = "none"
        signed = self._data(with_key=True) + hashlib.sha256(data).digest()
        if self.maker is not None:
            name, statement = "packed", self.maker.attest(signed)
        elif self.attests_itself:
            name, statement = "packed", {"alg": -7, "sig": self.key.sign(signed, ECDSA(hashes.SHA256()))}
        attestation = cbor({"fmt": name, "attStmt": statement, "authData": self._data(with_key=True)})
        response = {"clientDataJSON": b64(data), "attestationObject": b64(attestation), "transports": ["internal", "x"]}
        return self._credential(response)

    def get(self, options: Mapping[str, object], *, signed_by: Authenticator | None = None, **client: object) -> str:
        """The answer to request options; `signed_by` puts another's signature in its place."""
        data = _client_data("webauthn.get", options, client)
        told = self._data()
        key = (signed_by or self).key
        signature = key.sign(told + hashlib.sha256(data).digest(), ECDSA(hashes.SHA256()))
        response = {"clientDataJSON": b64(data), "authenticatorData": b64(told), "signature": b64(signature)}
        if self.handle is not None:
            response["userHandle"] = b64(self.handle)
        return self._credential(response)

    def _data(self, *, with_key: bool = False) -> bytes:
        """Authenticator data (§6.1), and attested credential data (§6.5.1)."""
        flags = self.flags | (AT if with_key else 0)
        head = hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)
        if not with_key:
            return head
        return head + self.aaguid + struct.pack(">H", len(self.credential_id)) + self.credential_id + self._cose()

    def _cose(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        return cbor({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})

    def _credential(self, response: Mapping[str, object]) -> str:
        shown = b64(self.credential_id)
        credential = {"id": shown, "rawId": shown, "type": "public-key", "response": response}
        return json.dumps({**credential, "clientExtensionResults": {}, "authenticatorAttachment": "platform"})


def _client_data(kind: str, options: Mapping[str, object], client: Mapping[str, object]) -> bytes:
    data = {"type": kind, "challenge": options["challenge"], "origin": ISSUER, "crossOrigin": False, **client}
    return json.dumps(data).encode()


@dataclass(frozen=True)
class Maker:
    """Who makes authenticators: a root, and the certificate of one make (§8.2.1)."""

    root: bytes
    certificate: bytes
    key: EllipticCurvePrivateKey

    @classmethod
    def new(cls, *, unit: str = "Authenticator Attestation", aaguid: bytes | None = AAGUID, ca: bool = False) -> Maker:
        """A maker whose certificate can have faults."""
        root_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
        root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests Root")])
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
                x509.NameAttribute(NameOID.COMMON_NAME, "Tests Key"),
            ]
        )
        root = _certificate(root_name, root_name, root_key, root_key, ca=True)
        extension = None if aaguid is None else x509.UnrecognizedExtension(AAGUID_OID, b"\x04\x10" + aaguid)
        leaf = _certificate(name, root_name, key, root_key, ca=ca, extension=extension)
        pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
        return cls(root.public_bytes(pem), leaf.public_bytes(der), key)

    def attest(self, signed: bytes) -> dict[str, object]:
        """A `packed` attestation statement (§8.2)."""
        return {"alg": -7, "sig": self.key.sign(signed, ECDSA(hashes.SHA256())), "x5c": [self.certificate]}


def _certificate(
    name: x509.Name,
    issuer: x509.Name,
    key: EllipticCurvePrivateKey,
    signer: EllipticCurvePrivateKey,
    *,
    ca: bool,
    extension: x509.UnrecognizedExtension | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA256())
