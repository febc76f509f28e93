"""Usernames and mail addresses have one key each, whatever keyboard they were typed on."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.names import (
    EmailAddress,
    InvalidName,
    NameFault,
    fold_case,
    login_key,
    normalise_email,
    normalise_username,
)

# A third of it are names (counted), a third nearly so, a third anything.
NAMELIKE = (
    st.text("aAiIİıßſKＡaéÖz09", min_size=1, max_size=12)
    | st.text(st.sampled_from("aAiIİı\u0301\u0307\u0323\u00a0 ._-@٣۳жаσぁ漢"), max_size=80)
    | st.text(max_size=80)
)
DOMAINLIKE = st.builds(
    "{}.{}".format, st.text("aAzÖßıＡ0-", min_size=1, max_size=8) | NAMELIKE, st.just("Example") | NAMELIKE
)
ADDRESSLIKE = st.builds("{}@{}".format, st.text("aAzZＡK0'+_-", min_size=1, max_size=8) | NAMELIKE, DOMAINLIKE)


@pytest.mark.parametrize("typed", ["Alice", " alice", "ALICE", "alice\n", "ＡＬＩＣＥ", "𝒜lice", "\u00a0aLiCe\u3000"])
def test_spellings_of_one_username_share_one_key(typed: str) -> None:
    """S23: capitals, spaces around and full-width letters make no second name, and so no second counter."""
    assert normalise_username(typed) == "alice"
    assert login_key(typed) == "alice"


@pytest.mark.parametrize(
    "typed", ["ISIL", "İSİL", "ısıl", "isil", "Isıl", "i\u0307sil", "ı\u0307SIL", "i\u0307\u0307\u0307sil"]
)
def test_the_dot_on_an_i_makes_no_other_name(typed: str) -> None:
    assert normalise_username(typed) == "isil"


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("jane.doe-7_x", "jane.doe-7_x"),
        ("Straße", "strasse"),
        ("e\u0301mile", "émile"),
        ("Иван", "иван"),
        ("ΝΙΚΟΣ", "νικοσ"),
        ("サクラ桜ー", "サクラ桜ー"),
        ("김철수", "김철수"),
        ("नमस्ते", "नमस्ते"),
        ("علي٣", "علي٣"),
        ("12345", "12345"),
        ("x" * 64, "x" * 64),
    ],
)
def test_names_of_the_worlds_scripts_are_taken(typed: str, key: str) -> None:
    assert normalise_username(typed) == key


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("", NameFault.LENGTH),
        ("  a ", NameFault.LENGTH),
        ("x" * 65, NameFault.LENGTH),
        ("\ufdfa" * 320, NameFault.LENGTH),  # one character that NFKC turns into eighteen
        (" " * 321 + "alice", NameFault.LENGTH),
        ("alice@example", NameFault.CHARACTER),
        ("alice＠example", NameFault.CHARACTER),
        ("al ice", NameFault.CHARACTER),
        ("ali\u200dce", NameFault.CHARACTER),
        ("ali\u034fce", NameFault.CHARACTER),
        ("ali\u202ece", NameFault.CHARACTER),
        ("alice\ud800", NameFault.CHARACTER),
        ("alice\0", NameFault.CHARACTER),
        ("alice☕", NameFault.CHARACTER),
        ("ɡoogle", NameFault.CHARACTER),
        (".alice", NameFault.FIRST_CHARACTER),
        ("\u0301alice", NameFault.FIRST_CHARACTER),
        ("x\u0323\u0323y", NameFault.MARKS),
        ("pаypal", NameFault.MIXED_SCRIPTS),  # the second letter is Cyrillic
        ("αlice", NameFault.MIXED_SCRIPTS),
        ("abc٣", NameFault.MIXED_SCRIPTS),
        ("runeᚠ", NameFault.MIXED_SCRIPTS),
        ("ᚠᚢᚦ", NameFault.MIXED_SCRIPTS),  # a script out of use
        ("علي٣۴", NameFault.MIXED_DIGITS),
        ("аррӏе", NameFault.LOOKALIKE),  # all Cyrillic
        ("АРРӀЕ-1", NameFault.LOOKALIKE),
        ("νιον", NameFault.LOOKALIKE),
    ],
)
def test_a_username_that_cannot_be_taken_says_what_was_expected(typed: str, fault: NameFault) -> None:
    with pytest.raises(InvalidName) as refused:
        normalise_username(typed)
    assert (refused.value.field, refused.value.fault) == ("username", fault)
    assert str(refused.value) == f"username {fault.text}"
    assert login_key(typed) is None or "@" in unicodedata.normalize("NFKC", typed)


def test_every_fault_has_its_own_words() -> None:
    assert len({fault.text for fault in NameFault}) == len(NameFault)


@pytest.mark.parametrize(
    ("typed", "display", "key"),
    [
        ("Jane.Doe@Example.COM ", "Jane.Doe@example.com", "jane.doe@example.com"),
        ("o'neill+tag@müller.example", "o'neill+tag@xn--mller-kva.example", "o'neill+tag@xn--mller-kva.example"),
        ("a@faß.de", "a@xn--fa-hia.de", "a@xn--fa-hia.de"),
        ("a@ılgaz.example", "a@xn--lgaz-kza.example", "a@xn--lgaz-kza.example"),  # not the domain ilgaz.example
        ("ａｌｉｃｅ＠example。com", "alice@example.com", "alice@example.com"),
        ("x" * 64 + "@b.example", "x" * 64 + "@b.example", "x" * 64 + "@b.example"),
    ],
)
def test_a_mail_address_has_a_form_to_write_to_and_a_key(typed: str, display: str, key: str) -> None:
    assert normalise_email(typed) == EmailAddress(display=display, key=key)
    assert login_key(typed) == key


LONG_DOMAIN = ".".join(["d" * 61] * 4)  # 247 characters


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("", NameFault.MAIL_SHAPE),
        ("alice", NameFault.MAIL_SHAPE),
        ("@example.com", NameFault.MAIL_SHAPE),
        ("alice@", NameFault.MAIL_SHAPE),
        ("a@b@example.com", NameFault.MAIL_SHAPE),
        ("x" * 65 + "@example.com", NameFault.MAIL_LENGTH),
        ("abcdefgh@" + LONG_DOMAIN, NameFault.MAIL_LENGTH),
        ("a" * 321, NameFault.MAIL_LENGTH),
        ('"a b"@example.com', NameFault.MAIL_LOCAL_PART),
        (".a@example.com", NameFault.MAIL_LOCAL_PART),
        ("a..b@example.com", NameFault.MAIL_LOCAL_PART),
        ("a\r\nBcc: x@example.com", NameFault.MAIL_LOCAL_PART),
        ("mıke@example.com", NameFault.MAIL_LOCAL_PART),  # not the mailbox of mike@example.com
        ("straße@example.com", NameFault.MAIL_LOCAL_PART),
        ("a@localhost", NameFault.MAIL_DOMAIN),
        ("a@127.0.0.1", NameFault.MAIL_DOMAIN),
        ("a@[127.0.0.1]", NameFault.MAIL_DOMAIN),
        ("a@example.com.", NameFault.MAIL_DOMAIN),
        ("a@-x.example", NameFault.MAIL_DOMAIN),
        ("a@b_c.example", NameFault.MAIL_DOMAIN),
        ("a@exa mple.com", NameFault.MAIL_DOMAIN),
        ("a@x.example\nBcc: y", NameFault.MAIL_DOMAIN),
        ("a@" + "d" * 64 + ".example", NameFault.MAIL_DOMAIN),
        ("a@\ud800.example", NameFault.MAIL_DOMAIN),
    ],
)
def test_a_mail_address_that_cannot_be_taken_says_what_was_expected(typed: str, fault: NameFault) -> None:
    with pytest.raises(InvalidName) as refused:
        normalise_email(typed)
    assert (refused.value.field, refused.value.fault) == ("email", fault)
    assert str(refused.value) == f"email {fault.text}"


def test_an_address_of_254_characters_is_the_longest() -> None:
    assert len(normalise_email("abcdef@" + LONG_DOMAIN).key) == 254
    with pytest.raises(InvalidName, match="at most 254 characters"):
        normalise_email("abcdefg@" + LONG_DOMAIN)


def test_a_turkish_keyboard_signs_in_to_a_mail_address() -> None:
    """Looking up is forgiving where registering is not, since nothing is mailed to the typed text."""
    assert login_key("İREM@EXAMPLE.COM") == normalise_email("irem@example.com").key


def test_text_beyond_320_characters_is_not_read_at_sign_in() -> None:
    assert login_key(" " * 315 + "alice") == "alice"
    assert login_key(" " * 316 + "alice") is None


@given(NAMELIKE)
def test_a_username_key_is_its_own_key(typed: str) -> None:
    """Nothing but InvalidName ever leaves, and a key that was stored is found again."""
    try:
        key = normalise_username(typed)
    except InvalidName:
        return
    assert normalise_username(key) == key
    assert login_key(key) == login_key(typed) == login_key(f"  {typed} ") == key
    assert login_key(typed.upper()) in {key, None}  # None where capitals change the script or the length


@given(ADDRESSLIKE)
def test_a_mail_key_is_its_own_key(typed: str) -> None:
    try:
        address = normalise_email(typed)
    except InvalidName:
        return
    assert normalise_email(address.key) == EmailAddress(display=address.key, key=address.key)
    assert normalise_email(address.display) == address
    assert login_key(typed) == address.key


@given(st.text(max_size=400))
def test_a_sign_in_field_never_raises(typed: str) -> None:
    key = login_key(typed)
    assert key is None or login_key(key) == key


@given(st.text(st.sampled_from("iIİı\u0307\u0323\u0345\u0301αΑῼßſKﬃ\u1100\u1161\u11a8"), max_size=8))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold_case(fold_case(text)) == fold_case(text)


def test_folding_twice_is_folding_once_for_every_character() -> None:
    characters = (chr(code_point) for code_point in range(0x110000))
    assert [text for text in characters if fold_case(fold_case(text)) != fold_case(text)] == []
