"""What people type for a code, made plain (S16)."""

import unicodedata

_MAX_TYPED = 64
# Spaces, dashes, and marks that cannot be seen: what stands between groups, and what comes along when a text is copied.
_BETWEEN = frozenset({"Zs", "Pd", "Cf", "Cc"})


def bare_text(typed: str) -> str:
    """The letters and digits of a typed code without what groups them; empty where it is far too long.

    Full-width and other compatible forms become plain ones (NFKC): keyboards of some languages type them.
    """
    if len(typed) > _MAX_TYPED:
        return ""
    return "".join(char for char in unicodedata.normalize("NFKC", typed) if unicodedata.category(char) not in _BETWEEN)
