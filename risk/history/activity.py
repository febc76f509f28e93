"""What happens at an account, an address and a network: failures, sign-ins, and how many people were tried.

Sums halve with every whole window of `WINDOW`; who was tried is kept as two bitmaps, of this window and of the last.
Only keyed digests are stored, and whole numbers, so that both databases agree to the last digit.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import to_micros
from base.statements import Statement
from base.within import send
from risk.sighting import Activity

WINDOW = timedelta(hours=6)
# Nothing is left of a sum after so many windows; a row this old may go.
WINDOWS_KEPT = 40
_WINDOW_US = int(WINDOW.total_seconds() * 1_000_000)
_BITS = 62
_ONE = 1000
# Sums stay far from where numbers end.
_MOST = 1 << 40

_COLUMNS = (
    ("key", "bytea"),
    ("failures", "bigint"),
    ("successes", "bigint"),
    ("people", "bigint"),
    ("now", "bigint"),
)
_OLD = "risk_activity"
_GONE = f"MIN(62, MAX(0, ({{now}} - {_OLD}.began_at) / {_WINDOW_US}))"
_GONE_POSTGRES = f"LEAST(62, GREATEST(0, ({{now}} - {_OLD}.began_at) / {_WINDOW_US}))::integer"


def _upsert(source: str, gone: str, least: str) -> str:
    """The upsert of one row; a clock that runs behind adds to the window that is there."""
    gone = gone.format(now="excluded.began_at")
    return f"""
    INSERT INTO {_OLD} (key, failures, successes, people, people_before, began_at)
    {source}
    ON CONFLICT (key) DO UPDATE SET
        failures = {least}({_MOST}, ({_OLD}.failures >> {gone}) + excluded.failures),
        successes = {least}({_MOST}, ({_OLD}.successes >> {gone}) + excluded.successes),
        people = CASE WHEN {gone} = 0 THEN {_OLD}.people | excluded.people ELSE excluded.people END,
        people_before = CASE {gone} WHEN 0 THEN {_OLD}.people_before WHEN 1 THEN {_OLD}.people ELSE 0 END,
        began_at = {_OLD}.began_at + {gone} * CAST({_WINDOW_US} AS BIGINT)
    RETURNING"""


_COUNT = Statement(
    "count activity",
    _COLUMNS,
    (_upsert("VALUES (:key, :failures, :successes, :people, 0, :now)", _GONE, "MIN") + " key",),
    # Several callers may count at one key in one group: a row may be changed once by one statement.
    ", counted AS ("
    + _upsert(
        "SELECT key, sum(failures)::bigint, sum(successes)::bigint, bit_or(people), 0, max(now) FROM input GROUP BY key"
        " ORDER BY key",
        _GONE_POSTGRES,
        "LEAST",
    )
    + f" {_OLD}.key) SELECT n FROM input JOIN counted USING (key)",
)


def bit_of(digest: bytes) -> int:
    """The bit that stands for one account in the bitmaps."""
    return 1 << (int.from_bytes(digest[:4], "big") % _BITS)


async def count_failure(db: AsyncConnection, keys: Sequence[bytes], account: bytes, *, now: datetime) -> None:
    """One failed proof of `account` (a digest) at each key."""
    for key in sorted(set(keys)):
        await send(db, _COUNT, (key, _ONE, 0, bit_of(account), to_micros(now)))


async def count_successes(db: AsyncConnection, key: bytes, number: float, *, now: datetime) -> None:
    """So many sign-ins at one key, to the thousandth."""
    await send(db, _COUNT, (key, 0, round(number * _ONE), 0, to_micros(now)))


def activity_of(row: Sequence[int] | None, now: datetime) -> Activity:
    """What the columns failures, successes, people, people_before, began_at say now; nothing was seen: zeros."""
    if row is None:
        return Activity()
    failures, successes, people, before, began_at = row
    gone = min(62, max(0, (to_micros(now) - began_at) // _WINDOW_US))
    bits = people | before if gone == 0 else people if gone == 1 else 0
    return Activity((failures >> gone) / _ONE, (successes >> gone) / _ONE, _distinct(bits))


def _distinct(bits: int) -> float:
    """How many different accounts set these bits, estimated by linear counting (Whang et al. 1990)."""
    empty = _BITS - bits.bit_count()
    return round(-_BITS * math.log(max(empty, 0.5) / _BITS), 3)
