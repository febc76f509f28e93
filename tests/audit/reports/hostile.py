"""A report whose every text was chosen by somebody who means harm."""

from datetime import UTC, datetime, timedelta

from audit.reports.model import (
    Chart,
    Column,
    Deployment,
    Figure,
    Passage,
    Period,
    Report,
    Section,
    Series,
    Table,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MARKUP = '#panic("x") $x^2$ *b* _i_ `c` @ref <label> \\u{41} // c /* #sys.inputs ] } \\'
SCRIPT = '</text></svg></style></title><script>window.broken = 1</script><img src=x onerror="window.broken = 1">'
CONTROLS = "a\x00b\x1b[2J\u202ec\u2028d\r\ne\ttab"
FORMULAS = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1", " =1+1", "\uff1d1+1", "\uff0b1", "\uff0d1",
    "\uff20SUM(A1)",
    "\u200b=1+1", "\ufeff=1+1", "\u22121", "=cmd|' /C calc'!A0",
)  # fmt: skip
FOREIGN = "漢字カタカナ 😀 العربية Ελληνικά Кириллица Ağrı"
LONG = "W" * 400


def hostile_report(*, rows: int = 1, language: str = "en") -> Report:
    """Texts of all kinds in all places; `rows` is how long one table is."""
    evil = (MARKUP, SCRIPT, CONTROLS, FOREIGN, LONG, *FORMULAS)
    columns = (Column("text", SCRIPT), Column("id", MARKUP, "id"), Column("n", "n", "number"))
    section = Section(
        key="evil",
        title=f"{MARKUP} {SCRIPT}",
        summary=" ".join(evil),
        figures=tuple(Figure(key=str(n), label=text, value=text, kind="text") for n, text in enumerate(evil)),
        charts=(
            Chart(key="a", title=SCRIPT, shape="ranked", labels=evil, says=CONTROLS,
                  series=(Series(MARKUP, tuple(range(len(evil)))),)),
            Chart(key="b", title=MARKUP, shape="stacked", labels=evil, axis=SCRIPT,
                  series=(Series(SCRIPT, tuple(range(len(evil))), "bad"),)),
        ),
        tables=(
            Table(key="evil", title=MARKUP, columns=columns, empty="none",
                  rows=tuple((text, text, n) for n, text in enumerate(evil))),
            Table(key="many", title="Many", columns=columns, empty="none", total=rows * 10,
                  rows=tuple((f"row {n}", f"usr_{n:032x}", n) for n in range(rows))),
        ),
        passages=(Passage(MARKUP, False, SCRIPT), Passage(f"{MARKUP}\n{SCRIPT}\n{CONTROLS}", True)),
    )  # fmt: skip
    return Report(
        id="rpt_" + "0" * 32, kind="daily", title=f"{MARKUP}", period=Period(NOON, NOON + timedelta(hours=3)),
        language=language, made_at=NOON + timedelta(days=1), made_by="cli",
        deployment=Deployment("https://id.example.com", f"{SCRIPT} {MARKUP}"), sections=(section,), notes=(MARKUP,),
    )  # fmt: skip
