"""What a device looked like when it was last seen, as its row keeps it: sealed, bound to the device.

It says whether a cookie that was replaced came back to the browser that had it, and tells people what they see of
their devices. It is evidence: nothing of it makes a cookie (S33).
"""

from dataclasses import dataclass

import msgspec

from base.sealing import SealBroken, Sealer
from risk.place import NOWHERE, Place
from risk.sighting import Browser, BrowserFacts, Sighting

_AAD = b"device looks "


@dataclass(frozen=True, slots=True)
class Looks:
    """The parts of a sighting that are kept of a device; `network` and `user_agent` are keyed digests."""

    network: str | None = None
    user_agent: str | None = None
    browser: Browser | None = None
    place: Place = NOWHERE
    facts: BrowserFacts | None = None


_decoder = msgspec.json.Decoder(Looks)


def looks_of(sighting: Sighting) -> Looks:
    """What is kept of a sighting."""
    return Looks(sighting.network, sighting.user_agent, sighting.browser, sighting.place, sighting.facts)


def seal_looks(sealer: Sealer, device_id: bytes, looks: Looks) -> bytes:
    """What the column `devices.looks` holds."""
    return sealer.seal(msgspec.json.encode(looks), aad=_AAD + device_id)


def open_looks(sealer: Sealer, device_id: bytes, sealed: bytes | None) -> Looks | None:
    """What `seal_looks` sealed; None where there is nothing that this version can read."""
    if sealed is None:
        return None
    try:
        return _decoder.decode(sealer.unseal(sealed, aad=_AAD + device_id))
    except (SealBroken, msgspec.MsgspecError):
        return None


def is_same_browser(looks: Looks | None, sighting: Sighting) -> bool:
    """Whether a sighting can be of the very browser: in the same network, which is known, with the same words of
    itself, and nothing that its scripts tell against it."""
    if looks is None or looks.network is None or looks.network != sighting.network:
        return False
    if looks.user_agent != sighting.user_agent or looks.browser != sighting.browser:
        return False
    return looks.facts is None or sighting.facts is None or _agree(looks.facts, sighting.facts)


def _agree(before: BrowserFacts, now: BrowserFacts) -> bool:
    # A screen may be plugged in meanwhile.
    pairs = ((before.time_zone, now.time_zone), (before.platform, now.platform))
    return all(one is None or other is None or one == other for one, other in pairs)
