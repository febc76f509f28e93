"""The one key under which a username or a mail address is stored, compared and counted.

Everything that must agree about who is meant (unique columns, lockout counters, rate limits, sign-in) uses these keys,
so `Alice`, ` alice`, `ALICE` and full-width letters are one name (S23).
A username never contains `@` and a mail address always does: the two kinds of key cannot meet.

**Dotted and dotless i.** `I`, `İ`, `ı` and `i` are one letter in a key.
`"İ".casefold()` is an `i` followed by a combining dot, and a Turkish keyboard turns `i` into `İ` where an English one
turns it into `I`: keeping them apart would lock people out of their own name and let `admın` stand beside `admin`.
The price is that two names which differ only in this dot cannot both exist.

**Lookalikes.** A username keeps to one script (Unicode TR39 §5.1; Japanese, Korean and Chinese mix as in print), to the
scripts in everyday use (UAX #31, table 5) and to one set of digits (TR39 §5.3).
A name made of nothing but letters that look Latin (`аррӏе` in Cyrillic, TR39 §4) is refused too.
Not covered: lookalikes inside one script, such as `rn` and `m`.
"""

# ruff: noqa: RUF001, RUF002 - letters that look like others are what this file is about

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

import idna
import regex

MIN_USERNAME_LENGTH = 2
MAX_USERNAME_LENGTH = 64
MAX_EMAIL_LENGTH = 254  # RFC 5321 §4.5.3.1.3: a path of 256 less its angle brackets
MAX_LOCAL_PART_LENGTH = 64  # RFC 5321 §4.5.3.1.1
MAX_TYPED_LENGTH = 320  # 64 + "@" + 255: nothing longer is read at all

# UAX #31 table 5, with the mixed writing systems of TR39 §5.1 as one set each.
_WRITING_SYSTEMS = (
    "Arab Armn Beng Cyrl Deva Ethi Geor Grek Gujr Guru Hebr Khmr Knda Laoo Latn Mlym Mymr Orya Sinh Taml Telu Thaa Thai"
    " Tibt Hira+Kana+Hani Hang+Hani Hani+Bopo"
)
_ONE_SCRIPT = regex.compile(
    "|".join(
        "[" + "".join(rf"\p{{scx={script}}}" for script in system.split("+")) + r"\p{scx=Zyyy}\p{scx=Zinh}]+"
        for system in _WRITING_SYSTEMS.split()
    )
)
_DOTTED_I = regex.compile("i\u0307+")  # what `İ` folds to
_INVISIBLE = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_PILED_MARKS = regex.compile(r"\p{Mn}{5}|(\p{Mn})\1")  # TR39 §5.4
_LOOKS_LATIN = regex.compile(
    "[асԁеһіјӏорԛѕԝхуъьҽпгѵѡ]+|[ανορυικτχω]+|[օոսհցյզ]+"  # Cyrillic, Greek, Armenian, each alone
)
_LATIN_DOUBLES = frozenset("ɑɡɩɪǀǃʼꞌ")  # phonetic signs that pass for a, g, i, l, !, '
_PUNCTUATION = frozenset("._-")
_LETTERS_AND_DIGITS = frozenset({"Ll", "Lu", "Lt", "Lo", "Lm", "Nd"})
_MARKS = frozenset({"Mn", "Mc"})

_LOCAL_PART = regex.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


class NameFault(StrEnum):
    """What is wrong with a name: stable ids; the English words are in `text`."""

    LENGTH = "length"
    FIRST_CHARACTER = "first_character"
    CHARACTER = "character"
    MARKS = "marks"
    MIXED_SCRIPTS = "mixed_scripts"
    MIXED_DIGITS = "mixed_digits"
    LOOKALIKE = "lookalike"
    MAIL_SHAPE = "mail_shape"
    MAIL_LENGTH = "mail_length"
    MAIL_LOCAL_PART = "mail_local_part"
    MAIL_DOMAIN = "mail_domain"

    @property
    def text(self) -> str:
        """The English sentence, naming what was expected."""
        return _TEXTS[self]


_TEXTS = {
    NameFault.LENGTH: f"must have {MIN_USERNAME_LENGTH} to {MAX_USERNAME_LENGTH} characters",
    NameFault.FIRST_CHARACTER: "must begin with a letter or a digit",
    NameFault.CHARACTER: "may contain letters, digits, '.', '_' and '-' only",
    NameFault.MARKS: "has too many accents on one letter",
    NameFault.MIXED_SCRIPTS: "must keep to one alphabet, for example all Latin or all Cyrillic",
    NameFault.MIXED_DIGITS: "must keep to one kind of digits",
    NameFault.LOOKALIKE: "looks like a name in Latin letters; write it in Latin letters or choose another",
    NameFault.MAIL_SHAPE: "must look like name@example.com",
    NameFault.MAIL_LENGTH: f"must have at most {MAX_EMAIL_LENGTH} characters, {MAX_LOCAL_PART_LENGTH} before '@'",
    NameFault.MAIL_LOCAL_PART: "must have plain letters, digits and the usual signs before '@'",
    NameFault.MAIL_DOMAIN: "must have a valid domain such as example.com after '@'",
}


class InvalidName(ValueError):
    """A username or mail address that cannot be taken; `str()` names the field and what was expected."""

    def __init__(self, field: str, fault: NameFault) -> None:
        super().__init__(f"{field} {fault.text}")
        self.field = field
        self.fault = fault


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """A mail address: `display` is shown and written to, `key` is unique and compared.

    Both have the domain in its ASCII form (IDNA A-labels); `display` keeps the capitals before the `@`.
    """

    display: str
    key: str


def fold_case(text: str) -> str:
    """The text in NFKC, with no difference of case or of the dot on an i; folding twice is folding once."""
    composed = unicodedata.normalize("NFKC", text)
    lowered = _DOTTED_I.sub("i", composed.replace("ı", "i").casefold())
    return unicodedata.normalize("NFKC", lowered)


def normalise_username(text: str) -> str:
    """The key of a username; a key is its own key.

    Raises InvalidName (field `username`). That nobody else has the key is the database's to say.
    """
    if len(text) > MAX_TYPED_LENGTH:
        raise InvalidName("username", NameFault.LENGTH)
    key = fold_case(text).strip()
    fault = _find_username_fault(key)
    if fault is not None:
        raise InvalidName("username", fault)
    return key


def normalise_email(text: str) -> EmailAddress:
    """The mail address in the form that is written to and the key that is compared.

    Before the `@` only ASCII is taken (RFC 5322 §3.2.3 dot-atom): with more, two different mailboxes could fold to one
    key, and whoever owns the one would be taken for the owner of the other.
    After it: IDNA 2008 with the mapping of UTS #46, at least two labels, no address literal.
    Raises InvalidName (field `email`). That the person reads mail there is not checked here.
    """
    if len(text) > MAX_TYPED_LENGTH:
        raise InvalidName("email", NameFault.MAIL_LENGTH)
    local_part, at, domain = unicodedata.normalize("NFKC", text).strip().rpartition("@")
    if not at or not local_part or not domain or "@" in local_part:
        raise InvalidName("email", NameFault.MAIL_SHAPE)
    if not _LOCAL_PART.fullmatch(local_part):
        raise InvalidName("email", NameFault.MAIL_LOCAL_PART)
    display = f"{local_part}@{_encode_domain(domain)}"
    if len(display) > MAX_EMAIL_LENGTH or len(local_part) > MAX_LOCAL_PART_LENGTH:
        raise InvalidName("email", NameFault.MAIL_LENGTH)
    return EmailAddress(display=display, key=display.lower())


def login_key(text: str) -> str | None:
    """The key of whoever is meant by what was typed into a sign-in field, None where it can be nobody's.

    More forgiving than `normalise_email` before the `@`: a Turkish keyboard's capitals (`İREM@…`) are read as `irem@…`.
    That is safe here because a key only looks an account up; nothing is ever mailed to the typed text.
    """
    if len(text) > MAX_TYPED_LENGTH:
        return None
    local_part, at, domain = unicodedata.normalize("NFKC", text).rpartition("@")
    try:
        if at:
            return normalise_email(f"{fold_case(local_part)}@{domain}").key
        return normalise_username(text)
    except InvalidName:
        return None


def _find_username_fault(key: str) -> NameFault | None:
    if not MIN_USERNAME_LENGTH <= len(key) <= MAX_USERNAME_LENGTH:
        return NameFault.LENGTH
    if not all(_is_allowed(character) for character in key) or _INVISIBLE.search(key):
        return NameFault.CHARACTER
    if unicodedata.category(key[0]) not in _LETTERS_AND_DIGITS:
        return NameFault.FIRST_CHARACTER
    if _PILED_MARKS.search(key):
        return NameFault.MARKS
    if not _ONE_SCRIPT.fullmatch(key):
        return NameFault.MIXED_SCRIPTS
    if len({ord(digit) - unicodedata.decimal(digit) for digit in key if digit.isdecimal()}) > 1:
        return NameFault.MIXED_DIGITS
    if _LOOKS_LATIN.fullmatch("".join(character for character in key if character.isalpha())):
        return NameFault.LOOKALIKE
    return None


def _is_allowed(character: str) -> bool:
    """Python's own tables decide what is a letter, since its case folding must know the letter too."""
    if character in _PUNCTUATION:
        return True
    category = unicodedata.category(character)
    return (category in _LETTERS_AND_DIGITS or category in _MARKS) and character not in _LATIN_DOUBLES


def _encode_domain(domain: str) -> str:
    try:
        encoded = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
    except UnicodeError as error:  # idna.IDNAError is one
        raise InvalidName("email", NameFault.MAIL_DOMAIN) from error
    labels = encoded.split(".")
    if len(labels) < 2 or not all(labels) or labels[-1].isdigit():
        raise InvalidName("email", NameFault.MAIL_DOMAIN)
    return encoded
