"""Strict readers for what arrives inside a token: one spelling per value, nothing decorated, nothing deep."""

import binascii
import json

import msgspec

from ostiary.errors import TokenError, TokenErrorCode

MAX_OPENING_BRACKETS = 128

# The reader knows the standard alphabet; what belongs to that one alone becomes a letter that it refuses.
_TO_STANDARD_ALPHABET = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = (b"", None, b"==", b"=")
# The last letters whose unused bits are zero, by how many letters stand in the last group of four (RFC 4648 §3.5).
_LAST_LETTERS = (None, None, frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))


def parse_base64url(text: bytes, *, name: str) -> bytes:
    """The bytes behind unpadded base64url (RFC 7515 §2); TokenError unless this is their only spelling.

    Padding, whitespace, the other alphabet and stray bits in the last letter are refused, so that a token with one
    letter changed is never the same token (S16).
    """
    rest = len(text) & 3
    padding, last_letters = _PADDING[rest], _LAST_LETTERS[rest]
    if text and padding is not None and (last_letters is None or text[-1] in last_letters):
        try:
            return binascii.a2b_base64(text.translate(_TO_STANDARD_ALPHABET) + padding, strict_mode=True)
        except binascii.Error:
            pass
    raise TokenError(TokenErrorCode.MALFORMED, f"the token's {name} must be base64url without padding")


def parse_json_object(raw: bytes, *, name: str, max_brackets: int = MAX_OPENING_BRACKETS) -> dict[str, object]:
    """The JSON object (RFC 8259, I-JSON's unique names), or TokenError.

    Counting brackets bounds the nesting before any parsing: cheaper than measuring depth and safe for any stack.
    """
    if raw.count(b"[") + raw.count(b"{") > max_brackets:
        raise TokenError(TokenErrorCode.MALFORMED, f"the token's {name} has too many parts")
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TokenError(TokenErrorCode.MALFORMED, f"the token's {name} must be a JSON object in UTF-8")
    # The parser keeps the last of two equal names. Writing the value back proves that there were none, for the
    # compact form that signers use; any other form is read once more, slowly.
    if msgspec.json.encode(value) != raw and _has_duplicate_names(raw):
        raise TokenError(TokenErrorCode.MALFORMED, f"the token's {name} must not name a member twice")
    return value


def _has_duplicate_names(raw: bytes) -> bool:
    found = False

    def compare(pairs: list[tuple[str, object]]) -> None:
        nonlocal found
        found = found or len({name for name, _ in pairs}) != len(pairs)

    json.loads(raw, object_pairs_hook=compare)
    return found
