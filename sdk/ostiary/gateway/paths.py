"""The path and query of a request as every reader understands them, or none at all (S42). No I/O.

A proxy, this gateway and the service behind it each read a path by code of their own. What one of them would read
differently is not mended but refused: a path that was mended here would be decided in one form and forwarded in
another.
"""

import re
import unicodedata
from urllib.parse import unquote_to_bytes

MAX_TARGET_CHARS = 8192

# RFC 3986 §3.3 without the semicolon, whose meaning depends on who reads it (`/api;x/admin`, `/api/..;/admin`).
_CHARS = r"A-Za-z0-9\-._~!$&'()*+,=:@"
_PLAIN = re.compile(rf"(?:/(?!\.\.?(?:/|\Z))[{_CHARS}]+)*/?")
_WRITTEN = re.compile(rf"(?:[/{_CHARS}]|%[0-9A-Fa-f]{{2}})*")
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

# Whoever decodes these a step too early reads another path.
_DELIMITERS = {"/": "slash", "\\": "backslash", "?": "question mark", "#": "number sign", ";": "semicolon"}
_ENCODED_AGAIN = re.compile(r"%25[0-9A-Fa-f]{2}")
_QUERY = re.compile(r'[!"$-~]*')


class Ambiguous(Exception):
    """What was asked for can be read in more than one way: answer 400. The text is public."""


def split_target(target: str) -> tuple[str, str]:
    """Path and query of a request target in origin form (RFC 9112 §3.2.1), both checked; Ambiguous otherwise."""
    if len(target) > MAX_TARGET_CHARS:
        raise Ambiguous(f"path and query must not be longer than {MAX_TARGET_CHARS} characters")
    if "#" in target:
        raise Ambiguous("the path must not carry a fragment")
    path, _, query = target.partition("?")
    if query and _QUERY.fullmatch(query) is None:
        raise Ambiguous("the query must be printable ASCII; everything else must be percent-encoded")
    return parse_path(path), query


def parse_path(raw: str) -> str:
    """The path with percent-encoded unreserved characters decoded and all other escapes in upper case.

    By RFC 3986 §6.2.2 that is the same path for everyone. Ambiguous for a path with dot segments or empty segments,
    plain or encoded, with encoded delimiters, control characters, a second encoding, or anything that is no UTF-8.
    """
    if _PLAIN.fullmatch(raw) is not None and raw:
        return raw
    if not raw.startswith("/"):
        raise Ambiguous("the path must begin with /")
    if _WRITTEN.fullmatch(raw) is None:
        raise Ambiguous("the path must consist of the letters, digits and signs of RFC 3986, without ; and backslash")
    path = _ENCODED.sub(_decode_unreserved, raw)
    _check_encoded(path)
    _check_segments(path)
    return path


def _decode_unreserved(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def _check_encoded(path: str) -> None:
    """Raise Ambiguous for an escape that somebody could read as more than one character of a name."""
    if _ENCODED_AGAIN.search(path) is not None:
        raise Ambiguous("the path must not be percent-encoded twice")
    try:
        text = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise Ambiguous("the path must be UTF-8 under its percent-encoding") from None
    if any(unicodedata.category(char) == "Cc" for char in text):
        raise Ambiguous("the path must not contain control characters")
    for found in _ENCODED.findall(path):
        if name := _DELIMITERS.get(chr(int(found, 16))):
            raise Ambiguous(f"the path must not contain an encoded {name}")


def _check_segments(path: str) -> None:
    segments = path[1:].split("/")
    if "." in segments or ".." in segments:
        raise Ambiguous("the path must not contain the segments . and ..")
    if "" in segments[:-1]:
        raise Ambiguous("the path must not contain two slashes in a row")
