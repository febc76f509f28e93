"""A report as one HTML page that needs nothing else: its style is in it, its charts are drawn, and nothing runs."""

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from audit.reports.display import show_report
from audit.reports.model import Report
from audit.reports.words import Words

_ROOM = Path(__file__).parent.parent


def write_page(report: Report, words: Words) -> bytes:
    """The page in UTF-8."""
    return _template().render(report=show_report(report, words), style=Markup(_style()), policy=page_policy()).encode()  # noqa: S704


def page_policy() -> str:
    """The content security policy of the page: its own style, by its digest, and nothing else."""
    mark = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{mark}'; base-uri 'none'; form-action 'none'"


@lru_cache(maxsize=1)
def _style() -> str:
    return (_ROOM / "templates" / "report.css").read_text()


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_ROOM / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    # The charts are made by us, their words escaped where they are drawn.
    environment.filters["drawn"] = Markup
    return environment.get_template("report.html")
