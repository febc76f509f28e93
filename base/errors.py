"""Failures that every room shares."""


class StorageUnavailable(Exception):
    """The database did not answer, or its answer is unknown: 503 with `Retry-After`, and safe to try again (I5)."""


class StorageContended(StorageUnavailable):
    """Others held the same rows for too long, and nothing was done."""


class StatementRefused(Exception):
    """The database refused a value: a fault of ours. The message names the error, never the value (S46)."""


def named(failure: BaseException) -> str:
    """A database failure as logs may show it: its kind and, where there is one, its SQLSTATE, without any value."""
    origin = getattr(failure, "orig", None) or failure
    state = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    return f"{type(origin).__name__} {state}" if state else type(origin).__name__


class NotReady(Exception):
    """The server cannot start; the message is one sentence that says what to do next."""
