"""What the `webauthn` library does not look at in a maker's certificate (Web Authentication Level 3 §8.2.1)."""

from cryptography import x509
from cryptography.x509.oid import NameOID
from webauthn.helpers import parse_attestation_object
from webauthn.helpers.structs import AttestationFormat

# id-fido-gen-ce-aaguid: an OCTET STRING of 16 bytes inside the extension's own.
_AAGUID_OID = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
_OCTET_STRING_OF_16 = b"\x04\x10"


def is_vouched_for(attestation_object: bytes) -> bool:
    """Whether a maker's certificate stands behind an attestation whose signature and chain were verified before.

    Only the format `packed` counts, which security keys use; an authenticator that signs for itself has no
    certificate. Raises ValueError, or what the library raises, for bytes that are no attestation.
    """
    attestation = parse_attestation_object(attestation_object)
    credential = attestation.auth_data.attested_credential_data
    if attestation.fmt != AttestationFormat.PACKED or not attestation.att_stmt.x5c or credential is None:
        return False
    return _is_for_attestation(x509.load_der_x509_certificate(attestation.att_stmt.x5c[0]), credential.aaguid)


def _is_for_attestation(certificate: x509.Certificate, aaguid: bytes) -> bool:
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    if certificate.version is not x509.Version.v3 or [unit.value for unit in units] != ["Authenticator Attestation"]:
        return False
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return not constraints.value.ca and _names_make(certificate, aaguid)


def _names_make(certificate: x509.Certificate, aaguid: bytes) -> bool:
    """Whether the certificate is for this make, or for any: a key of one make cannot pose as another's."""
    try:
        extension = certificate.extensions.get_extension_for_oid(_AAGUID_OID)
    except x509.ExtensionNotFound:
        return True
    value = extension.value
    if not isinstance(value, x509.UnrecognizedExtension) or extension.critical:
        return False
    return value.value == _OCTET_STRING_OF_16 + aaguid
