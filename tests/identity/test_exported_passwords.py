"""Password hashes as Keycloak, Auth0 and Django export them become the one form that is stored here (S21)."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from argon2.low_level import Type, hash_secret_raw
from hypothesis import given
from hypothesis import strategies as st

from identity.argon2_hashes import CHEAPEST, Argon2Hash, Argon2Hasher, parse_argon2_hash
from identity.errors import Refused
from identity.exported_passwords import convert_hash, convert_keycloak
from identity.imported_hashes import parse_imported_hash
from tests.identity.exported_people import DJANGO, DJANGO_PASSWORD, KEYCLOAK, auth0_user, keycloak_credential

SALT = b"seasaltseasalt!?"


def knows(stored: str, password: str) -> bool:
    """Whether the stored form is a hash of the password, by the code that sign-in uses."""
    ours = parse_argon2_hash(stored)
    if isinstance(ours, Argon2Hash):
        return Argon2Hasher(CHEAPEST).matches(ours, password.encode())
    return parse_imported_hash(stored).matches(password.encode())


def b64(raw: bytes) -> str:
    """Base64 as Keycloak writes it."""
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("hasher", DJANGO)
def test_every_hasher_of_django_is_understood(hasher: str) -> None:
    """S21, by hashes that Django itself made."""
    stored = convert_hash(DJANGO[hasher])
    assert knows(stored, DJANGO_PASSWORD)
    assert not knows(stored, "kirmizi tren 42")
    assert convert_hash(stored) == stored, "the stored form is its own"


@pytest.mark.parametrize("password", KEYCLOAK)
def test_published_realm_exports_of_keycloak_are_understood(password: str) -> None:
    """S21, by hashes that Keycloak itself made: PBKDF2 with 32 and 64 bytes, Argon2."""
    stored = convert_keycloak(KEYCLOAK[password])
    assert knows(stored, password)
    assert not knows(stored, password + "x")


@pytest.mark.parametrize(("algorithm", "digest"), [("pbkdf2", "sha1"), ("pbkdf2-sha512", "sha512")])
def test_the_other_pbkdf2_kinds_of_keycloak_are_understood(algorithm: str, digest: str) -> None:
    made = hashlib.pbkdf2_hmac(digest, b"correct horse", SALT, 1000)
    assert knows(convert_keycloak(keycloak_credential(b64(made), b64(SALT), 1000, algorithm)), "correct horse")


@pytest.mark.parametrize(("kind", "type_"), [("id", Type.ID), ("i", Type.I), ("d", Type.D)])
@pytest.mark.parametrize(("named", "version"), [("1.3", 19), ("1.0", 16)])
def test_every_kind_of_argon2_that_keycloak_can_be_set_to_is_understood(
    kind: str, type_: Type, named: str, version: int
) -> None:
    made = hash_secret_raw(b"correct horse", SALT, 3, 64, 2, 24, type_, version)
    credential = keycloak_credential(
        b64(made), b64(SALT), 3, "argon2", type=[kind], version=[named], memory=["64"], parallelism=["2"]
    )
    assert knows(convert_keycloak(credential), "correct horse")


def test_a_credential_from_before_version_8_is_understood() -> None:
    made = hashlib.pbkdf2_hmac("sha256", b"correct horse", SALT, 1000, 64)
    credential = {
        "type": "password",
        "hashedSaltedValue": b64(made),
        "salt": b64(SALT),
        "hashIterations": 1000,
        "algorithm": "pbkdf2-sha256",
    }
    assert knows(convert_keycloak(credential), "correct horse")


def test_a_credential_may_stand_where_a_hash_is_expected_as_an_object_or_as_its_text() -> None:
    for given_hash in (KEYCLOAK["password"], json.dumps(KEYCLOAK["password"])):
        assert knows(convert_hash(given_hash), "password")


def test_auth0_s_bcrypt_is_understood() -> None:
    assert knows(convert_hash(auth0_user()["passwordHash"]), "correct horse")


@pytest.mark.parametrize(
    ("given_hash", "words"),
    [
        ("hunter2 hunter2", "no form known here"),
        ("md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3", "no form known here"),
        ("{SSHA}AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "valid JSON"),
        ("pbkdf2_sha256$900000000$salt$AAAAAAAAAAAAAAAAAAAAAA==", "asks for 900000000 rounds"),
        ("$argon2id$v=19$m=99999999,t=2,p=8$c2FsdHNhbHQ$6AIglHn/EnsqDFJujgRvLg", "beyond what is done"),
        ("$pepper$0123456789abcdef$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$6AIglHn/EnsqDFJujgRvLg", "with a pepper"),
        (17, "must be text"),
        ([], "must be text"),
        ("[1]", "no form known here"),
        ({}, "must have salt"),
        ({**KEYCLOAK["password"], "credentialData": "{}"}, "must have hashIterations"),
        ({**KEYCLOAK["password"], "credentialData": "no JSON"}, "valid JSON"),
        ({**KEYCLOAK["password"], "credentialData": "[]"}, "must have credentialData"),
        ({**KEYCLOAK["password"], "secretData": '{"value": "!", "salt": "AAAA"}'}, "must have value, in base64"),
        (keycloak_credential("AAAA", "AAAA", 1, "bcrypt"), "must be made by pbkdf2"),
        (keycloak_credential("AAAA", "AAAA", 1, "argon2"), "must have memory"),
        (keycloak_credential("AAAA", "AAAA", 1, "argon2", type=["x"]), "unknown here"),
        (keycloak_credential(b64(b"short"), b64(SALT), 1000, "pbkdf2-sha256"), "impossible length"),
        (keycloak_credential(b64(SALT), b64(SALT), 10**8, "pbkdf2-sha256"), "rounds"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason_and_never_repeated(given_hash: object, words: str) -> None:
    with pytest.raises(Refused) as refused:
        convert_hash(given_hash)
    assert refused.value.field == "password_hash"
    assert words in refused.value.message
    assert str(given_hash) not in refused.value.message


def test_a_password_in_plain_text_is_refused() -> None:
    with pytest.raises(Refused, match="plain text") as refused:
        convert_keycloak({"type": "password", "value": "hunter2 hunter2"})
    assert "hunter2" not in str(refused.value)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), st.lists, max_leaves=5)
NAMES = st.sampled_from(["secretData", "credentialData", "salt", "value", "algorithm", "hashIterations", "type"])


@given(st.text(max_size=80) | JSON | st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON).map(json.dumps)))
def test_nothing_that_a_file_may_hold_raises_anything_else(given_hash: object) -> None:
    with pytest.raises(Refused):
        convert_hash(given_hash)


def test_a_credential_nested_without_end_is_refused() -> None:
    with pytest.raises(Refused, match="must be valid JSON"):
        convert_hash('{"a":' * 60_000 + "1" + "}" * 60_000)
