"""The browser against the person's own ones: kind, system, family, version and the whole string, as one chain."""

from risk.chains import Compared, joint
from risk.history import facets
from risk.sighting import Surroundings
from risk.values import Detail, Reason

# What a browser says is what anybody can say, and popular ones are shared by millions: it reassures little.
LEAST, MOST = -1.2, 4.0
# Of those who come instead: nothing in common; the same kind, system, family, version, and the very same string.
SHARES = (0.25, 0.05, 0.1, 0.3, 0.15, 0.15)
# A thief who has the cookie can look up the browser too.
_LEAST_WITH_DEVICE = -0.7
# Every browser names itself; to hide that must not be better than to name a new one.
_MISSING = 2.5
_AUTOMATED, _AUTOMATED_AS_EVER = 2.5, 0.3
# Programs that sign in by themselves; many more say "bot" in their kind.
_PROGRAMS = (
    "headless",
    "python",
    "curl",
    "wget",
    "okhttp",
    "go-http",
    "java",
    "phantomjs",
    "electron",
    "selenium",
    "node",
)

_NEW = {
    facets.KIND: "kind_new",
    facets.SYSTEM: "system_new",
    facets.FAMILY: "browser_new",
    facets.VERSION: "browser_older",
    facets.AGENT: "user_agent_new",
}
_KNOWN = {facets.KIND: "kind_known", facets.SYSTEM: "system_known", facets.FAMILY: "browser_known"}


def find_browser(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """One reason of the chain, named after the coarsest level that is new, and one where a program signs in."""
    chain, profile, sighting = facets.BROWSER_CHAIN, compared.profile, compared.sighting
    reasons = []
    deepest, new = compared.deepest(chain), compared.first_new(chain)
    if deepest is not None or new is not None:
        odds = max(joint(compared, chain, SHARES), LEAST if compared.device is None else _LEAST_WITH_DEVICE)
        reasons.append(Reason(_name(compared, deepest, new), min(odds, MOST), detail=_detail(compared)))
    if sighting.browser is None and sighting.user_agent == "" and profile.counts[facets.AGENT]:
        reasons.append(Reason("browser_missing", _MISSING))
    if _is_program(compared):
        odds = _AUTOMATED_AS_EVER if compared.known[facets.FAMILY] else _AUTOMATED
        reasons.append(Reason("browser_automated", odds, detail=_detail(compared)))
    return tuple(reasons)


def _name(compared: Compared, deepest: int | None, new: int | None) -> str:
    if new is None:
        return _KNOWN.get(deepest or facets.KIND, "browser_known")
    return "browser_updated" if compared.is_updated else _NEW[new]


def _detail(compared: Compared) -> Detail:
    browser = compared.sighting.browser
    return {} if browser is None else {"browser": browser.family, "system": browser.system}


def _is_program(compared: Compared) -> bool:
    browser = compared.sighting.browser
    if browser is None:
        return False
    return browser.kind == "bot" or browser.family.lower().startswith(_PROGRAMS)
