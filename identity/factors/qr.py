"""QR codes as one SVG path, drawn here so that nothing leaves the page and no style has to be allowed."""

from dataclasses import dataclass

from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

# ISO/IEC 18004 §6.3.8: without four light modules around it scanners may not find the symbol.
QUIET = 4


@dataclass(frozen=True, slots=True)
class QrCode:
    """`size` is the side in modules, the quiet zone included; `path` is an SVG path of the dark ones."""

    size: int
    path: str


def draw_qr(text: str) -> QrCode:
    """The QR code of a text. A row's neighbouring modules are one rectangle, which keeps the path short."""
    code = QRCode(error_correction=ERROR_CORRECT_M, border=0)
    code.add_data(text)
    code.make(fit=True)
    rows: list[list[bool | None]] = code.get_matrix()
    parts = [
        f"M{start + QUIET} {y + QUIET}h{length}v1h-{length}z"
        for y, row in enumerate(rows)
        for start, length in _dark_runs(row)
    ]
    return QrCode(len(rows) + 2 * QUIET, "".join(parts))


def _dark_runs(row: list[bool | None]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for x, is_dark in enumerate(row):
        if not is_dark:
            continue
        if runs and sum(runs[-1]) == x:
            runs[-1] = runs[-1][0], runs[-1][1] + 1
        else:
            runs.append((x, 1))
    return runs
