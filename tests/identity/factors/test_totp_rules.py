"""RFC 6238 and what stands around it, without I/O."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyotp import TOTP
from qrcode.main import QRCode

from identity.factors.qr import QUIET, draw_qr
from identity.factors.totp import (
    SECRET_BYTES,
    TotpParameters,
    code_at,
    group_secret,
    matching_steps,
    otpauth_link,
    parse_code,
    show_secret,
    step_of,
)

SHA1_8, SHA256_8 = TotpParameters("SHA1", 8), TotpParameters("SHA256", 8)
SEED_20, SEED_32 = b"12345678901234567890", b"12345678901234567890123456789012"
# RFC 6238, appendix B, with the corrected SHA-256 seed (erratum 2866).
VECTORS = [
    (59, "94287082", "46119246"),
    (1111111109, "07081804", "68084774"),
    (1111111111, "14050471", "67062674"),
    (1234567890, "89005924", "91819424"),
    (2000000000, "69279037", "90698825"),
    (20000000000, "65353130", "77737706"),
]
NOW = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "sha1", "sha256"), VECTORS)
def test_the_codes_are_those_of_the_standard(seconds: int, sha1: str, sha256: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert code_at(SEED_20, SHA1_8, step_of(at, SHA1_8)) == sha1
    assert code_at(SEED_32, SHA256_8, step_of(at, SHA256_8)) == sha256


@pytest.mark.parametrize("off", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("parameters", [TotpParameters(), SHA256_8], ids=["SHA1 6", "SHA256 8"])
def test_a_code_is_good_for_one_step_each_way(parameters: TotpParameters, off: int) -> None:
    """S25"""
    current = step_of(NOW, parameters)
    code = code_at(SEED_32, parameters, current + off)
    found = matching_steps(code, SEED_32, parameters, now=NOW)
    assert found == ((current + off,) if abs(off) <= 1 else ())


def test_a_step_changes_every_thirty_seconds_on_the_clock() -> None:
    parameters = TotpParameters()
    boundary = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    assert step_of(boundary, parameters) == step_of(boundary - timedelta(microseconds=1), parameters) + 1
    assert step_of(boundary + timedelta(seconds=29.9), parameters) == step_of(boundary, parameters)


@pytest.mark.parametrize(
    "typed",
    [
        "123456",
        "123 456",
        " 123456\n",
        "123-456",
        "１２３４５６",
        "１２３ ４５６",
        "123\u00a0456",
        "12\u200b3456",
        "1 2 3 4 5 6",
    ],
)
def test_what_people_type_is_made_plain(typed: str) -> None:
    """S16, S25"""
    assert parse_code(typed) == "123456"


@pytest.mark.parametrize("typed", ["", " ", "12345a", "0x1234", "١٢٣٤٥٦", "123456" * 20, "½23456", "+123456", "12.456"])
def test_what_is_no_code_stays_none(typed: str) -> None:
    assert parse_code(typed) == ""


@given(st.text())
def test_a_parsed_code_is_ascii_digits_or_nothing(typed: str) -> None:
    code = parse_code(typed)
    assert re.fullmatch(r"[0-9]*", code)
    assert parse_code(code) == code


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256"])
def test_a_secret_has_160_bits_at_least_and_is_shown_in_fours(algorithm: str) -> None:
    """S25"""
    assert SECRET_BYTES[algorithm] * 8 >= 160
    secret = bytes(range(SECRET_BYTES[algorithm]))
    grouped = group_secret(secret)
    assert grouped.replace(" ", "") == show_secret(secret) == base64.b32encode(secret).decode().rstrip("=")
    assert all(len(group) == 4 for group in grouped.split(" ")[:-1])


@pytest.mark.parametrize(
    ("issuer", "account", "label"),
    [
        ("Ostiary", "ada@example.com", "Ostiary:ada@example.com"),
        ("Äcme & Söhne: Wien", "ada:1", "Äcme & Söhne Wien:ada 1"),
        ("100% sure?", "a/b#c", "100% sure?:a/b#c"),
    ],
)
def test_the_link_says_everything_and_survives_every_name(issuer: str, account: str, label: str) -> None:
    link = otpauth_link(SEED_32, SHA256_8, issuer=issuer, account=account)
    assert link.isascii()
    assert "+" not in link
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, unquote(parts.path[1:])) == ("otpauth", "totp", label)
    assert parts.fragment == ""
    assert parse_qs(parts.query, strict_parsing=True) == {
        "secret": [show_secret(SEED_32)],
        "issuer": [label.partition(":")[0]],
        "algorithm": ["SHA256"],
        "digits": ["8"],
        "period": ["30"],
    }


def test_an_app_that_reads_the_link_shows_our_codes() -> None:
    from pyotp import parse_uri

    app = parse_uri(otpauth_link(SEED_20, TotpParameters(), issuer="Ostiary", account="ada"))
    assert isinstance(app, TOTP)
    assert app.at(NOW) == code_at(SEED_20, TotpParameters(), step_of(NOW, TotpParameters()))


def test_the_drawing_is_the_symbol_with_its_quiet_zone() -> None:
    """Every module of the path, filled in, gives the matrix of the encoder."""
    text = otpauth_link(SEED_32, SHA256_8, issuer="Ostiary", account="ada@example.com")
    drawn = draw_qr(text)
    code = QRCode(error_correction=0, border=QUIET)
    code.add_data(text)
    code.make(fit=True)
    matrix = code.get_matrix()
    assert drawn.size == len(matrix)
    dark = [[False] * drawn.size for _ in range(drawn.size)]
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", drawn.path):
        for column in range(int(x), int(x) + int(width)):
            dark[int(y)][column] = True
    assert dark == matrix
    assert re.fullmatch(r"(M\d+ \d+h\d+v1h-\d+z)+", drawn.path)
