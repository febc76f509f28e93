"""What a user agent says of itself, and how alike two browsers are.

The text is cut before anything looks at it: its cost is bounded whatever is sent. It is what a browser says, never
proof.
"""

import re
from functools import lru_cache

from risk.sighting import Browser, DeviceKind

MAX_USER_AGENT = 512
MAX_LANGUAGES = 128
_MAX_NAME = 64
_CACHED = 4096
# No browser sends six of these in a row; patterns that look for a gap after each try them all again and again.
_RUN = re.compile(r"([\s;,()/.]{3})[\s;,()/.]{3,}")
# Nor has one so many parts between semicolons; other patterns try anew at each.
_MOST_PARTS = 24
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)
_KINDS: dict[str, DeviceKind] = {
    "desktop": "desktop",
    "pc": "desktop",
    "mobile": "mobile",
    "tablet": "tablet",
    "bot": "bot",
}


def parse_user_agent(text: str | None) -> Browser | None:
    """The browser that a user agent names, or None where nothing was sent."""
    return _parse(text[:MAX_USER_AGENT]) if text else None


@lru_cache(maxsize=_CACHED)
def _parse(text: str) -> Browser:
    # It brings thousands of patterns, and only scoring needs them.
    from user_agents.parsers import UserAgent

    text = ";".join(text.split(";", _MOST_PARTS)[:_MOST_PARTS])
    try:
        parsed = UserAgent(_RUN.sub(r"\1", text))
    except ValueError:
        # Digits of other scripts pass its patterns and are no numbers to it.
        return Browser("Other", None, "Other", None, "other")
    kind: DeviceKind = "other"
    if parsed.is_bot:
        kind = "bot"
    elif parsed.is_tablet:
        kind = "tablet"
    elif parsed.is_mobile:
        kind = "mobile"
    elif parsed.is_pc:
        kind = "desktop"
    return Browser(
        family=str(parsed.browser.family)[:_MAX_NAME],
        version=_major(parsed.browser.version),
        system=str(parsed.os.family)[:_MAX_NAME],
        system_version=_major(parsed.os.version),
        kind=kind,
    )


def _major(version: tuple[object, ...]) -> int | None:
    found = _NUMBER.match(str(version[0])) if version else None
    return int(found[0]) if found else None


def browser_of_names(browser: str | None, system: str | None, kind: str | None) -> Browser | None:
    """A browser from columns such as `Chrome Mobile 81.0.4044`, `Android 10` and `mobile`; None without the first."""
    if not browser:
        return None
    family, version = _named(browser)
    of_system, system_version = _named(system or "Other")
    return Browser(family, version, of_system, system_version, _KINDS.get((kind or "").lower(), "other"))


def _named(text: str) -> tuple[str, int | None]:
    name, _, last = text[:_MAX_NAME].strip().rpartition(" ")
    found = _NUMBER.match(last)
    return (name, int(found[0])) if name and found else (text[:_MAX_NAME].strip(), None)


def cut_languages(header: str | None) -> str | None:
    """The header `Accept-Language` as it is compared: cut and lowered; None where it is absent."""
    return header[:MAX_LANGUAGES].strip().lower() or None if header else None


def similarity(a: Browser, b: Browser) -> float:
    """How alike two browsers are, from 0 to 1: the same one with a newer version is nearly the same."""
    if a.kind != b.kind or a.system != b.system:
        return 0.1 if a.family == b.family else 0.0
    if a.family != b.family:
        return 0.3
    older, newer = sorted((a.version or 0, b.version or 0))
    alike = 1.0 if older == newer else 0.95
    return alike if (a.system_version or 0) == (b.system_version or 0) else alike - 0.05
