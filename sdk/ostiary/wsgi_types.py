"""The shapes of WSGI (PEP 3333), spelled once, and what every guard reads of a request."""

from collections.abc import Callable, Iterable, MutableMapping
from http import HTTPStatus
from types import TracebackType

WSGIEnviron = MutableMapping[str, object]
WSGIHeaders = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
WriteBody = Callable[[bytes], object]
# The third argument, exc_info, may be left out; Callable cannot say so.
StartResponse = Callable[..., WriteBody]
# Frameworks type the environ each in their own way.
WSGIApp = Callable[..., Iterable[bytes]]


def path_of(environ: WSGIEnviron) -> str:
    """The whole path, mount prefix included; WSGI hands UTF-8 over as latin-1."""
    whole = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    return whole.encode("latin-1", "replace").decode("utf-8", "replace")


def credentials_of(environ: WSGIEnviron) -> bytes | None:
    """The value of the Authorization header, None where there is none.

    Servers join several of them by commas, which no bearer token has: so doubles are refused as malformed. Only this
    one key is read: `Authorization_`, `X-Authorization` and the like get keys of their own.
    """
    value = environ.get("HTTP_AUTHORIZATION")
    return value.encode("latin-1", "replace") if isinstance(value, str) else None


def status_line(status: int) -> str:
    """`401 Unauthorized`."""
    return f"{status} {HTTPStatus(status).phrase}"
