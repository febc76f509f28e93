"""A path is read in one way by everyone, or it is refused (S42)."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.gateway.paths import MAX_TARGET_CHARS, Ambiguous, parse_path, split_target

PLAIN = (
    "/",
    "/api/orders",
    "/api/orders/",
    "/api/orders/17",
    "/api/orders/ord_1.json",
    "/a/...",
    "/a/.well-known/x",
    "/a/b..c",
    "/api/people/anna@example.com",
    "/a/(b)*c,d=e!$&'+:~_-",
    "/caf%C3%A9",
    "/a%20b",
    "/100%25",
)

REFUSED = {
    "": "must begin with /",
    "api/orders": "must begin with /",
    "http://evil.test/api": "must begin with /",
    "*": "must begin with /",
    "/api//admin": "two slashes in a row",
    "//evil.test/api": "two slashes in a row",
    "/api/orders//": "two slashes in a row",
    "/api/./admin": "the segments . and ..",
    "/api/orders/../admin": "the segments . and ..",
    "/api/orders/..": "the segments . and ..",
    "/..": "the segments . and ..",
    "/.": "the segments . and ..",
    "/api/%2e%2e/admin": "the segments . and ..",
    "/api/.%2E/admin": "the segments . and ..",
    "/api%2fadmin": "encoded slash",
    "/api%2Fadmin": "encoded slash",
    "/api/..%2fadmin": "encoded slash",
    "/api%5cadmin": "encoded backslash",
    "/api/..%5C..%5Cadmin": "encoded backslash",
    "/api/orders%3fx=1": "encoded question mark",
    "/api/orders%23x": "encoded number sign",
    "/api/orders%3badmin": "encoded semicolon",
    "/api/%252e%252e/admin": "percent-encoded twice",
    "/api%252fadmin": "percent-encoded twice",
    "/api/%25%32%65": "percent-encoded twice",
    "/api/orders%00.json": "control characters",
    "/api/orders%0d%0aX-User-Id:%20root": "control characters",
    "/api/%7f": "control characters",
    "/api/%C2%85": "control characters",
    "/api/%c0%af..": "UTF-8",
    "/api/%ff": "UTF-8",
    "/api/%ed%a0%80": "UTF-8",
    "/api/..;/admin": "without ; and backslash",
    "/api/orders;x=1": "without ; and backslash",
    "/api\\admin": "without ; and backslash",
    "/api/%": "letters, digits and signs",
    "/api/%2": "letters, digits and signs",
    "/api/%zz": "letters, digits and signs",
    "/api/a b": "letters, digits and signs",
    "/api/a\x00b": "letters, digits and signs",
    "/api/a\tb": "letters, digits and signs",
    "/api/a\r\nX: y": "letters, digits and signs",
    "/api/é": "letters, digits and signs",
    "/api/a\n": "letters, digits and signs",
    '/api/"><': "letters, digits and signs",
}


@pytest.mark.parametrize("path", PLAIN)
def test_a_plain_path_stays_as_it_is(path: str) -> None:
    assert parse_path(path) == path


@pytest.mark.parametrize(("path", "words"), REFUSED.items())
def test_a_path_that_two_readers_could_read_differently_is_refused(path: str, words: str) -> None:
    """S42"""
    with pytest.raises(Ambiguous, match=words):
        parse_path(path)


def test_needless_escapes_are_decoded_once_and_the_rest_is_written_in_one_way() -> None:
    """RFC 3986 §6.2.2: these are the same path for everyone. S42"""
    assert parse_path("/%61pi/%6F%72ders") == "/api/orders"
    assert parse_path("/caf%c3%a9") == "/caf%C3%A9"
    assert parse_path("/a%7Eb%2Dc") == "/a~b-c"


def test_path_and_query_are_parted_at_the_first_question_mark() -> None:
    assert split_target("/api/orders?a=1&b=/../x?y") == ("/api/orders", "a=1&b=/../x?y")
    assert split_target("/api/orders?") == ("/api/orders", "")
    assert split_target("/api/orders") == ("/api/orders", "")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/api/orders#x", "fragment"),
        ("/api/orders?a#/../admin", "fragment"),
        ("/api/public#/../admin", "fragment"),
        ("/api/orders?a=\x00", "query"),
        ("/api/orders?a=b c", "query"),
        ("/api/orders?a=é", "query"),
        ("/api/orders?a\r\nX-User-Id: root", "query"),
        ("/" + "a" * MAX_TARGET_CHARS, "must not be longer"),
        ("?a=/api", "must begin with /"),
    ],
)
def test_a_target_with_tricks_around_its_query_is_refused(target: str, words: str) -> None:
    """S42"""
    with pytest.raises(Ambiguous, match=words):
        split_target(target)


HARD = st.text(alphabet=st.sampled_from("/.%;\\#?25eEfFcC0aAZ~\x00é"), max_size=12)


@given(HARD.map(lambda text: "/" + text))
def test_whatever_passes_means_the_same_however_often_it_is_decoded(raw: str) -> None:
    """A service that decodes once or twice finds no other segments than were decided. S42"""
    try:
        path = parse_path(raw)
    except Ambiguous:
        return
    assert parse_path(path) == path
    for text in (unquote(raw), unquote(path), unquote(unquote(raw))):
        assert len(text.split("/")) == len(path.split("/"))
        assert not {".", "..", "\\"} & set(text.split("/"))
        assert not set("\\\x00#?;") & set(text)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4))
def test_nothing_but_an_answer_or_a_refusal_comes_of_any_text(parts: list[str]) -> None:
    try:
        path, query = split_target("/".join(parts))
    except Ambiguous:
        return
    assert path.startswith("/")
    assert path.isascii()
    assert query.isascii()
