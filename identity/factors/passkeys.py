"""Passkeys (Web Authentication Level 3): what a browser is asked, and whether its answer holds. Without I/O.

The `webauthn` library verifies keys and signatures (docs/decisions/0009). What it leaves to its caller, and whatever
deserves a reason of its own in the event, is checked here first, in the order of `_CHECKS`.
"""

import hashlib
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography, encode_cbor
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    RegistrationCredential,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from base.secret_values import b64url
from identity.factors.passkey_attestation import is_vouched_for
from identity.factors.passkey_values import (
    BROKEN,
    Account,
    Answer,
    Assertion,
    Descriptor,
    NewPasskey,
    PasskeyKind,
    PasskeyRefused,
    RelyingParty,
    StoredPasskey,
)
from identity.settings import IdentitySettings

CHALLENGE_TTL_S = 300
# What authenticators have (§5.4.4), the best first. No RSA with SHA-1, which the library would still take.
ALGORITHMS = (
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)
_UP, _UV, _BE, _BS, _AT = 0x01, 0x04, 0x08, 0x10, 0x40


def relying_party(settings: IdentitySettings) -> RelyingParty:
    """The relying party of a deployment."""
    parts = urlsplit(settings.issuer)
    return RelyingParty(
        parts.hostname or "", f"{parts.scheme}://{parts.netloc}", settings.service_name, settings.attestation_roots
    )


def creation_options(
    party: RelyingParty, account: Account, *, challenge: bytes, known: Sequence[Descriptor]
) -> dict[str, object]:
    """PublicKeyCredentialCreationOptionsJSON (§5.1.9): a discoverable credential, from whoever has none of `known`."""
    return {
        "rp": {"id": party.id, "name": party.name},
        "user": {"id": b64url(account.handle), "name": account.name, "displayName": account.shown_name},
        "challenge": b64url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": int(algorithm)} for algorithm in ALGORITHMS],
        "timeout": CHALLENGE_TTL_S * 1000,
        "excludeCredentials": [_show(descriptor) for descriptor in known],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "direct" if party.roots else "none",
    }


def request_options(party: RelyingParty, *, challenge: bytes, known: Sequence[Descriptor] = ()) -> dict[str, object]:
    """PublicKeyCredentialRequestOptionsJSON (§5.1.9). Without `known` the browser offers what it has (S22)."""
    return {
        "rpId": party.id,
        "challenge": b64url(challenge),
        "timeout": CHALLENGE_TTL_S * 1000,
        "userVerification": "required",
        "allowCredentials": [_show(descriptor) for descriptor in known],
    }


def _show(descriptor: Descriptor) -> dict[str, object]:
    shown: dict[str, object] = {"type": "public-key", "id": b64url(descriptor.id)}
    return {**shown, "transports": list(descriptor.transports)} if descriptor.transports else shown


# Why an answer does not hold, in the order in which that is found (the steps on client data and flags, §7.1 and §7.2).
# Pages of others may not use our passkeys inside frames, even where the browser would let them.
_CHECKS: tuple[tuple[str, Callable[[Answer, RelyingParty], bool]], ...] = (
    ("wrong_origin", lambda answer, party: answer.client.origin == party.origin),
    ("cross_origin", lambda answer, _: not answer.client.cross_origin and answer.client.top_origin is None),
    ("wrong_relying_party", lambda answer, party: answer.authenticator_data[:32] == _hash_of(party)),
    ("user_not_present", lambda answer, _: bool(answer.flags & _UP)),
    ("user_not_verified", lambda answer, _: bool(answer.flags & _UV)),
    ("backup_flags", lambda answer, _: bool(answer.flags & _BE) or not answer.flags & _BS),
)


def _hash_of(party: RelyingParty) -> bytes:
    return hashlib.sha256(party.id.encode()).digest()


def _check(answer: Answer, party: RelyingParty, *, expected_type: str, expected_challenge: bytes) -> None:
    if answer.client.type != expected_type:
        raise PasskeyRefused("wrong_type")
    if answer.challenge != expected_challenge:
        raise PasskeyRefused("unknown_challenge")
    for reason, holds in _CHECKS:
        if not holds(answer, party):
            raise PasskeyRefused(reason)


def verify_registration(answer: Answer, party: RelyingParty, *, expected_challenge: bytes) -> NewPasskey:
    """The passkey that was made for `expected_challenge`; raises PasskeyRefused. Whether it is new is not checked here.

    An attestation that no configured root vouches for is worth as much as none, so it is looked at apart.
    """
    _check(answer, party, expected_type="webauthn.create", expected_challenge=expected_challenge)
    if not answer.flags & _AT:
        raise PasskeyRefused("malformed")
    try:
        bare = encode_cbor({"fmt": "none", "attStmt": {}, "authData": answer.authenticator_data})
        verified = _verify_created(answer, party, bare)
        # Without this a key that is no point of its curve would only fail when somebody signs in with it.
        decoded_public_key_to_cryptography(decode_credential_public_key(verified.credential_public_key))
    except BROKEN:
        raise PasskeyRefused("not_verifiable") from None
    if verified.credential_id != answer.credential_id:
        raise PasskeyRefused("malformed")
    return NewPasskey(
        kind=_kind_of(answer, party),
        credential_id=answer.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        backup_eligible=bool(answer.flags & _BE),
        backup_state=bool(answer.flags & _BS),
        aaguid=verified.aaguid,
        transports=answer.transports,
    )


def _kind_of(answer: Answer, party: RelyingParty) -> PasskeyKind:
    if answer.flags & _BE:
        return "passkey"
    if not party.roots:
        return "passkey_bound"
    try:
        _verify_created(answer, party, answer.attestation_object, roots=party.roots)
        vouched = is_vouched_for(answer.attestation_object)
    except BROKEN:
        vouched = False
    return "passkey_attested" if vouched else "passkey_bound"


def _verify_created(
    answer: Answer, party: RelyingParty, attestation_object: bytes, *, roots: tuple[bytes, ...] = ()
) -> VerifiedRegistration:
    shown = b64url(answer.credential_id)
    response = AuthenticatorAttestationResponse(answer.client_data, attestation_object)
    return verify_registration_response(
        credential=RegistrationCredential(id=shown, raw_id=answer.credential_id, response=response),
        expected_challenge=answer.challenge,
        expected_rp_id=party.id,
        expected_origin=party.origin,
        require_user_verification=True,
        supported_pub_key_algs=list(ALGORITHMS),
        pem_root_certs_bytes_by_fmt={AttestationFormat.PACKED: list(roots)},
    )


def verify_assertion(
    answer: Answer, party: RelyingParty, *, expected_challenge: bytes, stored: StoredPasskey, is_person_known: bool
) -> Assertion:
    """What a passkey said that proved its person; raises PasskeyRefused.

    Where nobody had said before who it is (`is_person_known`), the answer must name its account (§7.2). The counter is
    not judged here: whoever stores it does (docs/decisions/0010).
    """
    _check(answer, party, expected_type="webauthn.get", expected_challenge=expected_challenge)
    if answer.handle != stored.handle and (answer.handle is not None or not is_person_known):
        raise PasskeyRefused("foreign_handle")
    if bool(answer.flags & _BE) is not stored.backup_eligible:
        raise PasskeyRefused("backup_flags")
    shown = b64url(answer.credential_id)
    response = AuthenticatorAssertionResponse(answer.client_data, answer.authenticator_data, answer.signature)
    try:
        verified = verify_authentication_response(
            credential=AuthenticationCredential(id=shown, raw_id=answer.credential_id, response=response),
            expected_challenge=expected_challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=stored.public_key,
            # 0: the library would refuse a counter that went back, before it has looked at the signature.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except BROKEN:
        raise PasskeyRefused("bad_signature") from None
    return Assertion(verified.new_sign_count, bool(answer.flags & _BS))
