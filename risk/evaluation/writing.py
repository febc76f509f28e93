"""Rows written as a file of the public data set's columns, with the device cookie and the kind of attacker beside."""

import csv
from collections.abc import Iterable, Set
from datetime import UTC, datetime
from typing import TextIO

from risk.evaluation import columns
from risk.evaluation.dataset import Row


def write_rows(file: TextIO, rows: Iterable[Row], *, attack_addresses: Set[str]) -> int:
    """Writes a line of column names and every row; gives how many rows. Round-trip times are left empty."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns.ALL)
    count = 0
    for row in rows:
        writer.writerow(_cells(row, is_attack_address=row.address in attack_addresses))
        count += 1
    return count


def _cells(row: Row, *, is_attack_address: bool) -> tuple[object, ...]:
    at = datetime.fromtimestamp(row.at_s, UTC).replace(tzinfo=None)
    return (
        at.isoformat(" ", "milliseconds"),
        row.person,
        "",
        row.address,
        row.country or "-",
        row.region or "-",
        row.city or "-",
        "" if row.asn is None else row.asn,
        row.user_agent or "",
        row.browser or "",
        row.system or "",
        row.kind or "",
        row.succeeded,
        is_attack_address,
        row.attacker is not None,
        row.token or "",
        row.attacker or "",
    )
