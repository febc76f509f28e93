"""Rows and files of sign-ins, as short as a test can tell them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from risk.evaluation.dataset import Row, network_of, read_rows, survey

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"
AT = 1_700_000_000.0
DAY = 86_400.0

LEAST: Mapping[str, str] = {
    "Login Timestamp": "2020-02-03 12:43:30.772",
    "User ID": "-4324475583306591935",
    "IP Address": "81.167.144.58",
    "Login Successful": "True",
    "Is Account Takeover": "False",
}


def row(at_s: float = AT, person: str = "ada", address: str = "203.0.113.7", **facts: object) -> Row:
    """A good sign-in on Windows with Chrome, out of Oslo."""
    usual: dict[str, object] = {
        "succeeded": True,
        "country": "NO",
        "region": "Oslo",
        "city": "Oslo",
        "asn": 29695,
        "user_agent": CHROME,
        "browser": "Chrome 120.0.0",
        "system": "Windows 10",
        "kind": "desktop",
    }
    return Row(at_s=at_s, person=person, address=address, network=network_of(address), **(usual | facts))  # type: ignore[arg-type]


def write(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """A CSV file of these cells; every row has the columns of the first."""
    cells = list(rows)
    names = list(cells[0])
    lines = [",".join(f'"{name}"' for name in names)]
    lines += [",".join(f'"{each.get(name, "")}"' for name in names) for each in cells]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path, **options: int) -> list[Row]:
    """Every row of a file, in time order."""
    return list(read_rows(path, survey(path), **options))
