"""What user agents say of themselves, at a bounded price."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.browsers import browser_of_names, cut_languages, parse_user_agent, similarity
from risk.history.population import Population
from risk.history.profile import Profile
from risk.sighting import Browser, BrowserFacts, Sighting
from tests.risk.signins import CHROME, IPHONE, SCORER

# 64 KB each: repetition, nesting and near misses of the patterns that parsers use.
HOSTILE: dict[str, str] = {
    "letters": "A" * 65_536,
    "digits": "9" * 65_536,
    "spaces": " " * 65_536,
    "versions": "/1.1.1.1" * 8_192,
    "nested": "Mozilla/5.0 (" + "(" * 65_000,
    "semicolons": "Mozilla/5.0 (Linux; Android " + "; " * 32_000,
    "android": "; Android 10; SM-" * 4_000,
    "build": "Mozilla/5.0 (Linux; Android 10; " + "a " * 32_000 + "Build/",
    "parts": ";- .M-oHTCzi;Linux .10U; ;)en-us+pera;aaU; 1 " + ";;;;+_;" * 9_300,
    "more parts": "_oiAppleWebKitU0; /lSM+-)/5. (" + "_;;;;;" * 10_900,
    "near miss": ("Chrome/" + "1" * 500 + "!") * 128,
    "languages": "en-" * 21_845,
    "newlines": "\r\n" * 32_768,
    "other digits": "Chrome/²³¹ Version/٣.١ " * 3_000,
    "surrogates": "\ud800" * 65_536,
    "nulls": "\x00" * 65_536,
}


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (CHROME.format(126), Browser("Chrome", 126, "Windows", 10, "desktop")),
        (IPHONE, Browser("Mobile Safari", 17, "iOS", 17, "mobile")),
        ("curl/8.4.0", Browser("curl", 8, "Other", None, "other")),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", Browser("Googlebot", 2, "Other", None, "bot")),
    ],
)
def test_a_user_agent_is_read(agent: str, expected: Browser) -> None:
    assert parse_user_agent(agent) == expected


def test_no_user_agent_is_no_browser() -> None:
    assert parse_user_agent(None) is None
    assert parse_user_agent("") is None


@given(st.text(max_size=600))
def test_any_text_gives_a_browser(text: str) -> None:
    browser = parse_user_agent(text)
    assert (browser is None) == (text == "")
    assert browser is None or (len(browser.family) <= 64 and len(browser.system) <= 64)


def fastest_ms(work: Callable[[], object]) -> float:
    """The quickest of a few runs: what the work costs, not what the machine was busy with."""
    best = float("inf")
    for _ in range(5):
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best * 1000


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_of_sixty_four_kilobytes_cost_under_five_milliseconds(name: str) -> None:
    text = HOSTILE[name]
    parse_user_agent("warm")
    number = iter(range(100))

    def look() -> None:
        # A new text each time: the answer must not come from the cache.
        own = f"{next(number)}{text}"
        sighting = Sighting(
            at_s=1.7e9,
            address=own,
            network=own,
            user_agent=own,
            browser=parse_user_agent(own),
            languages=own,
            facts=BrowserFacts(own, own, own),
            device=own,
            has_cookie=True,
            tls=own,
        )
        cut_languages(own)
        profile = Profile.empty().learn(sighting)
        SCORER.assess(sighting, profile, Population.empty())

    assert fastest_ms(look) < 5


def test_columns_of_a_data_set_name_a_browser_too() -> None:
    assert browser_of_names("Chrome Mobile 81.0.4044", "Android 10", "mobile") == Browser(
        "Chrome Mobile", 81, "Android", 10, "mobile"
    )
    assert browser_of_names("Firefox", None, None) == Browser("Firefox", None, "Other", None, "other")
    assert browser_of_names(None, "iOS 13.4", "mobile") is None


def test_the_same_device_with_a_new_browser_version_is_nearly_the_same() -> None:
    old, new = Browser("Chrome", 126, "Windows", 10, "desktop"), Browser("Chrome", 131, "Windows", 10, "desktop")
    edge, phone = Browser("Edge", 126, "Windows", 10, "desktop"), Browser("Mobile Safari", 17, "iOS", 17, "mobile")
    assert similarity(old, old) == 1.0
    assert similarity(old, new) > 0.9 > similarity(old, edge) > similarity(old, phone) == 0.0
    assert similarity(old, new) == similarity(new, old)
