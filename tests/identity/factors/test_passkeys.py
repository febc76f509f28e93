"""What holds of a browser's answer and what does not, without a server (S30)."""

from __future__ import annotations

import json
import secrets
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.factors.passkey_values import (
    Account,
    Assertion,
    Descriptor,
    NewPasskey,
    PasskeyRefused,
    RelyingParty,
    StoredPasskey,
    parse_answer,
)
from identity.factors.passkeys import creation_options, request_options, verify_assertion, verify_registration
from tests.identity.factors.passkey_authenticator import AAGUID, BE, BS, UP, UV, Authenticator, Maker, b64, cbor, unb64
from tests.world import ISSUER

PARTY = RelyingParty("id.example.com", ISSUER, "Ostiary")
ACCOUNT = Account(b"h" * 32, "ada", "Ada Byron")
BOUND = UP | UV


def _register(key: Authenticator, party: RelyingParty = PARTY, **client: object) -> NewPasskey:
    challenge = secrets.token_bytes(32)
    answer = parse_answer(key.create(creation_options(party, ACCOUNT, challenge=challenge, known=()), **client))
    return verify_registration(answer, party, expected_challenge=challenge)


def _stored(new: NewPasskey) -> StoredPasskey:
    return StoredPasskey(
        id=b"i" * 16,
        person_id=b"p" * 16,
        kind=new.kind,
        credential_id=new.credential_id,
        public_key=new.public_key,
        handle=ACCOUNT.handle,
        backup_eligible=new.backup_eligible,
    )


def _sign_in(
    key: Authenticator, stored: StoredPasskey, *, knows: bool = False, expected: bytes | None = None, **client: object
) -> Assertion:
    challenge = secrets.token_bytes(32)
    signed_by = cast(Authenticator | None, client.pop("signed_by", None))
    answer = parse_answer(key.get(request_options(PARTY, challenge=challenge), signed_by=signed_by, **client))
    return verify_assertion(
        answer, PARTY, expected_challenge=expected or challenge, stored=stored, is_person_known=knows
    )


def test_options_ask_for_a_discoverable_passkey_and_for_the_person() -> None:
    """S30: user verification required, whoever asks; the account is named by nothing that means it."""
    options = creation_options(PARTY, ACCOUNT, challenge=b"c" * 32, known=[Descriptor(b"old", ("usb",))])
    assert options["rp"] == {"id": "id.example.com", "name": "Ostiary"}
    assert options["user"] == {"id": b64(b"h" * 32), "name": "ada", "displayName": "Ada Byron"}
    assert options["challenge"] == b64(b"c" * 32)
    assert options["excludeCredentials"] == [{"type": "public-key", "id": b64(b"old"), "transports": ["usb"]}]
    assert options["attestation"] == "none"
    selection = cast(dict[str, object], options["authenticatorSelection"])
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    asked = request_options(PARTY, challenge=b"c" * 32)
    assert (asked["rpId"], asked["userVerification"], asked["allowCredentials"]) == ("id.example.com", "required", [])


@pytest.mark.parametrize(
    ("flags", "kind", "eligible", "state"),
    [
        (BOUND, "passkey_bound", False, False),
        (BOUND | BE, "passkey", True, False),
        (BOUND | BE | BS, "passkey", True, True),
    ],
)
def test_a_good_registration_says_what_it_is(flags: int, kind: str, eligible: bool, state: bool) -> None:
    key = Authenticator(flags=flags, count=7)
    new = _register(key)
    assert (new.kind, new.backup_eligible, new.backup_state, new.sign_count) == (kind, eligible, state, 7)
    assert (new.credential_id, new.transports) == (key.credential_id, ("internal",))
    assert new.aaguid.replace("-", "") == AAGUID.hex()
    assert _sign_in(key, _stored(new)) == Assertion(7, state)


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        ({"type": "webauthn.get"}, "wrong_type"),
        ({"origin": "https://evil.example"}, "wrong_origin"),
        ({"origin": ISSUER + ":8443"}, "wrong_origin"),
        ({"origin": "http://id.example.com"}, "wrong_origin"),
        ({"crossOrigin": True}, "cross_origin"),
        ({"topOrigin": "https://evil.example"}, "cross_origin"),
        ({"challenge": b64(b"another")}, "unknown_challenge"),
    ],
)
def test_a_registration_for_somebody_else_is_refused(client: dict[str, object], reason: str) -> None:
    with pytest.raises(PasskeyRefused, match=rf"^{reason}$"):
        _register(Authenticator(), PARTY, **client)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [(UV, "user_not_present"), (UP, "user_not_verified"), (UP | UV | BS, "backup_flags")],
)
def test_a_registration_without_its_person_is_refused(flags: int, reason: str) -> None:
    """S30"""
    with pytest.raises(PasskeyRefused, match=rf"^{reason}$"):
        _register(Authenticator(flags=flags))


def test_a_registration_for_another_relying_party_is_refused() -> None:
    with pytest.raises(PasskeyRefused, match=r"^wrong_relying_party$"):
        _register(Authenticator(rp_id="example.com"))


def test_a_key_that_is_no_point_of_its_curve_is_refused() -> None:
    """It would be stored and could never prove anybody."""
    key, challenge = Authenticator(), secrets.token_bytes(32)
    text = key.create(creation_options(PARTY, ACCOUNT, challenge=challenge, known=()))
    body = json.loads(text)
    point = key.key.public_key().public_numbers().y.to_bytes(32, "big")
    attestation = unb64(body["response"]["attestationObject"]).replace(point, bytes(32))
    body["response"]["attestationObject"] = b64(attestation)
    with pytest.raises(PasskeyRefused, match=r"^not_verifiable$"):
        verify_registration(parse_answer(json.dumps(body)), PARTY, expected_challenge=challenge)


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        ({"type": "webauthn.create"}, "wrong_type"),
        ({"origin": "https://id.example.com.evil.example"}, "wrong_origin"),
        ({"crossOrigin": True}, "cross_origin"),
        ({"topOrigin": ISSUER}, "cross_origin"),
        ({"signed_by": Authenticator()}, "bad_signature"),
        ({"expected": b"another"}, "unknown_challenge"),
    ],
)
def test_an_assertion_that_does_not_hold_is_refused(client: dict[str, object], reason: str) -> None:
    """S30"""
    key = Authenticator()
    with pytest.raises(PasskeyRefused, match=rf"^{reason}$"):
        _sign_in(key, _stored(_register(key)), **client)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (UV | BE, "user_not_present"),
        (UP | BE, "user_not_verified"),
        (BOUND, "backup_flags"),
        (BOUND | BS, "backup_flags"),
    ],
)
def test_an_assertion_without_its_person_or_of_another_nature_is_refused(flags: int, reason: str) -> None:
    """S30; and a passkey does not change whether it can be copied (§7.2)."""
    key = Authenticator()
    stored = _stored(_register(key))
    key.flags = flags
    with pytest.raises(PasskeyRefused, match=rf"^{reason}$"):
        _sign_in(key, stored)


def test_an_assertion_for_another_relying_party_is_refused() -> None:
    key = Authenticator()
    stored = _stored(_register(key))
    key.rp_id = "evil.example"
    with pytest.raises(PasskeyRefused, match=r"^wrong_relying_party$"):
        _sign_in(key, stored)


def test_the_handle_must_be_the_accounts_own_and_may_lack_only_where_the_person_is_known() -> None:
    """§7.2: without a user name the answer says whose it is."""
    key = Authenticator()
    stored = _stored(_register(key))
    key.handle = None
    assert _sign_in(key, stored, knows=True) == Assertion(0, True)
    with pytest.raises(PasskeyRefused, match=r"^foreign_handle$"):
        _sign_in(key, stored)
    key.handle = b"somebody else"
    for knows in (True, False):
        with pytest.raises(PasskeyRefused, match=r"^foreign_handle$"):
            _sign_in(key, stored, knows=knows)


@pytest.mark.parametrize("tampered", ["authenticatorData", "clientDataJSON", "signature"])
def test_every_byte_is_signed(tampered: str) -> None:
    """S30: a bogus signature, and a signature of something else."""
    key = Authenticator()
    stored = _stored(_register(key))
    challenge = secrets.token_bytes(32)
    body = json.loads(key.get(request_options(PARTY, challenge=challenge)))
    raw = bytearray(unb64(body["response"][tampered]))
    if tampered == "clientDataJSON":
        raw += b" "
    else:
        raw[-1] ^= 1
    body["response"][tampered] = b64(bytes(raw))
    with pytest.raises(PasskeyRefused, match=r"^bad_signature$"):
        verify_assertion(
            parse_answer(json.dumps(body)), PARTY, expected_challenge=challenge, stored=stored, is_person_known=False
        )


# ---------------------------------------------------------------- attestation


def _with_roots(*makers: Maker) -> RelyingParty:
    return RelyingParty(PARTY.id, PARTY.origin, PARTY.name, tuple(maker.root for maker in makers))


def test_a_key_counts_as_attested_where_a_configured_root_vouches_for_it() -> None:
    maker = Maker.new()
    party = _with_roots(Maker.new(), maker)
    assert creation_options(party, ACCOUNT, challenge=b"c", known=())["attestation"] == "direct"
    new = _register(Authenticator(flags=BOUND, maker=maker), party)
    assert new.kind == "passkey_attested"
    assert _register(Authenticator(flags=BOUND, maker=Maker.new(aaguid=None)), party).kind == "passkey_bound"
    anonymous = Maker.new(aaguid=None)
    assert _register(Authenticator(flags=BOUND, maker=anonymous), _with_roots(anonymous)).kind == "passkey_attested"


@pytest.mark.parametrize(
    ("key", "trusted"),
    [
        (Authenticator(flags=BOUND), Maker.new()),
        (Authenticator(flags=BOUND, attests_itself=True), Maker.new()),
        (Authenticator(flags=BOUND, maker=Maker.new()), Maker.new()),
    ],
    ids=["none", "by itself", "by a maker that nobody configured"],
)
def test_other_attestations_are_worth_as_much_as_none(key: Authenticator, trusted: Maker) -> None:
    assert _register(key, _with_roots(trusted)).kind == "passkey_bound"
    assert _register(key, PARTY).kind == "passkey_bound", "without roots none is looked at"


@pytest.mark.parametrize(
    "fault",
    [{"unit": "Web Server"}, {"aaguid": bytes(16)}, {"ca": True}],
    ids=["another purpose", "another make", "an authority"],
)
def test_a_certificate_that_is_not_for_attesting_this_make_vouches_for_nothing(fault: dict[str, object]) -> None:
    """§8.2.1, which the library does not check."""
    maker = Maker.new(**fault)  # type: ignore[arg-type]
    assert _register(Authenticator(flags=BOUND, maker=maker), _with_roots(maker)).kind == "passkey_bound"


def test_an_attestation_with_a_wrong_signature_vouches_for_nothing() -> None:
    maker = Maker.new()
    thief = Maker(maker.root, maker.certificate, Maker.new().key)
    assert _register(Authenticator(flags=BOUND, maker=thief), _with_roots(maker)).kind == "passkey_bound"


def test_what_can_be_copied_is_never_attested() -> None:
    """AAL3 is for keys that stay where they are (NIST SP 800-63B-4 §2.3.2)."""
    maker = Maker.new()
    assert _register(Authenticator(maker=maker), _with_roots(maker)).kind == "passkey"


# ---------------------------------------------------------------- bytes that a stranger chose


def _body(**parts: object) -> dict[str, object]:
    key = Authenticator()
    return {**json.loads(key.get(request_options(PARTY, challenge=b"c" * 32))), **parts}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 30_000,
        json.dumps(_body(type="password")),
        json.dumps(_body(id="AAAA")),
        json.dumps(_body(id="", rawId="")),
        json.dumps(_body(id="not base64url!", rawId="not base64url!")),
        json.dumps(_body(id=b64(bytes(1024)), rawId=b64(bytes(1024)))),
        json.dumps(_body(response={"clientDataJSON": b64(b"[" * 4000)})),
        json.dumps(_body(response={"clientDataJSON": b64(b" " * 5000)})),
        json.dumps(_body(response={"clientDataJSON": b64(b"\xff")})),
        json.dumps(_body(response={"clientDataJSON": b64(b'{"type":"","challenge":"","origin":""}')})),
    ],
)
def test_what_is_no_answer_is_refused(text: str) -> None:
    """S48: an answer of any shape leads to a refusal, never to an error of ours."""
    with pytest.raises(PasskeyRefused, match=r"^malformed$"):
        parse_answer(text)


@pytest.mark.parametrize("data", [2**40, "text", b"short", [], {}])
def test_attestations_with_odd_authenticator_data_are_refused(data: object) -> None:
    """A number must not be taken for so many bytes of memory."""
    attestation = b"\xa3" + cbor("fmt") + cbor("none") + cbor("attStmt") + cbor({}) + cbor("authData")
    attestation += b"\x1b" + data.to_bytes(8, "big") if isinstance(data, int) else cbor(data)
    client = b64(b'{"type":"webauthn.create","challenge":"","origin":""}')
    body = _body(response={"clientDataJSON": client, "attestationObject": b64(attestation)})
    with pytest.raises(PasskeyRefused, match=r"^malformed$"):
        parse_answer(json.dumps(body))


_KEY = Authenticator()
_NEW = _KEY.create(creation_options(PARTY, ACCOUNT, challenge=b"c" * 32, known=()))
_STORED = _stored(verify_registration(parse_answer(_NEW), PARTY, expected_challenge=b"c" * 32))
_USED = _KEY.get(request_options(PARTY, challenge=b"c" * 32))


@given(text=st.sampled_from([_NEW, _USED]), at=st.integers(0, 10_000), flipped=st.integers(1, 255), data=st.data())
def test_a_flipped_byte_anywhere_is_refused_or_changes_nothing(
    text: str, at: int, flipped: int, data: st.DataObject
) -> None:
    """Whatever the bytes are, no other error comes out."""
    body = json.loads(text)
    names = [name for name in body["response"] if name != "transports"]
    name = data.draw(st.sampled_from(names))
    raw = bytearray(unb64(body["response"][name]))
    raw[at % len(raw)] ^= flipped
    body["response"][name] = b64(bytes(raw))
    try:
        answer = parse_answer(json.dumps(body))
        if "attestationObject" in names:
            verify_registration(answer, _with_roots(Maker.new()), expected_challenge=b"c" * 32)
            return
        verify_assertion(answer, PARTY, expected_challenge=b"c" * 32, stored=_STORED, is_person_known=True)
    except PasskeyRefused:
        return
    pytest.fail("a changed assertion was believed")
