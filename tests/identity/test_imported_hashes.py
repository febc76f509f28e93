"""Hashes that other systems made are verified, and hostile ones are refused before they cost anything (S21)."""

import base64
import hashlib

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.imported_hashes import UnreadableHash, parse_imported_hash

PASSWORD = b"correct horse"
SALT = b"seasaltseasalt!?"
# Fixed, so that every worker collects the same cases.
BCRYPT_SALT = b"$2b$04$abcdefghijklmnopqrstuu"


def b64(raw: bytes, *, padded: bool = True) -> str:
    """Base64 as the formats write it."""
    text = base64.b64encode(raw).decode()
    return text if padded else text.rstrip("=")


def pbkdf2(digest: str, size: int | None = None, salt: bytes = SALT) -> bytes:
    """PBKDF2 over PASSWORD, 1,000 rounds."""
    return hashlib.pbkdf2_hmac(digest, PASSWORD, salt, 1000, size)


def scrypt(size: int = 64) -> bytes:
    """A cheap scrypt over PASSWORD."""
    return hashlib.scrypt(PASSWORD, salt=SALT, n=16, r=8, p=1, dklen=size)


BCRYPT = bcrypt.hashpw(PASSWORD, BCRYPT_SALT).decode()
BCRYPT_SHA256 = bcrypt.hashpw(hashlib.sha256(PASSWORD).hexdigest().encode(), BCRYPT_SALT).decode()

MADE_ELSEWHERE = {
    "bcrypt 2b": BCRYPT,
    "bcrypt 2a": BCRYPT.replace("$2b$", "$2a$"),
    "bcrypt 2y (PHP)": BCRYPT.replace("$2b$", "$2y$"),
    "bcrypt (Django)": "bcrypt$" + BCRYPT,
    "bcrypt over SHA-256 (Django)": "bcrypt_sha256$" + BCRYPT_SHA256,
    "pbkdf2 sha256 (Django)": f"pbkdf2_sha256$1000${SALT.decode()}${b64(pbkdf2('sha256'))}",
    "pbkdf2 sha1 (Django)": f"pbkdf2_sha1$1000${SALT.decode()}${b64(pbkdf2('sha1'))}",
    "pbkdf2 sha256 (Werkzeug)": f"pbkdf2:sha256:1000${SALT.decode()}${pbkdf2('sha256').hex()}",
    "pbkdf2 sha512 (passlib)": (
        f"$pbkdf2-sha512$1000${b64(SALT, padded=False).replace('+', '.')}"
        f"${b64(pbkdf2('sha512'), padded=False).replace('+', '.')}"
    ),
    "pbkdf2 sha1 (passlib)": f"$pbkdf2$1000${b64(SALT, padded=False)}${b64(pbkdf2('sha1'), padded=False)}",
    "pbkdf2 sha256 (PHC)": (
        f"$pbkdf2-sha256$i=1000,l=32${b64(SALT, padded=False)}${b64(pbkdf2('sha256'), padded=False)}"
    ),
    "scrypt (Django)": f"scrypt$16${SALT.decode()}$8$1${b64(scrypt())}",
    "scrypt (Werkzeug)": f"scrypt:16:8:1${SALT.decode()}${scrypt().hex()}",
    "scrypt (passlib, PHC)": f"$scrypt$ln=4,r=8,p=1${b64(SALT, padded=False)}${b64(scrypt(32), padded=False)}",
}

# From the bcrypt tests of Openwall, RFC 6070, the documentation of passlib (two) and RFC 7914 §12.
PUBLISHED = [
    (b"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    (b"password", f"pbkdf2_sha1$4096$salt${b64(bytes.fromhex('4b007901b765489abead49d926f721d065a429c1'))}"),
    (b"password", "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44"),
    (b"password", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"),
    (
        b"pleaseletmein",
        "scrypt:16384:8:1$SodiumChloride$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
    ),
]


@pytest.mark.parametrize("stored", MADE_ELSEWHERE.values(), ids=MADE_ELSEWHERE.keys())
def test_an_imported_hash_knows_its_password_and_no_other(stored: str) -> None:
    """S21."""
    imported = parse_imported_hash(stored)
    assert imported.matches(PASSWORD)
    assert not imported.matches(PASSWORD + b"!")
    assert not imported.matches(b"")


@pytest.mark.parametrize("stored", MADE_ELSEWHERE.values(), ids=MADE_ELSEWHERE.keys())
def test_the_form_that_is_stored_here_says_the_same_and_is_its_own(stored: str) -> None:
    imported = parse_imported_hash(stored)
    kept = imported.as_text()
    assert parse_imported_hash(kept) == imported
    assert parse_imported_hash(kept).as_text() == kept


@pytest.mark.parametrize(("password", "stored"), PUBLISHED)
def test_published_vectors_verify(password: bytes, stored: str) -> None:
    """S21, by hashes that nobody here made."""
    imported = parse_imported_hash(stored)
    assert imported.matches(password)
    assert not imported.matches(password + b"x")


def test_bcrypt_reads_72_bytes_as_it_always_did() -> None:
    """An import of a longer password was cut when it was made; the library of today would raise instead."""
    stored = parse_imported_hash(bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode())
    assert stored.matches(b"x" * 100)
    assert not stored.matches(b"x" * 71)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (BCRYPT.replace("$04$", "$31$"), "bcrypt hash asks for cost 31"),
        (BCRYPT.replace("$04$", "$03$"), "bcrypt hash asks for cost 03"),
        (f"pbkdf2_sha256$900000000$salt${b64(pbkdf2('sha256'))}", "asks for 900000000 rounds"),
        (f"pbkdf2_sha256$0$salt${b64(pbkdf2('sha256'))}", "asks for 0 rounds"),
        (f"$pbkdf2-sha1$i=1000000${b64(SALT)}${b64(bytes(128))}", "1000000 rounds 7 times"),
        (f"$scrypt$ln=40,r=8,p=1${b64(SALT)}${b64(scrypt())}", "too much"),
        (f"scrypt:1048576:8:1$salt${scrypt().hex()}", "too much"),
        (f"scrypt:1024:8:9999$salt${scrypt().hex()}", "too much"),
        (f"scrypt:1000:8:1$salt${scrypt().hex()}", "impossible cost"),
        (f"scrypt:16:0:1$salt${scrypt().hex()}", "impossible cost"),
        (f"scrypt:16:8:0$salt${scrypt().hex()}", "impossible cost"),
        (f"pbkdf2_sha256$1000${'s' * 129}${b64(pbkdf2('sha256'))}", "impossible length"),
    ],
)
def test_a_price_beyond_the_bounds_is_refused_unpaid(stored: str, reason: str) -> None:
    """S21: parsing alone refuses; had a round been done, this test would take minutes or gigabytes."""
    with pytest.raises(UnreadableHash, match=reason):
        parse_imported_hash(stored)


@pytest.mark.parametrize("digest_bytes", [0, 1, 15])
def test_a_digest_so_short_that_it_is_found_by_chance_is_refused(digest_bytes: int) -> None:
    digest = b64(pbkdf2("sha256")[:digest_bytes])
    with pytest.raises(UnreadableHash, match="impossible length"):
        parse_imported_hash(f"pbkdf2_sha256$1000$salt${digest}")


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "password",
        "!",
        "x" * 100_000,
        BCRYPT + "\n",
        BCRYPT[:-1],
        BCRYPT.replace("$2b$", "$2x$"),  # made by a faulty version
        "$1$salt$abcdefghijklmnopqrstuv",
        "{SSHA}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "pbkdf2_md5$1000$salt$AAAAAAAAAAAAAAAAAAAAAA==",
        "pbkdf2_sha256$-1$salt$AAAAAAAAAAAAAAAAAAAAAA==",
        "pbkdf2_sha256$١٠٠٠$salt$AAAAAAAAAAAAAAAAAAAAAA==",
        "pbkdf2_sha256$1000$salt$not base64!",
        "pbkdf2_sha256$1000$salt$A",
        "pbkdf2:sha256:1000$salt$abc",
    ],
)
def test_what_is_no_hash_is_refused_without_being_repeated(stored: str) -> None:
    with pytest.raises(UnreadableHash) as refused:
        parse_imported_hash(stored)
    assert len(stored) < 5 or stored not in str(refused.value)


@given(st.text(max_size=120) | st.sampled_from(sorted(MADE_ELSEWHERE.values())).map(lambda stored: stored[:-3] + "$,1"))
def test_no_stored_text_raises_anything_else(stored: str) -> None:
    with pytest.raises(UnreadableHash):
        parse_imported_hash(stored)
