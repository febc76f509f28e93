"""A browser in a person's words: the label of a device (`identity.browser_labels`) in its parts, to be translated."""

from dataclasses import dataclass

# What the reader of user agents says where it does not know.
_UNKNOWN = frozenset({"", "Other", "Unknown browser"})


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser and the system that it runs on, each empty where nobody knows it."""

    name: str = ""
    system: str = ""


def parse_label(label: str | None) -> Browser:
    """The parts of a label such as `Firefox on Linux`."""
    name, _, system = (label or "").rpartition(" on ")
    if not name:
        name, system = system, ""
    return Browser("" if name in _UNKNOWN else name, "" if system in _UNKNOWN else system)
