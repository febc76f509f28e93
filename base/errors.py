"""Failures that every room shares."""


class StorageUnavailable(Exception):
    """The database did not answer, or its answer is unknown: 503 with `Retry-After`, and safe to try again (I5)."""


class StorageContended(StorageUnavailable):
    """Others held the same rows for too long, and nothing was done."""


class NotReady(Exception):
    """The server cannot start; the message is one sentence that says what to do next."""
