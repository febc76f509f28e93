"""What changed since a session began. A session has one browser for its whole life; networks change as people walk."""

from risk.chains import Compared
from risk.place import Place
from risk.sighting import Sighting, Surroundings
from risk.values import Reason

_ADDRESS, _NETWORK, _OPERATOR, _COUNTRY = 0.1, 0.3, 0.8, 1.5
_BROWSER, _OLDER, _LOST, _ANOTHER = 3.5, 1.5, 2.0, 3.0
_MOBILE = 0.4


def find_changes(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """What is different from the session's beginning: at most one reason each for network, browser and device."""
    now, began = compared.sighting, around.began
    if began is None:
        return ()
    return (*_network(now, began), *_browser(now, began), *_device(now, began))


def _network(now: Sighting, began: Sighting) -> tuple[Reason, ...]:
    here, there = now.place, began.place
    factor = _MOBILE if "mobile" in (here.network_kind, there.network_kind) else 1.0
    if here.country and there.country and here.country != there.country:
        detail = {"from": there.country, "to": here.country}
        return (Reason("session_country_changed", _COUNTRY * factor, detail=detail),)
    if here.asn and there.asn and here.asn != there.asn:
        detail = {"from": _operator(there), "to": _operator(here)}
        return (Reason("session_operator_changed", _OPERATOR * factor, detail=detail),)
    if now.network and began.network and now.network != began.network:
        return (Reason("session_network_changed", _NETWORK * factor),)
    if now.address and began.address and now.address != began.address:
        return (Reason("session_address_changed", _ADDRESS),)
    return ()


def _operator(place: Place) -> str:
    return place.network_name or f"AS{place.asn}"


def _browser(now: Sighting, began: Sighting) -> tuple[Reason, ...]:
    if began.browser is None or now.browser == began.browser:
        return ()
    if now.browser is None:
        # What stood there at the beginning is not said any more.
        return (Reason("session_browser_hidden", _OLDER),) if now.user_agent == "" else ()
    detail = {"from": began.browser.family, "to": now.browser.family}
    if (now.browser.family, now.browser.system) != (began.browser.family, began.browser.system):
        return (Reason("session_browser_changed", _BROWSER, detail=detail),)
    if (now.browser.version or 0) < (began.browser.version or 0):
        return (Reason("session_browser_older", _OLDER, detail=detail),)
    return ()


def _device(now: Sighting, began: Sighting) -> tuple[Reason, ...]:
    if began.device is None or now.device == began.device:
        return ()
    if now.device is None:
        return (Reason("session_device_lost", _LOST),)
    return (Reason("session_device_changed", _ANOTHER),)
