"""What an entry of an import says, whichever system wrote it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.errors import Refused
from identity.import_fields import COLUMNS, PLAIN_FIELDS, Newcomer, check_columns, parse_newcomer
from identity.person_values import TEXT_CLAIMS
from tests.identity.exported_people import (
    DJANGO,
    DJANGO_UNUSABLE,
    auth0_user,
    django_record,
    keycloak_user,
)


def read(fields: dict[str, object], *, emails_verified: bool = False) -> Newcomer:
    """The person of an entry."""
    return parse_newcomer(fields, emails_verified=emails_verified)


def test_a_plain_entry_says_everything_by_our_own_names() -> None:
    entry: dict[str, object] = {
        "email": "Ada@Example.com",
        "username": "Ada",
        "email_verified": "yes",
        "password_hash": DJANGO["bcrypt"],
        "disabled": False,
        "name": "Ada Byron",
        "locale": "tr",
        "birthdate": "1815-12-10",
        "address": {"locality": "London"},
        "phone_number": "+905551112233",
        "phone_number_verified": True,
    }
    found = read(entry)
    checked = found.checked
    assert (checked.username, checked.username_key, checked.verified_key) == ("Ada", "ada", "ada@example.com")
    assert checked.profile == {
        "name": "Ada Byron",
        "locale": "tr",
        "birthdate": "1815-12-10",
        "address": {"locality": "London"},
        "phone_number": "+905551112233",
        "phone_number_verified": True,
    }
    assert checked.password_hash == DJANGO["bcrypt"].removeprefix("bcrypt$")
    assert (found.disabled, checked.is_admin) == (False, False)


def test_whoever_imports_vouches_for_an_address_of_which_a_plain_file_says_nothing() -> None:
    assert read({"email": "a@example.com"}).checked.email_verified
    assert not read({"email": "a@example.com", "username": "a1", "email_verified": "no"}).checked.email_verified
    assert read({"email": "a@example.com", "email_verified": False}, emails_verified=True).checked.email_verified


def test_a_keycloak_user_keeps_what_we_have_a_place_for() -> None:
    found = read(keycloak_user())
    assert found.checked.username == "ada"
    assert found.checked.verified_key == "ada@example.com"
    assert found.checked.profile == {
        "name": "Ada Byron",
        "given_name": "Ada",
        "family_name": "Byron",
        "locale": "tr",
        "phone_number": "+905551112233",
    }
    assert str(found.checked.password_hash).startswith("$pbkdf2-sha256$i=27500,")
    assert not found.disabled


def test_a_keycloak_user_may_be_closed_nameless_and_without_password() -> None:
    found = read(
        keycloak_user(
            enabled=False, firstName=None, lastName=None, credentials=[], emailVerified=False, attributes=None
        )
    )
    assert found.disabled
    assert found.checked.profile == {}
    assert found.checked.password_hash is None
    assert (found.checked.email_verified, found.checked.verified_key) == (False, None)


def test_a_username_that_is_the_address_is_left_out() -> None:
    """Keycloak's "email as username"; a username here never has an @, and the address signs in by itself."""
    found = read(keycloak_user(username="Ada@example.com"))
    assert found.checked.username is None
    assert found.checked.verified_key == "ada@example.com"


def test_a_service_account_is_no_person() -> None:
    with pytest.raises(Refused, match="no person"):
        read(keycloak_user(serviceAccountClientId="orders"))


def test_an_auth0_user_keeps_what_we_have_a_place_for() -> None:
    found = read(auth0_user(nickname="ada", picture="https://example.com/a.png", blocked=True, alt_id="x"))
    assert found.checked.verified_key == "ada@example.com"
    assert found.checked.profile == {"nickname": "ada", "picture": "https://example.com/a.png"}
    assert str(found.checked.password_hash).startswith("$2b$04$")
    assert found.disabled


def test_an_auth0_user_may_have_its_address_among_the_identifiers() -> None:
    """In newer exports the address may stand there alone."""
    user = auth0_user(identifiers=[{"type": "email", "value": "ada@example.com", "verified": True}])
    del user["email"], user["email_verified"]
    assert read(user).checked.verified_key == "ada@example.com"


def test_a_django_user_is_no_administrator_and_has_no_verified_address_here() -> None:
    found = read(django_record())
    assert (found.checked.username, found.checked.email_verified) == ("ada", False)
    assert not found.checked.is_admin
    assert found.checked.profile["name"] == "Ada Byron"
    assert str(found.checked.password_hash).startswith("$scrypt$ln=14,r=8,p=5$")
    assert read(django_record(is_active=False)).disabled
    assert read(django_record(password=DJANGO_UNUSABLE)).checked.password_hash is None


@pytest.mark.parametrize(
    ("entry", "field", "words"),
    [
        ({}, "username", "a username or a mail address is needed"),
        ({"email": "nowhere"}, "email", "must look like name@example.com"),
        ({"username": "a b"}, "username", "may contain letters"),
        ({"username": "аdmin"}, "username", "one alphabet"),  # a Cyrillic а
        ({"username": 7}, "username", "must be text"),
        ({"email": ["a@example.com"]}, "email", "must be text"),
        ({"email": "a@example.com", "email_verified": False}, "email", "is not verified, and nobody could sign in"),
        ({"email": "a@example.com", "email_verified": "perhaps"}, "email_verified", "must be true or false"),
        ({"email": "a@example.com", "disabled": 1}, "disabled", "must be true or false"),
        ({"email": "a@example.com", "name": 1}, "name", "must be printable text"),
        ({"email": "a@example.com", "website": "javascript:alert(1)"}, "website", "must be an address"),
        ({"email": "a@example.com", "password": "hunter2 hunter2"}, "password", "in plain text"),
        ({"email": "a@example.com", "password_hash": "hunter2 hunter2"}, "password_hash", "no form known here"),
        ({"email": "a@example.com", "pasword_hash": "x"}, "pasword_hash", "is unknown; the fields are email, username"),
        ({"email": "a@example.com", "is_admin": True}, "is_admin", "is unknown"),
        ({"email": "a@example.com", "a\x1b[2J" + "b" * 90: "x"}, "a?[2J" + "b" * 35, "is unknown"),
        ({"model": "auth.user", "fields": []}, "fields", "as dumpdata writes it"),
        (keycloak_user(username="a@b"), "username", "may contain letters"),
        (keycloak_user(credentials=[{"type": "password", "value": "hunter2"}]), "credentials", "in plain text"),
        (auth0_user(passwordHash="hunter2"), "password_hash", "no form known here"),
        (django_record(password="md5$salt$0123"), "password_hash", "no form known here"),
    ],
)
def test_a_refusal_names_the_field_and_what_was_expected(entry: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        read(entry)
    assert refused.value.field == field
    assert words in refused.value.message
    assert "hunter2" not in str(refused.value)


def test_every_profile_claim_has_a_column() -> None:
    assert set(TEXT_CLAIMS) < set(COLUMNS)
    assert set(PLAIN_FIELDS) - set(COLUMNS) == {"address"}


@pytest.mark.parametrize(
    ("names", "field", "words"),
    [
        (["email", "e-mail"], "e-mail", "is an unknown column; the columns are email, username"),
        (["email", ""], "file", "is an unknown column"),
        (["email", "email"], "file", "must name each column once"),
        (["address"], "address", "unknown column"),
    ],
)
def test_a_header_is_refused_as_a_whole(names: list[str], field: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        check_columns(names)
    assert (refused.value.field, words in refused.value.message) == (field, True)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELD_NAMES = st.sampled_from(
    [*PLAIN_FIELDS, "credentials", "emailVerified", "enabled", "attributes", "identifiers", "passwordHash", "fields"]
)


@given(st.dictionaries(FIELD_NAMES, ANYTHING, max_size=8), st.booleans())
def test_no_entry_raises_anything_but_a_refusal(entry: dict[str, object], emails_verified: bool) -> None:
    with suppress(Refused):
        found = parse_newcomer(entry, emails_verified=emails_verified)
        assert found.checked.username_key or found.checked.verified_key, "nobody could sign in"
