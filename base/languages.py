"""Which language a page speaks: what the application asked for, then what the browser prefers."""

import re
from collections.abc import Collection, Iterator, Sequence

DEFAULT = "en"
_MAX_PREFERENCES = 20
# No browser sends a fifth of it; what stands behind is not looked at.
_MAX_HEADER = 1000
_PREFERENCE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


def choose_language(wanted: Sequence[str], accept_language: str, available: Collection[str]) -> str:
    """The first available language of `wanted` (OIDC `ui_locales`), else of the header, else English.

    A region is dropped where only the language is available (RFC 4647 §3.4): `tr-TR` is served by `tr`.
    """
    for tag in (*wanted, *_preferred(accept_language)):
        language = tag.lower().partition("-")[0]
        if language in available:
            return language
    return DEFAULT


def _preferred(accept_language: str) -> Iterator[str]:
    """The header's languages, most wanted first (RFC 9110 §12.5.4); what cannot be read is passed over."""
    weighted: list[tuple[float, str]] = []
    for part in accept_language[:_MAX_HEADER].split(",", _MAX_PREFERENCES)[:_MAX_PREFERENCES]:
        match = _PREFERENCE.fullmatch(part)
        if match and float(match[2] or 1) > 0:
            weighted.append((-float(match[2] or 1), match[1]))
    return (tag for _, tag in sorted(weighted, key=lambda pair: pair[0]))
