"""What a person recognises a browser by, such as `Firefox on Linux`; only ever shown, never decided upon."""

from functools import lru_cache

_MAX_USER_AGENT = 512
_MAX_LABEL = 128


def label_of(user_agent: str | None) -> str:
    """The browser and the system that a user agent names, `Unknown browser` without one."""
    return _label(user_agent[:_MAX_USER_AGENT]) if user_agent else "Unknown browser"


@lru_cache(maxsize=1024)
def _label(user_agent: str) -> str:
    from user_agents import parse

    parsed = parse(user_agent)
    return f"{parsed.browser.family} on {parsed.os.family}"[:_MAX_LABEL]
