"""S38 and S16: whatever arrives in the place of a token is refused early, with short words, and as TokenError only."""

import inspect
import json
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest

from ostiary import SyncVerifier, TokenErrorCode
from ostiary.strict import parse_json_object
from ostiary.testing import FakeIssuer
from tests.sdk.forging import decode, encode, forge, refusal, words_of_refusal

HEADER = {"typ": "at+jwt", "alg": "ES256", "kid": "k"}
DEEP = b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
BOMB = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "zip": "DEF", "p2c": 2**31, "p2s": "AAAA"}

HOSTILE: dict[str, tuple[str, TokenErrorCode]] = {
    "a megabyte": ("a" * 1_000_000, TokenErrorCode.TOO_LARGE),
    "a megabyte of dots": ("." * 1_000_000, TokenErrorCode.TOO_LARGE),
    "one letter too many": (forge(HEADER, b"x" * 16_384, b"s"), TokenErrorCode.TOO_LARGE),
    "an encrypted token with a bomb": (f"{encode(json.dumps(BOMB).encode())}.a.b.c.d", TokenErrorCode.MALFORMED),
    "a bomb's header on a signed token": (forge(BOMB | {"typ": "at+jwt"}, {}, b"s"), TokenErrorCode.WRONG_ALGORITHM),
    "a deep header": (forge(DEEP[:9000], {}, b"s"), TokenErrorCode.MALFORMED),
    "a header with its name twice": (
        forge(b'{"typ":"at+jwt","alg":"none","alg":"ES256","kid":"k"}', {}, b"s"),
        TokenErrorCode.MALFORMED,
    ),
    "a name twice, once in disguise": (
        forge(b'{"typ":"at+jwt","alg":"ES256","kid":"k","\\u006bid":"k"}', {}, b"s"),
        TokenErrorCode.MALFORMED,
    ),
    "a header that is a list": (forge(b"[]", {}, b"s"), TokenErrorCode.MALFORMED),
    "a header in UTF-16": (forge(json.dumps(HEADER).encode("utf-16"), {}, b"s"), TokenErrorCode.MALFORMED),
    "a byte order mark": (forge(b"\xef\xbb\xbf" + json.dumps(HEADER).encode(), {}, b"s"), TokenErrorCode.MALFORMED),
    "nothing": ("", TokenErrorCode.MALFORMED),
    "two parts": ("a.b", TokenErrorCode.MALFORMED),
    "four parts": ("a.b.c.d", TokenErrorCode.MALFORMED),
    "letters beyond ASCII": ("ä.ö.ü", TokenErrorCode.MALFORMED),
    "a lone surrogate": ("\ud800.a.b", TokenErrorCode.MALFORMED),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused_without_a_request_and_in_few_words(
    name: str, fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S38."""
    token, expected = HOSTILE[name]
    code, words = refusal(verifier, token)
    assert code is expected
    assert len(words) < 100
    assert fake.requests == []


@pytest.mark.parametrize("value", [None, b"a.b.c", 7, ["a"]])
def test_what_is_not_text_is_refused_like_any_bad_token(value: str, verifier: SyncVerifier) -> None:
    """Fail closed, and no 500 for a program that hands over the raw header."""
    assert refusal(verifier, value) == (TokenErrorCode.MALFORMED, "the token must be text")


def test_refusing_giants_keeps_memory_flat(verifier: SyncVerifier) -> None:
    """S38: a thousand megabyte tokens leave nothing behind, and none is copied on its way."""
    giant = "a" * 1_000_000
    refusal(verifier, giant)
    tracemalloc.start()
    for _ in range(1000):
        refusal(verifier, giant)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000


def test_a_deep_or_doubled_payload_is_refused_even_when_the_issuer_signed_it(
    fake: FakeIssuer, verifier: SyncVerifier
) -> None:
    """S38."""
    usual = b'{"iss":"https://issuer.test","aud":"https://api.test","sub":"usr_1","sub":"usr_2"}'
    code, words = refusal(verifier, fake.sign(usual))
    assert (code, words) == (TokenErrorCode.MALFORMED, "the token's payload must not name a member twice")
    nested_twice = b'{"org":{"id":1,"id":2}}'
    assert refusal(verifier, fake.sign(nested_twice)) == (code, words)
    assert refusal(verifier, fake.sign(b'{"a":' + b"[" * 129 + b"]" * 129 + b"}"))[1].endswith("too many parts")
    assert refusal(verifier, fake.sign(b'{"a":NaN}'))[0] is TokenErrorCode.MALFORMED
    assert refusal(verifier, fake.sign(b'"text"'))[0] is TokenErrorCode.MALFORMED


def test_a_payload_written_with_spaces_and_escapes_is_still_read(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """Not every signer writes compact JSON; only doubled names are refused."""
    token = fake.mint({"sub": "usr_1"})
    claims = dict(verifier.verify(token).claims) | {"name": "Çağrı", "jti": "other"}
    assert verifier.verify(fake.sign(json.dumps(claims, indent=2).encode())).sub == "usr_1"


DECORATIONS: dict[str, Callable[[str], str]] = {
    "padding on the signature": lambda token: token + "=",
    "double padding": lambda token: token + "==",
    "padding on the header": lambda token: token.replace(".", "=.", 1),
    "a space before": lambda token: " " + token,
    "a newline after": lambda token: token + "\n",
    "a tab inside": lambda token: token[:20] + "\t" + token[20:],
    "a NUL after": lambda token: token + "\0",
    "the last letter cut": lambda token: token[:-1],
    "the last four letters cut": lambda token: token[:-4],
    "a letter more": lambda token: token + "A",
    "case swapped": lambda token: token.swapcase(),
    "upper case": lambda token: token.upper(),
    "case of the signature swapped": lambda token: token.rpartition(".")[0] + "." + token.rpartition(".")[2].swapcase(),
    "the standard alphabet": lambda token: token.replace("-", "+").replace("_", "/"),
    "the word Bearer": lambda token: "Bearer " + token,
}


@pytest.mark.parametrize("name", DECORATIONS)
def test_a_decorated_token_is_refused(name: str, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S16: also after the plain token was accepted and remembered."""
    token = fake.mint()
    while not {"-", "_"} & set(token.rpartition(".")[2]):
        token = fake.mint()
    verifier.verify(token)
    assert refusal(verifier, DECORATIONS[name](token))[0] in (TokenErrorCode.MALFORMED, TokenErrorCode.BAD_SIGNATURE)


def test_a_signature_has_one_spelling(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S16: the last letter of 64 bytes carries two bits; the four other letters that mean the same are refused."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = fake.mint()
    spellings = [token[:-1] + letter for letter in alphabet]
    accepted = [text for text in spellings if not words_of_refusal(partial(verifier.verify, text))]
    assert accepted == [token]


@pytest.mark.parametrize("size", [0, 1, 63, 65, 70, 72, 96, 128])
def test_a_signature_of_another_size_is_refused(size: int, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S37: DER or a longer curve's signature is not ES256."""
    unsigned = fake.mint().rpartition(".")[0]
    code, _ = refusal(verifier, f"{unsigned}.{encode(bytes(range(1, size + 1)))}")
    assert code is (TokenErrorCode.BAD_SIGNATURE if size else TokenErrorCode.MALFORMED)


def test_a_signature_stretched_by_a_zero_is_refused(fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S16: r and s mean the same numbers with a zero before them; one spelling is accepted."""
    unsigned, _, signature = fake.mint().rpartition(".")
    raw = decode(signature)
    for stretched in (b"\0" + raw, raw[:32] + b"\0" + raw[32:], b"\0" + raw[:32] + b"\0" + raw[32:]):
        assert refusal(verifier, f"{unsigned}.{encode(stretched)}")[0] is TokenErrorCode.BAD_SIGNATURE


def test_a_program_deep_in_its_own_calls_refuses_nested_json_without_breaking() -> None:
    """S38: the reader shares the interpreter's stack with whoever called it."""
    nested = b'{"a":' + b"[" * 100 + b"]" * 100 + b"}"

    def read_below(frames: int) -> str:
        if frames:
            return read_below(frames - 1)
        return words_of_refusal(lambda: parse_json_object(nested, name="part"))

    assert read_below(0) == ""
    frames_left = sys.getrecursionlimit() - len(inspect.stack(0))
    assert read_below(frames_left - 60) == "the token's part must be a JSON object in UTF-8"


@pytest.mark.parametrize("raw", [b"\0" * 64, b"\0" * 63 + b"\1", b"\xff" * 64])
def test_the_signature_of_nothing_is_refused(raw: bytes, fake: FakeIssuer, verifier: SyncVerifier) -> None:
    """S36: r and s of zero were once accepted by whole platforms (CVE-2022-21449)."""
    unsigned = fake.mint().rpartition(".")[0]
    assert refusal(verifier, f"{unsigned}.{encode(raw)}")[0] is TokenErrorCode.BAD_SIGNATURE
