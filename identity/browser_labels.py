"""What a person recognises a browser by, such as `Firefox on Linux`; only ever shown, never decided upon."""

from risk.browsers import parse_user_agent

_MAX_LABEL = 128


def label_of(user_agent: str | None) -> str:
    """The browser and the system that a user agent names, `Unknown browser` without one."""
    browser = parse_user_agent(user_agent)
    return f"{browser.family} on {browser.system}"[:_MAX_LABEL] if browser else "Unknown browser"
