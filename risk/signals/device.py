"""The device cookie: the strongest thing that speaks for a person, and the strongest against when it is missing.

A cookie can be stolen: what it reassures is bounded by that, is less where the network has changed since, and nothing
where the browser has, since a cookie does not wander from one browser into another by itself (S33).
"""

from math import log

from risk.chains import Compared
from risk.history import facets
from risk.history.profile import DeviceMemory
from risk.sighting import Surroundings
from risk.values import Reason

LEAST, MOST = -3.5, 3.5
# Of those who come instead of the person, those who hold a stolen cookie.
_STOLEN = 0.03
_NETWORK_CHANGED = 0.7
# The owner's browser is another one with the same cookie once in hundreds of sign-ins; a thief's is every second time.
_BROWSER_CHANGED = 4.0
_BOTH_CHANGED = 5.0
_VERSION_BACK = 1.5
# A cookie in two hands: the owner may be either of them.
_CLONED = 3.0


def find_device(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`device_known`, or what is wrong with it; `device_missing` or `device_new` where it is none of the person's.

    `device_cloned` comes beside them.
    """
    cloned = (Reason("device_cloned", _CLONED),) if compared.sighting.is_cloned else ()
    return (*_find_known(compared), *cloned)


def _find_known(compared: Compared) -> tuple[Reason, ...]:
    if not compared.profile.devices:
        return ()
    rate = compared.rate(facets.DEVICE)
    if compared.device is None:
        signal = "device_new" if compared.sighting.has_cookie else "device_missing"
        return (Reason(signal, min(max(log((1.0 - _STOLEN) / rate), 0.5), MOST)),)
    odds = max(log(_STOLEN / max(1.0 - rate, 0.1)), LEAST)
    is_network_changed = _is_network_changed(compared, compared.device)
    change = _browser_change(compared, compared.device)
    if change >= _BROWSER_CHANGED:
        odds += _BOTH_CHANGED if is_network_changed else change
        return (Reason("device_moved" if is_network_changed else "device_browser_changed", odds),)
    odds += change + _NETWORK_CHANGED * is_network_changed
    return (Reason("device_known", min(odds, 0.0)),)


def _is_network_changed(compared: Compared, device: DeviceMemory) -> bool:
    """Whether the device is elsewhere than last time, and the person was never seen there; also where nobody knows."""
    operator, network = compared.keys[facets.OPERATOR], compared.keys[facets.NETWORK]
    if operator is not None and device.operator:
        return operator != device.operator and not compared.known[facets.OPERATOR]
    if network is not None and device.network:
        return network != device.network and not compared.known[facets.NETWORK]
    return bool(device.operator or device.network)


def _browser_change(compared: Compared, device: DeviceMemory) -> float:
    browser, family = compared.sighting.browser, compared.keys[facets.FAMILY]
    if not device.family:
        return 0.0
    if browser is None:
        # A browser that does not say what it is may be any: half of what a known device says.
        return _VERSION_BACK
    if family != device.family:
        return _BROWSER_CHANGED
    return _VERSION_BACK if (browser.version or 0) < device.version else 0.0
