"""Which passwords may be set, and why others may not (S20)."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.breached import BreachedList
from identity.password_rules import (
    ENGLISH,
    MAX_READ_LENGTH,
    PasswordRefused,
    PasswordRules,
    Reason,
    ReasonCode,
    UnusablePassword,
    check_password,
    prepare_password,
)

RULES = PasswordRules()
GOOD = "mallard orbit saffron quilt"
CONTEXT = ("Alice Lee", "a.liddell@example.com", "Ostiary")


def refusal(password: str, rules: PasswordRules = RULES, breached: BreachedList | None = None) -> tuple[Reason, ...]:
    """The reasons against a password, none where it is taken."""
    try:
        check_password(password, rules=rules, context=CONTEXT, breached=breached)
    except PasswordRefused as refused:
        return refused.reasons
    return ()


def codes(password: str) -> list[ReasonCode]:
    """The ids of the reasons against a password."""
    return [reason.code for reason in refusal(password)]


@pytest.mark.parametrize(
    "password",
    [GOOD, "Kx9#vQ2!mZ7p", "смородина трактор облако", "桜の木の下で本を読む午後です", "🦆🧭🌶🧵🪁🦔🛶🥨🎻🧊🪐🧲"],
)
def test_a_password_that_is_hard_to_guess_is_taken_whatever_its_characters(password: str) -> None:
    """S20: no composition rules."""
    assert codes(password) == []


def test_length_counts_code_points() -> None:
    """S20: 12 at least, 256 accepted; a duck is one, though four bytes; a decomposed é is one."""
    assert refusal("Kx9#vQ2!mZ7") == (Reason(ReasonCode.TOO_SHORT, 12),)
    assert refusal("Kx9#vQ2!mZ7")[0].text.startswith("The password must have at least 12 characters")
    assert codes("🦆" * 11) == [ReasonCode.TOO_SHORT]
    assert codes("Kx9#vQ2!mZ" + "e\u0301") == [ReasonCode.TOO_SHORT]
    assert codes("Kx9#vQ2!mZ7" + "e\u0301") == []
    long = (GOOD + " ") * 9
    assert len(long) < 256
    assert codes((long + "x" * 256)[:256]) == []
    assert refusal((long + "x" * 256)[:257]) == (Reason(ReasonCode.TOO_LONG, 256),)
    assert refusal("x" * 2_000_000) == (Reason(ReasonCode.TOO_LONG, 256),)


def test_the_strict_profile_asks_for_fifteen() -> None:
    assert refusal("Kx9#vQ2!mZ7p", PasswordRules(min_length=15)) == (Reason(ReasonCode.TOO_SHORT, 15),)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("password123456", ReasonCode.COMMON),
        ("P@ssw0rd123456", ReasonCode.COMMON),
        ("aaaaaaaaaaaaaaaa", ReasonCode.REPEATS),
        ("xqzxqzxqzxqzxqz", ReasonCode.REPEATS),
        ("abcdefghijklmno", ReasonCode.SEQUENCE),
        ("zaq1zaq1zaq1zaq1", ReasonCode.REPEATS),
    ],
)
def test_a_guessable_password_is_refused_with_the_pattern_in_it(password: str, code: ReasonCode) -> None:
    assert codes(password) == [code]


@pytest.mark.parametrize(
    "password",
    [
        "Kx9#Alice!mZ7pQ",
        "ａｌｉｃｅKx9#vQ2!mZ",
        "Kx9#vQ2 LIDDELL 7p",
        "Kx9#vQ2-a.liddell",
        "correct OSTIARY staple",
        "al-ice Kx9#vQ2!mZ",
    ],
)
def test_what_everyone_knows_of_a_person_is_refused_inside_a_password(password: str) -> None:
    """S20: name, mail and service name, in any spelling, however long the rest."""
    assert ReasonCode.CONTEXTUAL in codes(password)


def test_short_pieces_of_a_name_forbid_no_ordinary_words() -> None:
    """`Lee` is in the context, and in `sleet`."""
    assert codes("sleet orbit saffron quilt") == []


def test_a_breached_password_is_refused_by_the_operators_list(tmp_path: Path) -> None:
    """S20: strong by every estimate, and known; the decomposed spelling is the same password."""
    password = "Kx9#vQ2!mZ7\u00e9"
    file = tmp_path / "breached.txt"
    file.write_text(hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper() + ":3\n")
    with BreachedList(file) as breached:
        for spelling in (password, "Kx9#vQ2!mZ7e\u0301"):
            assert refusal(spelling, breached=breached) == (Reason(ReasonCode.BREACHED),)
        assert refusal(GOOD, breached=breached) == ()
    assert refusal(password) == ()


def test_all_reasons_are_told_at_once() -> None:
    assert codes("alicealicealice") == [ReasonCode.CONTEXTUAL, ReasonCode.REPEATS]
    with pytest.raises(PasswordRefused, match=r"^The password contains your name.* The password repeats itself"):
        check_password("alicealicealice", rules=RULES, context=CONTEXT, breached=None)


def test_the_least_score_is_a_setting() -> None:
    assert refusal("password123456", PasswordRules(min_score=0)) == ()
    assert refusal("password123456", PasswordRules(min_score=1)) == ()
    assert refusal("password123456", PasswordRules(min_score=2)) != ()


@pytest.mark.parametrize(
    ("low", "high", "score"), [(0, 256, 3), (12, 11, 3), (12, MAX_READ_LENGTH + 1, 3), (12, 256, 5)]
)
def test_impossible_rules_are_refused(low: int, high: int, score: int) -> None:
    with pytest.raises(ValueError, match=r"min_length|min_score"):
        PasswordRules(min_length=low, max_length=high, min_score=score)


def test_a_password_is_prepared_whole_and_composed() -> None:
    """S20: NFC, no truncation; capitals, spaces and compatibility forms stay as typed."""
    assert prepare_password("e\u0301") == prepare_password("\u00e9") == b"\xc3\xa9"
    assert prepare_password("  Ａ ") == "  Ａ ".encode()
    assert len(prepare_password("x" * MAX_READ_LENGTH)) == MAX_READ_LENGTH


@pytest.mark.parametrize("text", ["good until\0here", "half \ud83e of a duck", "x" * (MAX_READ_LENGTH + 1)])
def test_text_that_can_be_no_password_is_named_without_being_repeated(text: str) -> None:
    with pytest.raises(UnusablePassword) as refused:
        prepare_password(text)
    assert text[:10] not in str(refused.value)
    assert refused.value.__cause__ is None
    assert codes(text) == [ReasonCode.TOO_LONG if len(text) > MAX_READ_LENGTH else ReasonCode.UNUSABLE]


def test_every_reason_has_its_own_words() -> None:
    assert set(ENGLISH) == set(ReasonCode)
    assert len({Reason(code, 1).text for code in ReasonCode}) == len(ReasonCode)


@given(st.text(st.characters(), max_size=60))
def test_any_text_is_taken_or_refused_with_a_reason(password: str) -> None:
    assert all(reason.text for reason in refusal(password))
