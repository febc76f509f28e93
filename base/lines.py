"""One JSON value on one line, whatever is in it (S46): for logs and exports that people read in a terminal."""

import json

import msgspec

_encode = msgspec.json.Encoder(decimal_format="string").encode


def to_line(value: object) -> bytes:
    """Compact JSON without a line end. Everything beyond printable ASCII is escaped.

    Control characters, ANSI sequences, DEL, C1 controls, U+2028 and directional marks so stay data: they can neither
    begin a new line nor move a reader's cursor.
    """
    try:
        line = _encode(value)
    except UnicodeEncodeError:
        # A lone surrogate, as undecodable bytes of a command line become: JSON has an escape for it.
        line = b"\x7f"
    if line.isascii() and b"\x7f" not in line:
        return line
    # JSON's own escapes: what `json` leaves raw in ASCII mode is DEL alone.
    return (
        json.dumps(msgspec.to_builtins(value), ensure_ascii=True, separators=(",", ":"))
        .replace("\x7f", "\\u007f")
        .encode()
    )
