"""Every signal's id with its sentence, in English; `locale/<language>.po` beside this file translates them.

The ids are names that events, tokens' explanations, policies and services rely on: they stay. A sentence's places in
braces are filled from the reason's `detail`; what is not known is left as three dots.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from base.languages import DEFAULT
from base.mail import one_line
from risk.values import Detail

LOCALE = Path(__file__).parent / "locale"
_PLACE = re.compile(r"\{(\w+)\}")
_MAX_VALUE = 64

SENTENCES: Mapping[str, str] = {
    # risk.signals.device
    "device_known": "This device is known.",
    "device_missing": "The browser came without the cookie of any known device.",
    "device_new": "The browser brought the cookie of another person's device, or of one that was removed.",
    "device_cloned": "The browser brought a cookie that had been replaced: it may have been copied.",
    "device_browser_changed": "A known device came back as another browser.",
    "device_moved": "A known device came from another network and as another browser: its cookie may be stolen.",
    # risk.signals.network
    "address_known": "The person signed in from this address before.",
    "network_known": "The person signed in from this network before.",
    "operator_known": "The person signed in through {operator} before.",
    "country_known": "The person signed in from {country} before.",
    "address_new": "A new address in a known network.",
    "network_new": "A network that is new to this person.",
    "operator_new": "A network operator that is new to this person: {operator}.",
    "country_new": "A country that is new to this person: {country}.",
    # risk.signals.place
    "city_known": "The person signed in from {city} before.",
    "city_new": "A city that is new to this person: {city}.",
    # risk.signals.travel
    "travel_impossible": "{km} km from {from} to {to} within {minutes} minutes ({km_h} km/h): faster than an airliner.",
    "country_changed": "From {from} to {to} within {minutes} minutes.",
    # risk.signals.browser
    "browser_known": "The browser is one that the person uses: {browser} on {system}.",
    "browser_updated": "A newer version of the person's browser: {browser} on {system}.",
    "browser_older": "An older version of the person's browser: {browser} on {system}.",
    "user_agent_new": "The person's browser describes itself in a new way: {browser} on {system}.",
    "browser_new": "A browser that is new to this person: {browser} on {system}.",
    "system_known": "The person uses {system}.",
    "system_new": "An operating system that is new to this person: {system}.",
    "kind_known": "The kind of device is one that the person uses.",
    "kind_new": "A kind of device that is new to this person: {browser} on {system}.",
    "browser_missing": "The browser did not say what it is.",
    "browser_automated": "A program signed in, not a browser: {browser}.",
    # risk.signals.traits
    "language_known": "The browser asks for the person's usual languages.",
    "language_new": "The browser asks for other languages than usual.",
    "time_zone_known": "The device's time zone is a usual one.",
    "time_zone_new": "The device is set to a time zone that is new to this person.",
    "screen_known": "The screen is like one that the person uses.",
    "screen_new": "A screen that is new to this person.",
    "platform_known": "The platform is one that the person uses.",
    "platform_new": "A platform that is new to this person.",
    "platform_contradicts": "The browser says {system}, and its scripts say otherwise.",
    "handshake_known": "The connection is made as usual.",
    "handshake_new": "The connection was made in a way that is new to this person.",
    # risk.signals.rhythm
    "hour_usual": "A usual hour for this person ({hour}:00 UTC).",
    "hour_unusual": "An unusual hour for this person ({hour}:00 UTC).",
    # risk.signals.frequency
    "signs_in_often": "The person signs in often.",
    "signs_in_seldom": "The person seldom signs in.",
    # risk.signals.dormant
    "first_signin": "The account's first sign-in: there is no history yet.",
    "account_dormant": "Nobody had signed in to this account for {days} days.",
    # risk.scorer
    "history_unreadable": "The history of this person's sign-ins could not be read.",
    # risk.signals.bursts
    "account_burst": "{failures} failed attempts at this account of late.",
    "address_burst": "{failures} failed attempts from this address of late.",
    "address_spray": "This address tried {people} accounts of late and failed.",
    "network_burst": "{failures} failed attempts from this network of late.",
    "network_spray": "This network tried {people} accounts of late and failed.",
    # risk.signals.reputation
    "listed_blocked": "An operator blocked this address.",
    "listed_tor": "The address is an exit of the Tor network.",
    "listed_anonymous": "The address belongs to an anonymising service.",
    "listed_hosting": "The address belongs to a hosting company.",
    "listed": "The address stands in the list {list}.",
    # risk.signals.credentials
    "account_recovered": "The account was recovered {hours} hours ago.",
    "factor_changed": "A second factor was changed {hours} hours ago.",
    "password_changed": "The password was changed {hours} hours ago.",
    "password_breached": "The password is known from a breach.",
    # risk.signals.sessions
    "sessions_apart": "Another session is live too far away for one person to be in both places.",
    # risk.signals.changes
    "session_address_changed": "The address changed during the session.",
    "session_network_changed": "The network changed during the session.",
    "session_operator_changed": "The network operator changed during the session, from {from} to {to}.",
    "session_country_changed": "The country changed during the session, from {from} to {to}.",
    "session_browser_changed": "The browser changed during the session, from {from} to {to}.",
    "session_browser_older": "The browser became an older version during the session.",
    "session_browser_hidden": "The browser stopped saying what it is during the session.",
    "session_device_lost": "The device's cookie was lost during the session.",
    "session_device_changed": "The session went on on another device.",
    # risk.signals.reports
    "reported": "{source} reported: {kind}.",
    # risk.shares
    "baseline": "What any sign-in like the person's others has.",
}


def sentence(signal: str, detail: Detail, language: str = DEFAULT) -> str:
    """What a reason says, on one line; the id itself where no sentence is known, as of a newer version."""
    known = SENTENCES.get(signal)
    if known is None:
        return one_line(signal[:_MAX_VALUE])
    text = known if language == DEFAULT else _gettext(language)(known)
    return _PLACE.sub(lambda place: _shown(detail.get(place[1])), text)


def _shown(value: str | int | float | None) -> str:
    if value is None or value == "":
        return "…"
    # A city's name comes from a file, and a browser's from whoever sent it (S46).
    return one_line(str(value)[:_MAX_VALUE])


@lru_cache(maxsize=16)
def _gettext(language: str) -> Callable[[str], str]:
    # English alone needs none of the libraries behind the catalogues, which take long to load.
    from base.pages import load_translations

    # Only the name of a file that stands there already is ever made a path.
    return load_translations([path for path in LOCALE.glob("*.po") if path.stem == language]).gettext
