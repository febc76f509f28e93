"""What countries are called."""

from functools import lru_cache

from babel import Locale


@lru_cache(maxsize=1024)
def country_name(code: str, *, language: str) -> str:
    """The name of a country (ISO 3166-1 alpha-2) in a language of ours; the code itself where it has no name."""
    return str(Locale(language).territories.get(code.upper(), code))
