"""What this server is called in the forms of others."""

from functools import lru_cache
from importlib.metadata import version

VENDOR = "Ostiary"
PRODUCT = "Ostiary"


@lru_cache(maxsize=1)
def product_version() -> str:
    """The version of this server's distribution."""
    return version("ostiary-server")
