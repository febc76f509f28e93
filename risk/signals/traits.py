"""What a browser says beside its name: languages, time zone, screen, platform, TLS. They go along with its own."""

from math import log

from risk.chains import Compared
from risk.history import facets
from risk.sighting import Surroundings
from risk.values import Reason

# Languages and time zones are those of a whole country: what fits reassures hardly.
LEAST, MOST = -0.1, 1.2
ALTOGETHER = 2.0
# With a new device its screen and platform are new as well, and the person's languages and time zone are not.
_WITH_NEW_DEVICE = {facets.SCREEN: 0.3, facets.PLATFORM: 0.5, facets.TLS: 0.5}
_TOLD = {
    facets.LANGUAGE: "language",
    facets.TIME_ZONE: "time_zone",
    facets.SCREEN: "screen",
    facets.PLATFORM: "platform",
    facets.TLS: "handshake",
}
# What a platform's name begins with, on each system; another one means that the user agent is not the browser's own.
_PLATFORMS = {
    "Windows": ("win",),
    "Mac OS X": ("mac",),
    "iOS": ("iphone", "ipad", "ipod", "ios", "mac"),
    "Android": ("linux", "android", "arm", "aarch"),
    "Linux": ("linux",),
    "Ubuntu": ("linux",),
    "Chrome OS": ("linux", "cros", "chrom"),
}
_CONTRADICTION = 1.5


def find_traits(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`language_new` and the like; together they weigh 2 at most."""
    reasons, left = [], ALTOGETHER
    for facet in facets.TRAITS:
        known = compared.known[facet]
        if known is None:
            continue
        if known:
            reasons.append(Reason(f"{_TOLD[facet]}_known", LEAST))
            continue
        rate = max(compared.rate(facet), _WITH_NEW_DEVICE.get(facet, 0.0) if compared.is_device_new else 0.0)
        odds = min(max(0.5 * log(1.0 / rate), 0.0), MOST, left)
        left -= odds
        reasons.append(Reason(f"{_TOLD[facet]}_new", odds))
    reasons.extend(_contradiction(compared))
    return tuple(reasons)


def _contradiction(compared: Compared) -> tuple[Reason, ...]:
    browser, facts = compared.sighting.browser, compared.sighting.facts
    if browser is None or facts is None or not facts.platform or compared.known[facets.PLATFORM]:
        return ()
    expected = _PLATFORMS.get(browser.system)
    if expected is None or facts.platform.lower().startswith(expected):
        return ()
    return (Reason("platform_contradicts", _CONTRADICTION, detail={"system": browser.system}),)
