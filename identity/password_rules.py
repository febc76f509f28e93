"""Which passwords may be set (S20), and the one form in which a password is set and verified.

NIST SP 800-63B-4 §3.1.1.2: length, a list of known passwords and an estimate of strength; no rules about kinds of
characters, no change by the calendar, nothing cut off.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from zxcvbn_rs_py import Warning as Pattern
from zxcvbn_rs_py import zxcvbn

from identity.breached import BreachedList
from identity.names import fold_case

# Beyond what any setting lets a person choose; imported accounts may come with more than our own 256.
MAX_READ_LENGTH = 1024
# The estimate takes time that grows with the square of the length and stops every thread while it runs:
# 1 ms for what people type, 50 ms for the worst 32 characters, 600 ms for the worst 100.
# A password is judged by its beginning, so what is found strong is strong.
_ESTIMATED_LENGTH = 32
_MIN_CONTEXT_LENGTH = 4  # shorter pieces of a name ("Lee", "Ann") stand inside ordinary words
_SCORE_STEPS = (1e3, 1e6, 1e8, 1e10)  # guesses; the steps of zxcvbn's own 0–4


class ReasonCode(StrEnum):
    """Stable ids of the reasons why a password is refused."""

    TOO_SHORT = "password.too_short"
    TOO_LONG = "password.too_long"
    UNUSABLE = "password.unusable"
    CONTEXTUAL = "password.contextual"
    BREACHED = "password.breached"
    COMMON = "password.common"
    REPEATS = "password.repeats"
    SEQUENCE = "password.sequence"
    KEYBOARD = "password.keyboard"
    DATE = "password.date"
    NAME = "password.name"
    SINGLE_WORD = "password.single_word"
    GUESSABLE = "password.guessable"


# `{number}` is filled from Reason.number, after translation.
ENGLISH = {
    ReasonCode.TOO_SHORT: "The password must have at least {number} characters; a few random words make a good one.",
    ReasonCode.TOO_LONG: "The password must have at most {number} characters.",
    ReasonCode.UNUSABLE: "The password contains a character that no password can have (NUL or half a character).",
    ReasonCode.CONTEXTUAL: "The password contains your name, your address or the name of this service.",
    ReasonCode.BREACHED: "The password is in a public list of stolen passwords; anyone may try it.",
    ReasonCode.COMMON: "The password is like one that many people use.",
    ReasonCode.REPEATS: "The password repeats itself, which is easy to guess.",
    ReasonCode.SEQUENCE: "The password contains a sequence such as abc or 6543, which is easy to guess.",
    ReasonCode.KEYBOARD: "The password follows the rows of a keyboard, which is easy to guess.",
    ReasonCode.DATE: "The password is built on a date or a year, which is easy to guess.",
    ReasonCode.NAME: "The password is built on a common name, which is easy to guess.",
    ReasonCode.SINGLE_WORD: "The password is built on a single word; add a few unrelated ones.",
    ReasonCode.GUESSABLE: "The password is easy to guess; add a few unrelated words.",
}

_PATTERNS: tuple[tuple[Pattern, ReasonCode], ...] = (
    (Pattern.ThisIsATop10Password, ReasonCode.COMMON),
    (Pattern.ThisIsATop100Password, ReasonCode.COMMON),
    (Pattern.ThisIsACommonPassword, ReasonCode.COMMON),
    (Pattern.ThisIsSimilarToACommonlyUsedPassword, ReasonCode.COMMON),
    (Pattern.RepeatsLikeAaaAreEasyToGuess, ReasonCode.REPEATS),
    (Pattern.RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess, ReasonCode.REPEATS),
    (Pattern.SequencesLikeAbcAreEasyToGuess, ReasonCode.SEQUENCE),
    (Pattern.StraightRowsOfKeysAreEasyToGuess, ReasonCode.KEYBOARD),
    (Pattern.ShortKeyboardPatternsAreEasyToGuess, ReasonCode.KEYBOARD),
    (Pattern.RecentYearsAreEasyToGuess, ReasonCode.DATE),
    (Pattern.DatesAreOftenEasyToGuess, ReasonCode.DATE),
    (Pattern.NamesAndSurnamesByThemselvesAreEasyToGuess, ReasonCode.NAME),
    (Pattern.CommonNamesAndSurnamesAreEasyToGuess, ReasonCode.NAME),
    (Pattern.AWordByItselfIsEasyToGuess, ReasonCode.SINGLE_WORD),
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a password is refused: a stable id for translation and a sentence for the person."""

    code: ReasonCode
    number: int | None = None

    @property
    def text(self) -> str:
        """The English sentence."""
        return ENGLISH[self.code].format(number=self.number)


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """The deployment's settings: lengths in code points; `min_score` 0–4, where 3 stands for 10⁸ guesses."""

    min_length: int = 12
    max_length: int = 256
    min_score: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.min_length <= self.max_length <= MAX_READ_LENGTH:
            raise ValueError(f"password lengths must satisfy 1 <= min_length <= max_length <= {MAX_READ_LENGTH}")
        if not 0 <= self.min_score <= len(_SCORE_STEPS):
            raise ValueError("min_score must be 0 to 4")


class PasswordRefused(ValueError):
    """A password that may not be set; `reasons` holds at least one, the gravest first."""

    def __init__(self, reasons: tuple[Reason, ...]) -> None:
        super().__init__(" ".join(reason.text for reason in reasons))
        self.reasons = reasons


class UnusablePassword(ValueError):
    """Text that can be nobody's password: NUL, half a surrogate pair, or more than MAX_READ_LENGTH code points."""


def prepare_password(text: str) -> bytes:
    """The password as every hash sees it: NFC in UTF-8, whole; the same for setting and verifying.

    NUL is refused because bcrypt, and whatever is written in C behind an import, ends a password there.
    Raises UnusablePassword.
    """
    if len(text) > MAX_READ_LENGTH or "\0" in text:
        raise UnusablePassword("the password contains NUL or is longer than any that can be set")
    try:
        return unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError:
        # Without the cause: it holds the password, and would carry it into a log.
        raise UnusablePassword("the password contains half a surrogate pair") from None


def check_password(
    password: str, *, rules: PasswordRules, context: Sequence[str], breached: BreachedList | None
) -> None:
    """Raise PasswordRefused with every reason that holds; return nothing where the password may be set.

    `context` holds what an attacker knows: name, username, mail address or its local part, the service's name.
    Length is judged first and alone: an estimate of what must be retyped anyway helps nobody.
    Takes about a millisecond, 50 for a hostile text, and reads the breached list from disk: call it outside any
    transaction.
    """
    if len(password) > MAX_READ_LENGTH:
        raise PasswordRefused((Reason(ReasonCode.TOO_LONG, rules.max_length),))
    try:
        prepared = prepare_password(password)
    except UnusablePassword:
        raise PasswordRefused((Reason(ReasonCode.UNUSABLE),)) from None
    text = prepared.decode()
    if len(text) < rules.min_length:
        raise PasswordRefused((Reason(ReasonCode.TOO_SHORT, rules.min_length),))
    if len(text) > rules.max_length:
        raise PasswordRefused((Reason(ReasonCode.TOO_LONG, rules.max_length),))
    reasons = tuple(_find_reasons(text, rules.min_score, context, breached, prepared))
    if reasons:
        raise PasswordRefused(reasons)


def _find_reasons(
    text: str, min_score: int, context: Sequence[str], breached: BreachedList | None, prepared: bytes
) -> Iterator[Reason]:
    if breached is not None and breached.contains(prepared):
        yield Reason(ReasonCode.BREACHED)
    words = _split_context(context)
    if any(word in _letters_and_digits(text) for word in words):
        yield Reason(ReasonCode.CONTEXTUAL)
    estimate = zxcvbn(text[:_ESTIMATED_LENGTH], sorted(words))
    if sum(estimate.guesses >= step for step in _SCORE_STEPS) < min_score:
        warning = estimate.feedback.warning if estimate.feedback else None
        yield Reason(next((code for pattern, code in _PATTERNS if pattern == warning), ReasonCode.GUESSABLE))


def _split_context(context: Sequence[str]) -> set[str]:
    """Each value whole and in its words, folded, without the pieces too short to tell anything."""
    pieces: set[str] = set()
    for value in context:
        name = value.partition("@")[0]  # of a mail address, what is before the @
        spaced = "".join(character if character.isalnum() else " " for character in name)
        pieces |= {value, name, *spaced.split()}
    return {word for word in map(_letters_and_digits, pieces) if len(word) >= _MIN_CONTEXT_LENGTH}


def _letters_and_digits(text: str) -> str:
    """The text folded and without what separates: `J. Doe` and `j-doe` become one."""
    return "".join(character for character in fold_case(text) if character.isalnum())
