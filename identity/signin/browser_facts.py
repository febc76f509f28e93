"""What the script of the sign-in pages saw of the browser: three hidden fields, empty without scripts.

Anybody can send anything there. It is evidence beside other evidence, compared and never shown; what no browser would
send is passed over.
"""

import re

from starlette.requests import Request

from base.forms import Form
from identity.assessing.sightings import BROWSER_FACTS
from risk.sighting import BrowserFacts

_MOST = 64
_SCREEN = re.compile(r"[1-9][0-9]{1,4}x[1-9][0-9]{1,4}@[1-9]", re.ASCII)
# A name of the IANA time zone database, by its form.
_TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
_PLATFORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}", re.ASCII)


def parse_browser_facts(form: Form) -> BrowserFacts | None:
    """The facts in a form, None where there are none."""
    screen, zone = _field(form, "screen", _SCREEN), _field(form, "time_zone", _TIME_ZONE)
    platform = _field(form, "platform", _PLATFORM)
    return BrowserFacts(screen, zone, platform) if screen or zone or platform else None


def note_browser_facts(request: Request, form: Form) -> None:
    """Leaves the facts where the sign-in is assessed (`identity.assessing.sightings`)."""
    request.scope[BROWSER_FACTS] = parse_browser_facts(form)


def _field(form: Form, name: str, shape: re.Pattern[str]) -> str | None:
    value = form.get(name)
    return value if value is not None and len(value) <= _MOST and shape.fullmatch(value) else None
